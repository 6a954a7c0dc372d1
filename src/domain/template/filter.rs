//! Filters of a template's column: how `{column|filter|filter}` changes the cell's text.

use std::borrow::Cow;
use std::fmt;

/// A change of a cell's text. Names are changed only by filters, so only if a flag says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `delete(CHARACTERS)`: removes each of these characters.
    Delete(Box<str>),
    /// `replace(OLD,NEW)`: replaces a text by another one.
    Replace(Box<str>, Box<str>),
    /// `lower`: ASCII letters to lower case.
    Lower,
    /// `upper`: ASCII letters to upper case.
    Upper,
}

impl Filter {
    /// Parses the text between two `|`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let called = trimmed
            .strip_suffix(')')
            .and_then(|call| call.split_once('('))
            .map(|(name, arguments)| (name.trim_end(), arguments));
        match (trimmed, called) {
            ("lower", _) => Ok(Self::Lower),
            ("upper", _) => Ok(Self::Upper),
            (_, Some(("delete", ""))) => {
                Err("deletes nothing; expected characters, such as delete(:)".to_owned())
            }
            (_, Some(("delete", characters))) => Ok(Self::Delete(characters.into())),
            // Split at the last comma, so that a comma can be replaced.
            (_, Some(("replace", arguments))) => match arguments.rsplit_once(',') {
                Some((old, new)) if !old.is_empty() => Ok(Self::Replace(old.into(), new.into())),
                _ => Err(
                    "replaces nothing; expected replace(OLD,NEW), such as replace(:,-)".to_owned(),
                ),
            },
            _ => Err(
                "is unknown; expected delete(CHARACTERS), replace(OLD,NEW), lower or upper"
                    .to_owned(),
            ),
        }
    }

    /// Applies the filter.
    pub fn apply<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        let is_changed = match self {
            Self::Delete(characters) => text.contains(|c| characters.contains(c)),
            Self::Replace(old, _) => text.contains(&**old),
            Self::Lower => text.bytes().any(|byte| byte.is_ascii_uppercase()),
            Self::Upper => text.bytes().any(|byte| byte.is_ascii_lowercase()),
        };
        if !is_changed {
            return text;
        }
        Cow::Owned(match self {
            Self::Delete(characters) => text.replace(|c| characters.contains(c), ""),
            Self::Replace(old, new) => text.replace(&**old, new),
            Self::Lower => text.to_ascii_lowercase(),
            Self::Upper => text.to_ascii_uppercase(),
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(characters) => write!(f, "delete({characters})"),
            Self::Replace(old, new) => write!(f, "replace({old},{new})"),
            Self::Lower => f.write_str("lower"),
            Self::Upper => f.write_str("upper"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(filter: &str, text: &str) -> String {
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(Filter::parse(&filter.to_string()), Ok(filter.clone()));
        filter.apply(text.into()).into_owned()
    }

    #[test]
    fn each_filter_changes_the_text() {
        for (filter, text, expected) in [
            ("delete(:)", "02:00:5E", "02005E"),
            ("delete(:-. )", "02-00.5E:1 2", "02005E12"),
            ("delete())", "a)b", "ab"),
            (" replace(:,-) ", "02:00", "02-00"),
            ("replace( / ,)", "a / b", "ab"),
            ("replace(,,-)", "a,b", "a-b"),
            ("lower", "02:00:5E Ä", "02:00:5e Ä"),
            ("upper", "5e", "5E"),
            ("upper", "5E", "5E"),
        ] {
            assert_eq!(filtered(filter, text), expected, "{filter}");
        }
    }

    #[test]
    fn an_unknown_filter_is_refused() {
        for (text, reason) in [
            ("", "is unknown"),
            ("trim", "is unknown"),
            ("Lower", "is unknown"),
            ("lower()", "is unknown"),
            ("delete", "is unknown"),
            ("delete(", "is unknown"),
            ("delete()", "deletes nothing"),
            ("replace(:)", "replaces nothing"),
            ("replace(,-)", "replaces nothing"),
        ] {
            let refused = Filter::parse(text).unwrap_err();
            assert!(refused.starts_with(reason), "{text}: {refused}");
        }
    }
}
