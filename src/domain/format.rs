//! How rates, shares, counts and durations are formatted in messages.

use std::time::Duration;

/// A rate per second with the significant places: `0`, `0.50`, `49.9`, `150`.
pub fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".to_owned()
    } else if per_second < 1.0 {
        format!("{per_second:.2}")
    } else if per_second < 100.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

/// A rate per second for a text with "about": `0.50`, `9.3`, `37`.
pub fn about(per_second: f64) -> String {
    if per_second < 10.0 {
        rate(per_second)
    } else {
        format!("{per_second:.0}")
    }
}

/// A number and its noun: `1 device`, `2 devices`.
pub fn count(many: u64, one: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{many} {one}{plural}")
}

/// The first names of a list, and how many follow: `a, b and 3 more`.
#[must_use]
pub fn first_of(all: usize, first: &[String]) -> String {
    let named = first.join(", ");
    match all.saturating_sub(first.len()) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A share from 0 to 1 as a percentage with two places. Zero is `0 %`, and a small share above zero is never shown as
/// zero.
pub fn percent(share: f64) -> String {
    if share <= 0.0 {
        "0 %".to_owned()
    } else if share < 0.000_1 {
        "<0.01 %".to_owned()
    } else {
        format!("{:.2} %", share * 100.0)
    }
}

/// A duration that has passed, to the tenth of a second if it is short: `20.4 s`, `6m 12s`.
pub fn took(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

/// A remaining duration in its two largest units, rounded up: `12s`, `6m 12s`, `3h 5m`, `2d 4h`.
pub fn ahead(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    let (days, hours) = (seconds / DAY, seconds % DAY / 3_600);
    let (minutes, seconds) = (seconds % 3_600 / 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {seconds}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (1..1_000, ..) => format!("{days}d {hours}h"),
        _ => "years".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_their_significant_places() {
        let shown = [0.0, 0.1, 0.5, 9.96, 49.87, 149.6, 1e6].map(rate);
        assert_eq!(
            shown,
            ["0", "0.10", "0.50", "10.0", "49.9", "150", "1000000"]
        );
        let shown = [0.5, 9.34, 37.2, 1e6].map(about);
        assert_eq!(shown, ["0.50", "9.3", "37", "1000000"]);
    }

    #[test]
    fn a_small_share_is_not_shown_as_zero() {
        let shown = [0.0, 0.000_01, 0.000_5, 0.074_5, 1.0].map(percent);
        assert_eq!(shown, ["0 %", "<0.01 %", "0.05 %", "7.45 %", "100.00 %"]);
    }

    #[test]
    fn durations_are_formatted_by_their_length() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(took(seconds(20.44)), "20.4 s");
        assert_eq!(took(seconds(372.9)), "6m 12s");
        for (ahead_of_it, shown) in [
            (0.0, "0s"),
            (11.2, "12s"),
            (59.5, "1m 0s"),
            (372.0, "6m 12s"),
            (11_100.0, "3h 5m"),
            (187_200.0, "2d 4h"),
            (1e12, "years"),
        ] {
            assert_eq!(ahead(seconds(ahead_of_it)), shown);
        }
        assert_eq!(ahead(Duration::MAX), "years");
    }
}
