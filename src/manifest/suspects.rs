//! The rows of a manifest whose ID or channel name another program has probably changed: one warning for all of them.

use super::mangled::{Cause, cause, is_digits};
use crate::domain::device::shown;

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
        } else if device_id.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && is_digits(device_id)
        {
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
        let lead = match all.iter().map(|found| found.count).sum::<u64>() {
            0 => return None,
            1 => "1 row has a device ID or channel name that is perhaps not meant, and is used as it is".to_owned(),
            more => {
                format!("{more} rows have a device ID or channel name that is perhaps not meant, and are used as they are")
            }
        };
        let causes: Vec<String> = all.iter().map(|found| found.told()).collect();
        Some(format!(
            "{lead}: {}; compare with the source: --id-pattern REGEX makes rows of another form invalid",
            causes.join(", ")
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
            "{}{more} (probably {})",
            named.join(", "),
            self.cause.reason()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "2 rows have a device ID or channel name that is perhaps not meant, and are used as they are: line 3: \
             '2-Jan' (probably a spreadsheet program took an ID for a date), line 4: '45658' (probably a spreadsheet \
             program took an ID for a date and wrote the date's number); compare with the source: --id-pattern REGEX \
             makes rows of another form invalid"
        );
        let many = warned(&["1.0", "2.0", "3.0", "4.0", "5.0"]).unwrap();
        assert!(
            many.contains("line 4: '3.0' and 2 more (probably"),
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
