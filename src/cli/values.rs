//! What the text of a flag must look like, and what it means.

use std::time::{Duration, SystemTime};

use crate::domain::account_template::AccountTemplate;
use crate::domain::device::{AccountId, MessageTtl, Region};
use crate::domain::role::{is_external_id, is_session_name, role_account};
use crate::domain::shard::{MOST_SHARDS, Shard};
use crate::engine::FailureLimit;
use crate::engine::pace::controller::RateRange;
use crate::manifest::is_delimiter;

/// The ceiling for creates, in requests a second.
pub(crate) fn rate(text: &str) -> Result<RateRange, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(RateRange::unknown());
    }
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000_000.0).contains(&rate) => Ok(RateRange::upto(rate)),
        _ => Err("expected 'auto' or a number of creates a second from 0.1 to 1000000".to_owned()),
    }
}

pub(crate) fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=10_000) => Ok(workers),
        _ => Err("expected a whole number from 1 to 10000".to_owned()),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration <= Duration::from_hours(24 * 365) => {
            Ok(duration)
        }
        Ok(_) => Err("expected more than nothing and at most a year".to_owned()),
        Err(error) => Err(format!(
            "expected a duration such as 500ms, 10s or 5m ({error})"
        )),
    }
}

/// A duration that may be zero.
pub(crate) fn wait(text: &str) -> Result<Duration, String> {
    match text.trim() {
        "0" => Ok(Duration::ZERO),
        text if humantime::parse_duration(text) == Ok(Duration::ZERO) => Ok(Duration::ZERO),
        text => duration(text),
    }
}

/// What `--shard` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardChoice {
    /// This one.
    Given(Shard),
    /// The one of so many whose index the scheduler gives.
    Auto(u32),
}

pub(crate) fn shard(text: &str) -> Result<ShardChoice, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, count) = text
        .trim()
        .split_once('/')
        .filter(|(number, count)| (is_number(number) || *number == "auto") && is_number(count))
        .ok_or("expected K/N, such as 3/16 for the third of 16 shards, or auto/N")?;
    let count = count.parse().unwrap_or(u32::MAX);
    if !(1..=MOST_SHARDS).contains(&count) {
        return Err(format!(
            "expected from 1 to {MOST_SHARDS} shards after the '/'"
        ));
    }
    if number == "auto" {
        return Ok(ShardChoice::Auto(count));
    }
    let shard = number
        .parse()
        .ok()
        .and_then(|number| Shard::new(number, count));
    shard.map(ShardChoice::Given).ok_or_else(|| {
        format!("shards are counted from 1: expected a number from 1 to {count} before the '/'")
    })
}

/// A point in time, or how long ago it was.
pub(crate) fn since(text: &str) -> Result<SystemTime, String> {
    let text = text.trim();
    let is_date = text.len() == "2026-01-31".len() && text.contains('-');
    let whole = if is_date {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let ago = || {
        let ago = humantime::parse_duration(text).ok()?;
        SystemTime::now().checked_sub(ago)
    };
    humantime::parse_rfc3339_weak(&whole)
        .ok()
        .or_else(ago)
        .ok_or_else(|| {
            "expected a time such as 2026-01-31T07:30:00Z or 2026-01-31 (UTC), or how long ago, such as 2h or 3days"
                .to_owned()
        })
}

pub(crate) fn failure_limit(text: &str) -> Result<FailureLimit, String> {
    let expected = || "expected a whole number of devices, or a percentage such as 5%".to_owned();
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(FailureLimit::Percent(percent)),
            _ => Err(expected()),
        };
    }
    text.parse()
        .map(FailureLimit::Count)
        .map_err(|_| expected())
}

pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        ("space", _) => Ok(b' '),
        (_, &[delimiter]) if is_delimiter(delimiter) => Ok(delimiter),
        _ => Err(
            "expected 'tab', 'space' or one ASCII character such as ',', ';' or '|', but no quote (\") and no line end"
                .to_owned(),
        ),
    }
}

pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("expected KEY=TEMPLATE, such as Line={line}".to_owned()),
    }
}

pub(crate) fn message_ttl(text: &str) -> Result<MessageTtl, String> {
    MessageTtl::parse(text).map_err(|invalid| invalid.to_string())
}

pub(crate) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|invalid| invalid.to_string())
}

pub(crate) fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text.trim()).map_err(|invalid| invalid.to_string())
}

pub(crate) fn account_template(text: &str) -> Result<AccountTemplate, String> {
    AccountTemplate::parse(text)
}

/// A role's ARN in which the account may be left open.
pub(crate) fn role_arn(text: &str) -> Result<AccountTemplate, String> {
    let template = AccountTemplate::parse(text)?;
    match role_account(&template.example()) {
        Some(_) => Ok(template),
        None => Err(
            "expected a role's ARN, such as arn:aws:iam::{account}:role/kvs-fleet, where {account} is replaced with the \
             number of each account"
                .to_owned(),
        ),
    }
}

pub(crate) fn external_id(text: &str) -> Result<AccountTemplate, String> {
    let template = AccountTemplate::parse(text)?;
    if is_external_id(&template.example()) {
        Ok(template)
    } else {
        Err("expected 2 to 1224 letters, digits and _+=,.@:/-, perhaps with {account}".to_owned())
    }
}

pub(crate) fn session_name(text: &str) -> Result<String, String> {
    if is_session_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 2 to 64 letters, digits and _+=,.@-".to_owned())
    }
}

/// The value of a switch's variable. A word that is neither yes nor no is refused: it could mean either.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match &*text.trim().to_lowercase() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        _ if is_off(text) => Ok(false),
        _ => Err("expected true or false (or 1 or 0, yes or no, on or off)".to_owned()),
    }
}

/// Whether the value of a switch's variable turns it off.
pub(super) fn is_off(text: &str) -> bool {
    ["", "0", "f", "false", "n", "no", "off"].contains(&&*text.trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_outside_the_range_are_refused_with_it() {
        for text in ["0", "-1", "nan", "inf", "1e9", "", "fast"] {
            assert!(rate(text).unwrap_err().contains("0.1 to 1000000"), "{text}");
        }
        assert_eq!(rate("AUTO"), Ok(RateRange::unknown()));
        assert_eq!(rate("0.1"), Ok(RateRange::upto(0.1)));
        assert_eq!(rate("1e6"), Ok(RateRange::upto(1e6)));
    }

    #[test]
    fn a_role_may_leave_the_account_open() {
        for text in [
            "arn:aws:iam::{account}:role/kvs-fleet",
            "arn:aws:iam::111122223333:role/fleet-{account}",
        ] {
            assert_eq!(role_arn(text).unwrap().to_string(), text);
        }
        for text in ["kvs-fleet", "arn:aws:iam::{account}:user/x", ""] {
            assert!(
                role_arn(text).unwrap_err().contains("a role's ARN"),
                "{text}"
            );
        }
        assert!(
            role_arn("arn:aws:iam::{acount}:role/x")
                .unwrap_err()
                .contains("{acount}")
        );
        assert!(external_id("fleet-{account}").is_ok() && external_id("x").is_err());
        assert!(
            account_template("fleet-{account}").is_ok() && account_template("{region}").is_err()
        );
    }

    #[test]
    fn since_when() {
        let at = |text: &str| since(text).map(|at| humantime::format_rfc3339(at).to_string());
        for (text, expected) in [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T07:30:00Z", "2026-01-31T07:30:00Z"),
            ("2026-01-31T07:30:00.250Z", "2026-01-31T07:30:00.250000000Z"),
            ("2026-01-31 07:30:00", "2026-01-31T07:30:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        let ago = since("2h").unwrap().elapsed().unwrap();
        assert!(ago >= Duration::from_hours(2) && ago < Duration::from_hours(3));
        for text in ["", "yesterday", "2026-13-01", "07:30", "-2h"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_delimiter_is_one_character() {
        for (text, found) in [
            (",", b','),
            ("|", b'|'),
            ("tab", b'\t'),
            ("\t", b'\t'),
            ("\\t", b'\t'),
            ("space", b' '),
            (":", b':'),
            ("~", b'~'),
        ] {
            assert_eq!(delimiter(text), Ok(found), "{text:?}");
        }
        for text in ["", ",,", "\"", "\n", "\0", "§"] {
            assert!(
                delimiter(text).unwrap_err().contains("one ASCII"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_shard_is_a_number_of_a_count() {
        let given = |number, count| Ok(ShardChoice::Given(Shard::new(number, count).unwrap()));
        assert_eq!(shard("3/16"), given(3, 16));
        assert_eq!(shard(" 03/16 "), given(3, 16));
        assert_eq!(shard("1/1"), given(1, 1));
        assert_eq!(shard("auto/16"), Ok(ShardChoice::Auto(16)));
        for (text, expected) in [
            ("0/4", "from 1 to 4 before"),
            ("5/4", "from 1 to 4 before"),
            ("99999999999/4", "from 1 to 4 before"),
            ("1/0", "from 1 to 100000 shards"),
            ("auto/0", "from 1 to 100000 shards"),
            ("1/99999999999", "from 1 to 100000 shards"),
            ("a/4", "expected K/N"),
            ("1/b", "expected K/N"),
            ("-1/4", "expected K/N"),
            ("+1/4", "expected K/N"),
            ("3", "expected K/N"),
            ("auto", "expected K/N"),
            ("1/4/2", "expected K/N"),
            ("/4", "expected K/N"),
            ("", "expected K/N"),
        ] {
            let error = shard(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_wait_may_be_none() {
        for none in ["0", "0s", " 0ms "] {
            assert_eq!(wait(none), Ok(Duration::ZERO), "{none}");
        }
        assert_eq!(wait("5m"), Ok(Duration::from_mins(5)));
        for text in ["", "5", "-1s", "2years"] {
            assert!(wait(text).is_err(), "{text}");
        }
    }

    #[test]
    fn failure_limits() {
        assert_eq!(failure_limit("0"), Ok(FailureLimit::Count(0)));
        assert_eq!(failure_limit("2.5%"), Ok(FailureLimit::Percent(2.5)));
        for text in ["-1", "101%", "%", "x", "1.5"] {
            assert!(failure_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_else() {
        for on in ["1", "true", " YES\t", "on"] {
            assert_eq!(switch(on), Ok(true), "{on:?}");
        }
        for off in ["", "no ", " 0", "false\t", "Off"] {
            assert_eq!(switch(off), Ok(false), "{off:?}");
        }
        for neither in ["ja", "2", "nein", "disabled"] {
            assert!(switch(neither).is_err(), "{neither:?}");
        }
    }
}
