//! A template resolved against a header: column names are replaced by their indices, so that no row can fail on them.

use std::borrow::Cow;

use csv::StringRecord;

use super::records::cell;
use crate::domain::template::{Filter, Piece, Template};

/// A template whose columns are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compiled(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    DeviceId,
    ChannelName,
    Region,
    Cell { index: usize, trimmed: bool },
    Filtered(Box<Part>, Vec<Filter>),
}

/// A row's resolved values, which these names in templates mean instead of cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved<'a> {
    pub(super) device_id: &'a str,
    pub(super) channel_name: &'a str,
    pub(super) region: &'a str,
}

impl Compiled {
    /// Resolves a template. `place` gives a column's index and whether its cells are trimmed. The error is the name
    /// of the unknown column.
    pub(super) fn new<'t>(
        template: &'t Template,
        id_column: &str,
        place: impl Fn(&str) -> Option<(usize, bool)>,
    ) -> Result<Self, &'t str> {
        let part = |piece: &'t Piece| match piece {
            Piece::Literal(text) => Ok(Part::Literal(text.clone())),
            Piece::Column { name, filters } => {
                let part = match &**name {
                    "device_id" => Part::DeviceId,
                    name if name == id_column => Part::DeviceId,
                    "channel_name" => Part::ChannelName,
                    "region" => Part::Region,
                    name => {
                        let (index, trimmed) = place(name).ok_or(name)?;
                        Part::Cell { index, trimmed }
                    }
                };
                Ok(if filters.is_empty() {
                    part
                } else {
                    Part::Filtered(Box::new(part), filters.clone())
                })
            }
        };
        template
            .pieces()
            .iter()
            .map(part)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The text, where it is the same for every row.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The literal texts.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(&**text),
            _ => None,
        })
    }

    /// The text, where it is one value as it stands, and so needs no buffer.
    pub(super) fn verbatim<'a>(
        &'a self,
        cells: &'a StringRecord,
        resolved: Resolved<'a>,
    ) -> Option<&'a str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Filtered(..)] => None,
            [part] => Some(part.plain(cells, resolved)),
            _ => None,
        }
    }

    /// The text, part by part.
    pub(super) fn texts<'a>(
        &'a self,
        cells: &'a StringRecord,
        resolved: Resolved<'a>,
    ) -> impl Iterator<Item = Cow<'a, str>> {
        self.0.iter().map(move |part| part.text(cells, resolved))
    }
}

impl Part {
    fn text<'a>(&'a self, cells: &'a StringRecord, resolved: Resolved<'a>) -> Cow<'a, str> {
        let plain = Cow::Borrowed(self.plain(cells, resolved));
        match self {
            Self::Filtered(_, filters) => filters
                .iter()
                .fold(plain, |text, filter| filter.apply(text)),
            _ => plain,
        }
    }

    /// The text before filters.
    fn plain<'a>(&'a self, cells: &'a StringRecord, resolved: Resolved<'a>) -> &'a str {
        match self {
            Self::Filtered(part, _) => part.plain(cells, resolved),
            Self::Literal(text) => text,
            Self::DeviceId => resolved.device_id,
            Self::ChannelName => resolved.channel_name,
            Self::Region => resolved.region,
            Self::Cell {
                index,
                trimmed: true,
            } => cell(cells, *index).trim(),
            Self::Cell {
                index,
                trimmed: false,
            } => cell(cells, *index),
        }
    }
}
