//! Guesses which IDs and names another program has changed: shortened numbers, dates, words for empty cells, rows of
//! totals.

/// What has probably happened to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Shortened,
    Date,
    DayNumber,
    Decimal,
    Missing,
    Failed,
    Formula,
    Total,
    Border,
}

impl Cause {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Shortened => "a spreadsheet program shortened a long number",
            Self::Date => "a spreadsheet program took an ID for a date",
            Self::DayNumber => {
                "a spreadsheet program took an ID for a date and wrote the date's number"
            }
            Self::Decimal => {
                "a program took whole numbers for decimal ones (pandas does where a cell of the column is empty)"
            }
            Self::Missing => "a program wrote a word for an empty cell",
            Self::Failed => "a formula of a spreadsheet program failed",
            Self::Formula => "a spreadsheet program wrote how it keeps a number as text",
            Self::Total => "the row is a total and no device",
            Self::Border => "the line is the border of a table and no device",
        }
    }
}

/// Words for a cell without a value.
const MISSING: [&str; 17] = [
    "null",
    "nil",
    "nan",
    "none",
    "n/a",
    "na",
    "nat",
    "<na>",
    "undefined",
    "(null)",
    "(none)",
    "(blank)",
    "(empty)",
    "(leer)",
    "\\n",
    "-",
    "--",
];

/// Words that rows of totals have in the place of an ID.
const TOTALS: [&str; 17] = [
    "total",
    "totals",
    "sum",
    "summe",
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "grand total",
    "subtotal",
    "zwischensumme",
    "insgesamt",
    "count",
    "anzahl",
    "average",
    "mittelwert",
    "somme",
    "totale",
];

/// Months as spreadsheet programs shorten them, in the languages of the Regions with most factories.
const MONTHS: [&str; 32] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "jän",
    "mär", "mrz", "mai", "okt", "dez", "janv", "févr", "mars", "avr", "juin", "juil", "août",
    "déc", "ene", "abr", "ago", "dic", "sept", "märz",
];

/// What has probably happened to this ID or name, where it looks odd. Called for each row, so most IDs are passed after a
/// few bytes.
pub(super) fn cause(text: &str) -> Option<Cause> {
    const LONGEST: usize = 16;
    match text.as_bytes() {
        [b'0'..=b'9', ..] => of_digits(text),
        [b'#', b'A'..=b'Z', ..] => Some(Cause::Failed),
        [b'-' | b':' | b'+' | b'=', .., b'-' | b':' | b'+' | b'='] if is_border(text) => {
            Some(Cause::Border)
        }
        [b'=' | b'\'', ..] => Some(Cause::Formula),
        bytes if bytes.len() > LONGEST => None,
        [first, .., b'0'..=b'9'] => {
            (starts_a_month(*first) && is_month_and_day(text)).then_some(Cause::Date)
        }
        _ if is_one_of(&MISSING, text) => Some(Cause::Missing),
        _ if is_one_of(&TOTALS, text) => Some(Cause::Total),
        _ => None,
    }
}

/// Such as `---`, `:--:` or `+----+`: Markdown, and programs that draw tables with characters, write these.
pub(super) fn is_border(text: &str) -> bool {
    text.len() > 2
        && text
            .bytes()
            .all(|byte| matches!(byte, b'-' | b':' | b'+' | b'='))
}

/// Whether one of the months starts with this letter.
fn starts_a_month(first: u8) -> bool {
    matches!(
        first.to_ascii_lowercase(),
        b'a' | b'd' | b'e' | b'f' | b'j' | b'm' | b'n' | b'o' | b's'
    )
}

/// Such as `Jan-02`.
fn is_month_and_day(text: &str) -> bool {
    let month = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - month.len();
    let month = month.strip_suffix(['-', ' ', '/']);
    (1..=4).contains(&digits) && month.is_some_and(is_month)
}

fn is_one_of(words: &[&str], text: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

pub(super) fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_month(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    (3..=5).contains(&text.chars().count()) && MONTHS.contains(&&*text.to_lowercase())
}

/// The cause of a text that starts with a digit.
fn of_digits(text: &str) -> Option<Cause> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..).filter(|rest| !rest.is_empty())?;
    let fraction = rest.strip_prefix(['.', ',']);
    if fraction.is_some_and(|zeros| !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0')) {
        return Some(Cause::Decimal);
    }
    let exponent = fraction.unwrap_or(rest);
    let exponent = exponent.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_exponent = exponent
        .strip_prefix(['e', 'E'])
        .and_then(|power| power.strip_prefix(['+', '-']))
        .is_some_and(|power| (1..=3).contains(&power.len()) && is_digits(power));
    if is_exponent {
        return Some(Cause::Shortened);
    }
    is_date(text).then_some(Cause::Date)
}

/// Dates such as `2-Jan`, `02. Jan 26`, `02.01.2026`, `1/2/2026`, `2026-01-02`, with a time or without one.
fn is_date(text: &str) -> bool {
    // What has none of these after its first two or four digits is no date: nearly every ID.
    let after_day = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let day_digits = text.len() - after_day.len();
    if !matches!(day_digits, 1 | 2 | 4) || !after_day.starts_with(['.', '-', '/', ' ']) {
        return false;
    }
    let is_separator = |c: char| matches!(c, '.' | '-' | '/' | ' ' | 'T');
    let mut parts = text.split(is_separator).filter(|part| !part.is_empty());
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
        return false;
    };
    let third = parts.next();
    let is_upto = |part: &str, most: u32| {
        part.len() <= 2
            && part
                .parse()
                .is_ok_and(|number: u32| (1..=most).contains(&number))
    };
    if is_month(second) {
        let is_year = |part: &str| matches!(part.len(), 2 | 4) && is_digits(part);
        return is_upto(first, 31) && third.is_none_or(is_year);
    }
    let Some(third) = third else { return false };
    let is_day_and_month =
        |a: &str, b: &str| (is_upto(a, 31) && is_upto(b, 12)) || (is_upto(a, 12) && is_upto(b, 31));
    let is_year =
        |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    let rest = parts.next();
    let ends = rest.is_none_or(|time| time.contains(':'));
    ends && ((is_year(third) && is_digits(third) && is_day_and_month(first, second))
        || (is_year(first) && is_upto(second, 12) && is_upto(third, 31)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_make_of_ids() {
        for (cause_of, texts) in [
            (
                Cause::Shortened,
                &["1.23457E+11", "1E+05", "1,23457E+11", "4.7e-05"][..],
            ),
            (
                Cause::Date,
                &[
                    "2-Jan",
                    "02. Jan",
                    "02. Mär",
                    "2. März",
                    "Jan-02",
                    "Okt 99",
                    "02-Dez-26",
                    "02.01.2026",
                    "1/2/2026",
                    "2026-01-02",
                    "2026-01-02 00:00:00",
                    "2026-01-02T00:00",
                    "12-Sept.",
                    "Mai-1999",
                ],
            ),
            (Cause::Decimal, &["4711001.0", "7.00", "7,0"]),
            (
                Cause::Missing,
                &[
                    "NULL", "null", "NaN", "None", "N/A", "<NA>", "\\N", "-", "NaT",
                ],
            ),
            (Cause::Failed, &["#N/A", "#NV", "#REF!", "#WERT!", "#NAME?"]),
            (Cause::Formula, &["=\"000123\"", "'000123"]),
            (Cause::Border, &["---", ":---:", "+----+", "====="]),
            (Cause::Total, &["Summe", "Total", "Grand Total", "GESAMT"]),
        ] {
            for text in texts {
                assert_eq!(cause(text), Some(cause_of), "{text}");
            }
        }
    }

    #[test]
    fn ids_as_they_are_meant() {
        for text in [
            "CAM-0001",
            "DEVICE_1",
            "4711001",
            "45658",
            "02005E005301",
            "12E4",
            "1E5",
            "00-11-22",
            "1.2.26",
            "1.10",
            "192.168.0.1",
            "10.0.0.1",
            "line4-01",
            "Nova-12",
            "Mar",
            "March-line",
            "sum-1",
            "nullify",
            "2-Jane",
            "2026-13-02",
            "32-Jan",
            "02:00:5E:00:53:01",
            "7E-2x",
            "é",
            "",
            "0",
            "A.0",
            "4-7",
            "DEC-1x",
            "3-1-2",
        ] {
            assert_eq!(cause(text), None, "{text}");
        }
    }
}
