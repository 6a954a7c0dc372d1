//! `{column}` templates: their syntax.
//!
//! The manifest knows which columns exist and their values; this module only parses the template's text.

mod filter;

use std::fmt;
use std::str::FromStr;

pub(crate) use filter::Filter;

use crate::domain::device::shown;

/// A template such as `{device_id}-cam`: text with names of columns in braces; `{{` and `}}` are literal braces.
///
/// A name may contain any character but braces and `|`, also spaces; spaces around it are ignored. A `Filter` follows
/// after a `|`: `{device_id|delete(:)|lower}`. `Display` gives the text that the template was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Literal text, never empty.
    Literal(Box<str>),
    /// The value of a column.
    Column {
        /// The column's name, never empty.
        name: Box<str>,
        /// Applied to the value in this order.
        filters: Vec<Filter>,
    },
}

/// Why a text is not a valid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template {template} {flaw}")]
pub struct TemplateError {
    template: String,
    flaw: String,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        match split(text) {
            Ok(pieces) => Ok(Self {
                text: text.into(),
                pieces,
            }),
            Err(flaw) => Err(TemplateError {
                template: shown(text),
                flaw,
            }),
        }
    }

    /// The template's parts in order. An empty list means that it expands to an empty text.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether the template uses the column of this name.
    pub fn uses(&self, column: &str) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Column { name, .. } if &**name == column))
    }

    /// The template's text with this filter on the columns with these names too; none where all of them have it.
    pub(crate) fn with_filter(&self, columns: &[&str], filter: &Filter) -> Option<String> {
        let mut pieces = self.pieces.clone();
        let mut is_other = false;
        for piece in &mut pieces {
            if let Piece::Column { name, filters } = piece
                && columns.contains(&&**name)
                && !filters.contains(filter)
            {
                filters.push(filter.clone());
                is_other = true;
            }
        }
        is_other.then(|| pieces.iter().map(ToString::to_string).collect())
    }

    /// The text that the template was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Template {
    /// `{device_id}`
    fn default() -> Self {
        Self {
            text: "{device_id}".into(),
            pieces: vec![Piece::Column {
                name: "device_id".into(),
                filters: Vec::new(),
            }],
        }
    }
}

impl fmt::Display for Piece {
    /// The piece in a template's syntax.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Self::Column { name, filters } => {
                write!(f, "{{{name}")?;
                filters
                    .iter()
                    .try_for_each(|filter| write!(f, "|{filter}"))?;
                f.write_str("}")
            }
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of a template, or the error. Positions are counted in characters, from 1.
fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut characters = text.chars().zip(1_usize..).peekable();
    while let Some((character, position)) = characters.next() {
        match character {
            '{' | '}'
                if characters
                    .peek()
                    .is_some_and(|(next, _)| *next == character) =>
            {
                characters.next();
                literal.push(character);
            }
            '}' => {
                return Err(format!(
                    "has a '}}' at character {position} that closes nothing; write '}}}}' for a literal brace"
                ));
            }
            '{' => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                let inside = between_braces(&mut characters, position)?;
                pieces.push(column(&inside, position)?);
            }
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

/// The text up to the closing brace. `opened` is the position of the opening one.
fn between_braces(
    characters: &mut impl Iterator<Item = (char, usize)>,
    opened: usize,
) -> Result<String, String> {
    let mut inside = String::new();
    for (character, position) in characters {
        match character {
            '}' => return Ok(inside),
            '{' => {
                return Err(format!(
                    "has a '{{' at character {position} inside the braces opened at character {opened}; expected '}}'"
                ));
            }
            other => inside.push(other),
        }
    }
    Err(format!(
        "has a '{{' at character {opened} that is never closed; expected '}}' after the column's name, or '{{{{' for \
         a literal brace"
    ))
}

/// The column and the filters between the braces opened at this character.
fn column(inside: &str, opened: usize) -> Result<Piece, String> {
    let (name, rest) = match inside.split_once('|') {
        Some((name, rest)) => (name, Some(rest)),
        None => (inside, None),
    };
    let name = name.trim();
    if name.is_empty() {
        return Err(format!(
            "has no name between the braces at character {opened}; expected a column's, such as {{device_id}}"
        ));
    }
    let filters = rest.into_iter().flat_map(split_filters).map(|text| {
        Filter::parse(text).map_err(|flaw| {
            let filter = shown(text.trim());
            format!("has a filter {filter} in the braces at character {opened} that {flaw}")
        })
    });
    Ok(Piece::Column {
        name: name.into(),
        filters: filters.collect::<Result<_, _>>()?,
    })
}

/// Splits filters at each `|` outside of parentheses.
fn split_filters(text: &str) -> impl Iterator<Item = &str> {
    let mut is_argument = false;
    text.split(move |character| {
        match character {
            '(' => is_argument = true,
            ')' => is_argument = false,
            _ => {}
        }
        character == '|' && !is_argument
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<Piece> {
        Template::parse(text).unwrap().pieces().to_vec()
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.into())
    }

    fn column(name: &str) -> Piece {
        Piece::Column {
            name: name.into(),
            filters: Vec::new(),
        }
    }

    fn error(text: &str) -> String {
        Template::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_template_is_parsed_into_text_and_columns() {
        assert_eq!(
            pieces("{device_id}-cam"),
            [column("device_id"), literal("-cam")]
        );
        assert_eq!(pieces("a{b}{c}"), [literal("a"), column("b"), column("c")]);
        assert_eq!(pieces("plain"), [literal("plain")]);
        assert_eq!(pieces(""), []);
        assert_eq!(
            pieces("{tag:Site} {Gerät Nr. 1}"),
            [column("tag:Site"), literal(" "), column("Gerät Nr. 1")]
        );
        assert_eq!(pieces("{ serial }"), [column("serial")]);
    }

    #[test]
    fn doubled_braces_are_literal() {
        assert_eq!(pieces("{{{a}}}"), [literal("{"), column("a"), literal("}")]);
        assert_eq!(pieces("{{device_id}}"), [literal("{device_id}")]);
    }

    #[test]
    fn errors_name_the_position_and_what_was_expected() {
        assert_eq!(
            error("cam-{device_id"),
            "the template 'cam-{device_id' has a '{' at character 5 that is never closed; expected '}' after the \
             column's name, or '{{' for a literal brace"
        );
        assert_eq!(
            error("é{}"),
            "the template 'é{}' has no name between the braces at character 2; expected a column's, such as \
             {device_id}"
        );
        assert_eq!(
            error("a}b"),
            "the template 'a}b' has a '}' at character 2 that closes nothing; write '}}' for a literal brace"
        );
        assert_eq!(
            error("{a{b}}"),
            "the template '{a{b}}' has a '{' at character 3 inside the braces opened at character 1; expected '}'"
        );
        assert!(error("{  }").contains("no name between the braces"));
    }

    #[test]
    fn filters_follow_the_column_name() {
        let filters = |text: &str| match &pieces(text)[..] {
            [Piece::Column { name, filters }] => {
                assert_eq!(&**name, "device_id");
                filters.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(filters("{device_id|delete(:)}"), ["delete(:)"]);
        assert_eq!(
            filters("{ device_id | replace(:,-) | lower }"),
            ["replace(:,-)", "lower"]
        );
        assert_eq!(
            filters("{device_id|delete(|)|upper}"),
            ["delete(|)", "upper"]
        );
        assert_eq!(
            error("cam-{device_id|trim}"),
            "the template 'cam-{device_id|trim}' has a filter 'trim' in the braces at character 5 that is unknown; \
             expected delete(CHARACTERS), replace(OLD,NEW), lower or upper"
        );
        assert!(error("{device_id|}").contains("a filter ''"));
        assert!(error("{|lower}").contains("no name between the braces"));
    }

    #[test]
    fn a_filter_is_added_to_the_named_columns() {
        let template = Template::parse("{{x}}-{a|lower}{b}").unwrap();
        let filter = Filter::Delete(":".into());
        assert_eq!(
            template.with_filter(&["a", "c"], &filter).as_deref(),
            Some("{{x}}-{a|lower|delete(:)}{b}")
        );
        let once = Template::parse("{a|delete(:)}").unwrap();
        assert_eq!(once.with_filter(&["a"], &filter), None);
    }

    #[test]
    fn a_template_is_displayed_as_it_was_written() {
        assert_eq!(
            Template::parse("{{x}} { a }").unwrap().to_string(),
            "{{x}} { a }"
        );
        assert_eq!(Template::default(), Template::parse("{device_id}").unwrap());
        assert!(Template::default().uses("device_id"));
        assert!(!Template::default().uses("serial"));
    }
}
