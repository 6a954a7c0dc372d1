//! The file of `--quotas`: a CSV of the accounts and Regions whose quotas are others than the flags'.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::cli::values;
use crate::domain::device::{AccountId, AccountRegion, Region, shown};
use crate::engine::pace::controller::RateRange;
use crate::error::Error;

const COLUMNS: [&str; 4] = ["account", "region", "rate", "channels"];
/// The largest file, in bytes: a line for each Region of 10,000 accounts.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The quotas of accounts and Regions. The default has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Quotas(HashMap<Scope, Line>);

/// What a line is about; none is any.
type Scope = (Option<AccountId>, Option<Region>);

/// The quotas of a line; none is the flag's or the default.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// From 1.
    number: u64,
    rate: Option<RateRange>,
    channels: Option<u64>,
}

/// What is wrong, and in which line if it is in one.
type Flaw = (Option<u64>, String);

impl Quotas {
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let parsed = read(path)
            .map_err(|reason| (None, reason))
            .and_then(|text| Self::parse(&text));
        parsed.map_err(|(line, reason)| {
            let line = line.map_or(String::new(), |line| format!(", line {line}"));
            Error::refused(
                "usage",
                format!("--quotas {}{line}: {reason}", path.display()),
            )
        })
    }

    /// The rate of creates, by the most specific line that gives one.
    pub(super) fn rate(&self, of: &AccountRegion) -> Option<RateRange> {
        self.lines(of).find_map(|line| line.rate)
    }

    /// The most channels, likewise.
    pub(super) fn channels(&self, of: &AccountRegion) -> Option<u64> {
        self.lines(of).find_map(|line| line.channels)
    }

    /// The lines for this account and Region, the most specific one first. An account that is not known matches no line that
    /// names one.
    fn lines(&self, of: &AccountRegion) -> impl Iterator<Item = &Line> {
        let (account, region) = (of.account.as_ref(), &of.region);
        let of_account = account.into_iter().flat_map(move |account| {
            [Some(region), None].map(|region| (Some(account.clone()), region.cloned()))
        });
        let of_any = [(None, Some(region.clone())), (None, None)];
        of_account
            .chain(of_any)
            .filter_map(|scope| self.0.get(&scope))
    }

    fn parse(text: &str) -> Result<Self, Flaw> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(text))
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let mut next = || {
            let record = records.next()?;
            Some(record.map_err(|error| (None, error.to_string())))
        };
        let header = next()
            .unwrap_or_else(|| Err((None, format!("the file is empty; {}", expected_columns()))))?;
        let columns =
            Columns::new(&header).map_err(|reason| (Some(line_of(&header, text)), reason))?;
        let mut quotas = Self::default();
        while let Some(record) = next() {
            let record = record?;
            if !record.iter().all(str::is_empty) {
                let line = line_of(&record, text);
                quotas
                    .add(&columns, &record, line)
                    .map_err(|reason| (Some(line), reason))?;
            }
        }
        if quotas.0.is_empty() {
            let reason = "the file has a header and no line after it; expected a line for each account or Region whose \
                          quotas are others than the flags'";
            return Err((None, reason.to_owned()));
        }
        Ok(quotas)
    }

    fn add(&mut self, columns: &Columns, record: &StringRecord, number: u64) -> Result<(), String> {
        if record.len() != columns.count {
            return Err(format!(
                "the line has {} fields, the header has {}",
                record.len(),
                columns.count
            ));
        }
        let text = |column: Option<usize>| {
            let cell = column.and_then(|index| record.get(index));
            cell.filter(|text| !text.is_empty())
        };
        let wrong = |name: &str, text: &str, reason: String| {
            format!("the {name} {} cannot be used: {reason}", shown(text))
        };
        let account = text(columns.account).map(AccountId::parse).transpose();
        let region = text(columns.region).map(Region::parse).transpose();
        let rate = text(columns.rate)
            .map(|text| values::rate(text).map_err(|reason| wrong("rate", text, reason)));
        let channels = text(columns.channels).map(|text| {
            let number = text.parse().ok().filter(|number| *number > 0);
            let expected = "expected a whole number of channels from 1 on".to_owned();
            number.ok_or_else(|| wrong("number of channels", text, expected))
        });
        let scope = (
            account.map_err(|invalid| {
                format!("{invalid}; a spreadsheet program may have changed it: format the column as text")
            })?,
            region.map_err(|invalid| invalid.to_string())?,
        );
        let line = Line {
            number,
            rate: rate.transpose()?,
            channels: channels.transpose()?,
        };
        match self.0.insert(scope, line) {
            None => Ok(()),
            Some(earlier) => Err(format!(
                "line {} is about the same account and Region; remove one of them",
                earlier.number
            )),
        }
    }
}

/// Where the columns are.
struct Columns {
    count: usize,
    account: Option<usize>,
    region: Option<usize>,
    rate: Option<usize>,
    channels: Option<usize>,
}

impl Columns {
    fn new(header: &StringRecord) -> Result<Self, String> {
        let place = |wanted: &str| header.iter().position(|name| name == wanted);
        if place("device_id").is_some() {
            return Err(format!(
                "the file looks like a manifest or its results; {}",
                expected_columns()
            ));
        }
        let mut seen = Vec::new();
        for name in header {
            if !COLUMNS.contains(&name) {
                return Err(format!(
                    "the column {} is not known; {}",
                    shown(name),
                    expected_columns()
                ));
            }
            if seen.contains(&name) {
                return Err(format!(
                    "the header names {} twice; remove one of them",
                    shown(name)
                ));
            }
            seen.push(name);
        }
        let columns = Self {
            count: header.len(),
            account: place("account"),
            region: place("region"),
            rate: place("rate"),
            channels: place("channels"),
        };
        if columns.rate.is_none() && columns.channels.is_none() {
            return Err(format!(
                "the header has neither 'rate' nor 'channels'; {}",
                expected_columns()
            ));
        }
        Ok(columns)
    }
}

fn expected_columns() -> String {
    format!("expected a CSV with the header {}", COLUMNS.join(","))
}

/// The file's text.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("the file cannot be read: {error}; check the path"))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "the file is larger than {LARGEST} bytes; {}",
            expected_columns()
        ));
    }
    String::from_utf8(bytes)
        .map_err(|_| "the file is not UTF-8; save it as \"CSV UTF-8\"".to_owned())
}

/// A semicolon where the header has one, as the spreadsheet programs of some countries write it.
fn delimiter(text: &str) -> u8 {
    let header = text.trim_start().lines().next().unwrap_or_default();
    if header.contains(';') { b';' } else { b',' }
}

/// The line on which a record of this text begins. The `csv` crate counts the empty lines before it as a part of it.
fn line_of(record: &StringRecord, text: &str) -> u64 {
    record.position().map_or(1, |position| {
        let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        position.line() + blank.filter(|&&byte| byte == b'\n').count() as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "111122223333";
    const OTHER: &str = "444455556666";

    fn of(account: Option<&str>, region: &str) -> AccountRegion {
        AccountRegion {
            account: account.map(|account| AccountId::parse(account).unwrap()),
            region: Region::parse(region).unwrap(),
        }
    }

    /// The message that a file with this text is refused with.
    fn refused(text: impl AsRef<[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quotas.csv");
        std::fs::write(&path, text).unwrap();
        let error = Quotas::load(&path).unwrap_err();
        assert_eq!((error.reason(), error.exit_code()), ("usage", 2));
        let message = error.to_string();
        let start = format!("--quotas {}", path.display());
        message.strip_prefix(&start).unwrap().to_owned()
    }

    #[test]
    fn the_most_specific_line_wins() {
        let text = format!(
            "account,region,rate,channels\n\
             ,,10,1\n\
             ,eu-west-1,20,2\n\
             {ONE},,30,3\n\
             {ONE},eu-west-1,40,4\n"
        );
        let quotas = Quotas::parse(&text).unwrap();
        for (account, region, rate, channels) in [
            (Some(ONE), "eu-west-1", 40.0, 4),
            (Some(ONE), "us-east-1", 30.0, 3),
            (Some(OTHER), "eu-west-1", 20.0, 2),
            (Some(OTHER), "us-east-1", 10.0, 1),
            (None, "eu-west-1", 20.0, 2),
            (None, "us-east-1", 10.0, 1),
        ] {
            let scope = of(account, region);
            assert_eq!(quotas.rate(&scope), Some(RateRange::upto(rate)), "{scope}");
            assert_eq!(quotas.channels(&scope), Some(channels), "{scope}");
        }
    }

    #[test]
    fn an_empty_cell_leaves_the_value_to_a_less_specific_line() {
        let text = format!("account,region,rate,channels\n,,10,\n{ONE},,,7\n{OTHER},,auto,\n");
        let quotas = Quotas::parse(&text).unwrap();
        let (one, other) = (of(Some(ONE), "eu-west-1"), of(Some(OTHER), "eu-west-1"));
        assert_eq!(quotas.rate(&one), Some(RateRange::upto(10.0)));
        assert_eq!(quotas.channels(&one), Some(7));
        assert_eq!(quotas.rate(&other), Some(RateRange::unknown()));
        assert_eq!(quotas.channels(&other), None);
        let none = Quotas::default();
        assert_eq!((none.rate(&one), none.channels(&one)), (None, None));
    }

    #[test]
    fn an_account_that_is_not_known_matches_no_line_that_names_one() {
        let quotas = Quotas::parse(&format!("account,rate\n{ONE},30\n")).unwrap();
        assert_eq!(quotas.rate(&of(None, "eu-west-1")), None);
        assert!(quotas.rate(&of(Some(ONE), "eu-west-1")).is_some());
    }

    #[test]
    fn files_of_spreadsheet_programs_are_read() {
        let text =
            format!("\u{feff}account;region;rate;channels\r\n{ONE}; eu-west-1 ;75.5;\r\n;;;\r\n");
        let quotas = Quotas::parse(&text).unwrap();
        let rate = quotas.rate(&of(Some(ONE), "eu-west-1"));
        assert_eq!(rate, Some(RateRange::upto(75.5)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        let header = "account,region,rate,channels\n";
        for (text, message) in [
            (
                String::new(),
                ": the file is empty; expected a CSV with the header account,region,rate,channels",
            ),
            (
                header.to_owned(),
                ": the file has a header and no line after it; expected a line for each account or Region whose quotas are \
                 others than the flags'",
            ),
            (
                "device_id,account\nA,1\n".to_owned(),
                ", line 1: the file looks like a manifest or its results; expected a CSV with the header \
                 account,region,rate,channels",
            ),
            (
                "account,tps\n,1\n".to_owned(),
                ", line 1: the column 'tps' is not known; expected a CSV with the header account,region,rate,channels",
            ),
            (
                "rate,rate\n1,1\n".to_owned(),
                ", line 1: the header names 'rate' twice; remove one of them",
            ),
            (
                "account\n1\n".to_owned(),
                ", line 1: the header has neither 'rate' nor 'channels'; expected a CSV with the header \
                 account,region,rate,channels",
            ),
            (
                format!("{header}1111,,1,\n"),
                ", line 2: the account '1111' is not a number of 12 digits; a spreadsheet program may have changed it: \
                 format the column as text",
            ),
            (
                format!("{header}\n,Frankfurt,1,\n"),
                ", line 3: the Region 'Frankfurt' is not a valid Region name, such as 'eu-central-1'",
            ),
            (
                format!("{header},,0,\n"),
                ", line 2: the rate '0' cannot be used: expected 'auto' or a number of creates a second from 0.1 to 1000000",
            ),
            (
                format!("{header},,,0\n"),
                ", line 2: the number of channels '0' cannot be used: expected a whole number of channels from 1 on",
            ),
            (
                format!("{header},,1\n"),
                ", line 2: the line has 3 fields, the header has 4",
            ),
            (
                format!("{header}{ONE},,1,\n,,1,\n{ONE},,2,\n"),
                ", line 4: line 2 is about the same account and Region; remove one of them",
            ),
        ] {
            assert_eq!(refused(&text), message, "{text}");
        }
        assert!(refused(b"account,rate\n\xe4,1\n").contains("not UTF-8"));
    }
}
