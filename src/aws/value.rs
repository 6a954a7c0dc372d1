//! The text of one setting, from a variable or a file: what it is without its surroundings, and what it must not hold.

/// Without the white space and line ends that other programs leave around a value.
pub(super) fn trimmed(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

/// What a value that is true or false says.
pub(super) fn truth(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What makes a part of credentials unfit for a request's headers, in words that do not repeat it.
pub(super) fn unsendable(value: &str) -> Option<&'static str> {
    let quotes = ['"', '\''];
    if value.starts_with(quotes) || value.ends_with(quotes) {
        return Some("a quotation mark at an end");
    }
    let found = value.chars().find(|c| !c.is_ascii_graphic())?;
    Some(match found {
        '\r' | '\n' => "a line end",
        _ if found.is_whitespace() => "white space",
        _ if found.is_ascii() => "a control character",
        _ => "a character that is not ASCII",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfit_for_a_header_is_told_without_the_value() {
        for (value, told) in [
            ("AKID", None),
            ("a/b+c==", None),
            ("a\nb", Some("a line end")),
            ("a b", Some("white space")),
            ("a\u{7f}", Some("a control character")),
            ("'a", Some("a quotation mark at an end")),
        ] {
            assert_eq!(unsendable(value), told);
        }
        assert_eq!(trimmed("\u{feff} a b\r\n\0"), "a b");
        assert_eq!(
            (truth("TRUE"), truth("false"), truth("1")),
            (Some(true), Some(false), None)
        );
    }
}
