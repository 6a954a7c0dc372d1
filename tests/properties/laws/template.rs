//! Templates: parsed without loss, and expanded by the manifest.

use std::borrow::Cow;

use kvs_fleet::domain::device::{ChannelName, Region};
use kvs_fleet::domain::template::{Piece, Template};
use kvs_fleet::manifest::{Options, stream};

use super::is_a_message;

/// The columns of the manifest that expands templates, with one cell each.
const CELLS: [(&str, &str); 3] = [("device_id", "CAM-1"), ("a", "x.y"), ("b c", "")];
const REGION: &str = "eu-central-1";

/// Any text.
pub(crate) fn holds(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let template = match Template::parse(&text) {
        Ok(template) => template,
        Err(error) => return is_a_message(&error.to_string()),
    };
    assert_eq!(template.to_string(), text);
    let pieces = template.pieces();
    let written: String = pieces.iter().map(written).collect();
    assert_eq!(Template::parse(&written).unwrap().pieces(), pieces);
    for piece in pieces {
        let (Piece::Literal(text) | Piece::Column { name: text, .. }) = piece;
        assert!(!text.is_empty());
        if let Piece::Column { name, .. } = piece {
            assert!(template.uses(name));
        }
    }
    is_filled(&template);
}

/// A piece in the syntax of templates.
pub(crate) fn written(piece: &Piece) -> String {
    match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Column { name, filters } => {
            let filters = filters.iter().map(ToString::to_string);
            let parts: Vec<String> = std::iter::once(name.to_string()).chain(filters).collect();
            format!("{{{}}}", parts.join("|"))
        }
    }
}

fn is_filled(template: &Template) {
    let cell = |name: &str| {
        let region = ("region", REGION);
        let mut cells = CELLS.iter().chain([&region]);
        cells
            .find(|(column, _)| *column == name)
            .map(|(_, cell)| *cell)
    };
    let texts: Option<Vec<Cow<'_, str>>> = template
        .pieces()
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => Some(Cow::Borrowed(&**text)),
            Piece::Column { name, filters } => {
                let cell = Cow::Borrowed(cell(name)?);
                let filtered = filters.iter().fold(cell, |text, filter| filter.apply(text));
                Some(filtered)
            }
        })
        .collect();
    let options = Options {
        channel_name: template.clone(),
        region: Region::parse(REGION).ok(),
        ..Options::default()
    };
    let names = CELLS.map(|(name, _)| name).join(",");
    let cells = CELLS.map(|(_, cell)| cell).join(",");
    let manifest = format!("{names}\n{cells}\n");
    let rows = stream(manifest.as_bytes(), &options);
    let Some(texts) = texts else {
        // An unknown column, or the channel name itself.
        return is_a_message(&rows.unwrap_err().to_string());
    };
    let name = texts.concat();
    let mut rows = rows.unwrap();
    match rows.next().unwrap().unwrap().checked {
        Ok(ask) => assert_eq!(ask.channel_name(), name),
        Err(error) => {
            is_a_message(&error.to_string());
            assert!(ChannelName::check(&name).is_err(), "{name:?}: {error}");
        }
    }
}
