//! IDs and names that another program has probably changed: numbers that a spreadsheet program shortened, dates that it
//! made, words for empty cells, rows of totals. Pure guesses, for a hint in a message or one warning at the end.

use crate::device::shown;

/// What has probably become of a text.
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

/// What has probably become of this ID or name, where it looks odd by itself. Called for each row.
pub(super) fn cause(text: &str) -> Option<Cause> {
    match text.as_bytes() {
        [b'0'..=b'9', ..] => of_digits(text),
        [b'=' | b'\'', ..] => Some(Cause::Formula),
        [b'#', b'A'..=b'Z', ..] => Some(Cause::Failed),
        _ if text.len() > 16 => None,
        bytes if bytes.iter().any(u8::is_ascii_digit) => {
            let (month, day) = text.split_at_checked(text.find(|c: char| !c.is_alphabetic())?)?;
            let digits = day.get(1..)?;
            let is_day = (1..=4).contains(&digits.len()) && is_digits(digits);
            (is_day && day.starts_with(['-', ' ', '/']) && is_month(month)).then_some(Cause::Date)
        }
        _ if is_one_of(&MISSING, text) => Some(Cause::Missing),
        _ if is_one_of(&TOTALS, text) => Some(Cause::Total),
        _ => None,
    }
}

fn is_one_of(words: &[&str], text: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_month(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    (3..=5).contains(&text.chars().count()) && MONTHS.contains(&&*text.to_lowercase())
}

/// The cause of a text that starts with a digit.
fn of_digits(text: &str) -> Option<Cause> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.is_empty() {
        return None;
    }
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

/// Rows to name for each cause.
const NAMED: usize = 3;

/// The numbers that spreadsheet programs keep the days of the years 2000 to 2050 as.
const DAY_NUMBERS: std::ops::RangeInclusive<u32> = 36_526..=55_153;

/// Rows whose ID or channel name has probably been changed by another program.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    found: Vec<Found>,
    /// How many rows were looked at, and in how many the ID is a whole number.
    rows: u64,
    numbers: u64,
    day_numbers: Option<Found>,
}

/// The rows of one cause.
#[derive(Debug, Clone)]
struct Found {
    cause: Cause,
    count: u64,
    first: Vec<(u64, Box<str>)>,
}

impl Found {
    fn new(cause: Cause) -> Self {
        Self {
            cause,
            count: 0,
            first: Vec::new(),
        }
    }

    fn add(&mut self, line: u64, text: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push((line, text.into()));
        }
    }
}

impl Suspects {
    /// Looks at a valid row that asks for a channel.
    pub fn look(&mut self, line: u64, device_id: &str, channel_name: &str) {
        self.rows += 1;
        let odd = |text| Some((cause(text)?, text));
        let other = || {
            (channel_name != device_id)
                .then(|| odd(channel_name))
                .flatten()
        };
        if let Some((cause, text)) = odd(device_id).or_else(other) {
            self.of(cause).add(line, text);
        } else if is_digits(device_id) {
            self.numbers += 1;
            let is_day = device_id.len() == 5
                && device_id
                    .parse()
                    .is_ok_and(|number| DAY_NUMBERS.contains(&number));
            if is_day {
                let days = self
                    .day_numbers
                    .get_or_insert_with(|| Found::new(Cause::DayNumber));
                days.add(line, device_id);
            }
        }
    }

    fn of(&mut self, cause: Cause) -> &mut Found {
        let known = self.found.iter().position(|found| found.cause == cause);
        let index = known.unwrap_or_else(|| {
            self.found.push(Found::new(cause));
            self.found.len() - 1
        });
        &mut self.found[index]
    }

    /// The warning, where one is due: how many, which, and what probably happened.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        // Where most IDs are numbers, five digits are as good as others.
        let days = self
            .day_numbers
            .iter()
            .filter(|_| self.numbers * 2 <= self.rows);
        let all: Vec<&Found> = self.found.iter().chain(days).collect();
        let (count, look, them) = match all.iter().map(|found| found.count).sum::<u64>() {
            0 => return None,
            1 => (
                "1 device ID or channel name".to_owned(),
                "looks",
                "it is used as it is",
            ),
            more => (
                format!("{more} device IDs or channel names"),
                "look",
                "they are used as they are",
            ),
        };
        let causes: Vec<String> = all.iter().map(|found| found.told()).collect();
        Some(format!(
            "{count} {look} as if another program changed what was meant ({them}). {}. Compare with the source; \
             --id-pattern REGEX makes such rows invalid",
            causes.join("; ")
        ))
    }
}

impl Found {
    fn told(&self) -> String {
        let named: Vec<String> = self
            .first
            .iter()
            .map(|(line, text)| format!("line {line}: {}", shown(text)))
            .collect();
        let more = match self.count - self.first.len() as u64 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "{}{more}: probably {}",
            named.join(", "),
            self.cause.reason()
        )
    }
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

    fn warned(ids: &[&str]) -> Option<String> {
        let mut suspects = Suspects::default();
        for (id, line) in ids.iter().zip(2..) {
            suspects.look(line, id, id);
        }
        suspects.warning()
    }

    #[test]
    fn one_warning_counts_and_names_them() {
        assert_eq!(warned(&["CAM-1", "CAM-2"]), None);
        assert_eq!(
            warned(&["CAM-1", "2-Jan", "45658"]).unwrap(),
            "2 device IDs or channel names look as if another program changed what was meant (they are used as they \
             are). line 3: '2-Jan': probably a spreadsheet program took an ID for a date; line 4: '45658': probably a \
             spreadsheet program took an ID for a date and wrote the date's number. Compare with the source; \
             --id-pattern REGEX makes such rows invalid"
        );
        let many = warned(&["1.0", "2.0", "3.0", "4.0", "5.0"]).unwrap();
        assert!(
            many.contains("line 4: '3.0' and 2 more: probably"),
            "{many}"
        );
    }

    #[test]
    fn a_number_among_numbers_is_no_date() {
        assert_eq!(warned(&["45657", "45658", "45659"]), None);
        assert_eq!(warned(&["9999", "40000", "CAM-1"]), None);
        assert!(warned(&["40000", "CAM-1", "CAM-2"]).is_some());
        // The number of no day near today.
        assert_eq!(warned(&["10000", "CAM-1", "CAM-2"]), None);
    }

    #[test]
    fn a_channel_name_is_looked_at_too() {
        let mut suspects = Suspects::default();
        suspects.look(2, "CAM-1", "nan");
        assert!(suspects.warning().unwrap().contains("line 2: 'nan'"));
    }
}
