//! Parts of a page, and how numbers are written there.

use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use super::chart::Chart;
use crate::domain::format;

/// A number with its name. A bad one is marked.
pub(crate) fn tile(name: &str, value: &str, is_bad: bool) -> Markup {
    html! { div.bad[is_bad] { dt { (name) } dd { (value) } } }
}

/// A message that stands out.
pub(crate) fn note(content: &Markup) -> Markup {
    html! { p.note { (content) } }
}

/// A chart with a title and a caption. A full one takes the whole width.
pub(crate) fn figure(title: &str, chart: &Chart, is_full: bool, caption: &Markup) -> Markup {
    html! {
        figure.full[is_full] {
            h3 { (title) }
            @match chart {
                Ok([wide, narrow]) => div.drawing role="img" aria-label=(title) {
                    div.wide { (PreEscaped(wide)) }
                    div.narrow { (PreEscaped(narrow)) }
                },
                Err(error) => (note(&html! { "This chart could not be drawn: " (error.to_string()) })),
            }
            figcaption { (caption) }
        }
    }
}

/// A table of this name that scrolls sideways in its section, also by keyboard.
pub(crate) fn scrolling(name: &str, is_long: bool, table: &Markup) -> Markup {
    html! {
        div.scroll.long[is_long] tabindex="0" role="region" aria-label={ "table: " (name) } { (table) }
    }
}

/// A duration in milliseconds as text.
pub(crate) fn took(millis: i64) -> String {
    let millis = u64::try_from(millis).unwrap_or_default();
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format::took(Duration::from_millis(millis))
    }
}

/// A count with thousands separators.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The text as the begin of a sentence.
pub(crate) fn upper(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_separators_and_short_times_milliseconds() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        let shown = [-5, 12, 1_250, 372_900].map(took);
        assert_eq!(shown, ["0 ms", "12 ms", "1.2 s", "6m 12s"]);
    }
}
