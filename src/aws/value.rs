//! The text of one setting, from a variable or a file.

/// The value without the white space and line ends that other programs leave around it.
pub(super) fn trimmed(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}')
}

/// The value of a switch that is `true` or `false`.
pub(super) fn switch_value(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Some(true),
        _ if value.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Why a part of the credentials cannot be sent in a header, without repeating it.
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
    fn an_unsendable_value_is_described_without_repeating_it() {
        for (value, reason) in [
            ("AKID", None),
            ("a/b+c==", None),
            ("a\nb", Some("a line end")),
            ("a b", Some("white space")),
            ("a\u{7f}", Some("a control character")),
            ("'a", Some("a quotation mark at an end")),
        ] {
            assert_eq!(unsendable(value), reason);
        }
        assert_eq!(trimmed("\u{feff} a b\r\n\0"), "a b");
        assert_eq!(
            (
                switch_value("TRUE"),
                switch_value("false"),
                switch_value("1")
            ),
            (Some(true), Some(false), None)
        );
    }
}
