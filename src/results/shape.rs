//! Which columns a results file has: all, or those of an earlier version.

use super::record::{COLUMNS, Column};

/// The columns of a file, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RowShape {
    /// All of [`COLUMNS`].
    #[default]
    Current,
    /// All but `account`, as earlier versions wrote it.
    WithoutAccount,
}

impl RowShape {
    pub(super) const ALL: [Self; 2] = [Self::Current, Self::WithoutAccount];

    /// How many columns there are.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Current => COLUMNS.len(),
            Self::WithoutAccount => COLUMNS.len() - 1,
        }
    }

    /// Where a column is; none where there is no such column.
    pub(super) fn index(self, column: Column) -> Option<usize> {
        let index = column as usize;
        match self {
            Self::Current => Some(index),
            Self::WithoutAccount if column == Column::Account => None,
            Self::WithoutAccount => Some(index - usize::from(index > Column::Account as usize)),
        }
    }

    /// The columns' names.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let is_there =
            move |index: usize| self == Self::Current || index != Column::Account as usize;
        let names = COLUMNS.into_iter().enumerate();
        names.filter_map(move |(index, name)| is_there(index).then_some(name))
    }

    /// The header as a line of the file.
    pub(super) fn header(self) -> String {
        let names: Vec<&str> = self.names().collect();
        names.join(",") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::record::HEADER;

    #[test]
    fn an_earlier_file_has_all_columns_but_the_account() {
        let [current, earlier] = RowShape::ALL;
        assert_eq!(current.header(), HEADER);
        assert_eq!(earlier.header(), HEADER.replace("account,", ""));
        for shape in RowShape::ALL {
            let names: Vec<&str> = shape.names().collect();
            assert_eq!(names.len(), shape.width());
            for (column, name) in [
                (Column::DeviceId, "device_id"),
                (Column::ChannelName, "channel_name"),
                (Column::Region, "region"),
                (Column::RequestId, "request_id"),
            ] {
                assert_eq!(names[shape.index(column).unwrap()], name);
            }
        }
        assert_eq!(current.index(Column::Account), Some(2));
        assert_eq!(earlier.index(Column::Account), None);
    }
}
