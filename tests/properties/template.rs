//! Random templates.

use kvs_fleet::domain::template::{Piece, Template};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::draw::{check, text};
use crate::laws::template;

#[test]
fn every_text_is_a_template_or_an_error() {
    check(1_000, text(8), |text| template::holds(text.as_bytes()));
}

#[test]
fn every_template_is_parsed_into_its_pieces() {
    let literals = text(4).prop_filter("a literal is not empty", |text| !text.is_empty());
    let columns = select(&["device_id", "a", "b c", "region", "tag:Site", "Gerät"][..]);
    // Two adjacent literals are parsed as one.
    let pairs = vec((literals, columns), 0..5);
    check(1_000, (pairs, any::<bool>()), |(pairs, ends_in_text)| {
        let mut pieces: Vec<Piece> = pairs
            .iter()
            .flat_map(|(text, name)| {
                [
                    Piece::Literal(text.as_str().into()),
                    Piece::Column {
                        name: (*name).into(),
                        filters: Vec::new(),
                    },
                ]
            })
            .collect();
        if ends_in_text {
            pieces.pop();
        }
        let text: String = pieces.iter().map(template::written).collect();
        assert_eq!(Template::parse(&text).unwrap().pieces(), pieces);
        template::holds(text.as_bytes());
    });
}
