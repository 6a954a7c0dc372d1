//! What the emulator's flags accept, and what they say of a value that they do not.

use std::net::SocketAddr;
use std::time::Duration;

use crate::domain::device::ChannelName;
use crate::emulator::RateChange;
use crate::emulator::latency::Latency;
use crate::emulator::quota::Quota;

pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:4567 or [::1]:4567".to_owned()
    })
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (Quota::SLOWEST..=Quota::FASTEST).contains(&rate) => Ok(rate),
        _ => Err("expected a number of requests a second, 0.1 to 1000000".to_owned()),
    }
}

pub(super) fn parse_rate_change(text: &str) -> Result<RateChange, String> {
    let expected = || {
        "expected a duration and a number of requests a second (0.1 to 1000000), such as 5m=200"
            .to_owned()
    };
    let (after, rate) = text.split_once('=').ok_or_else(expected)?;
    Ok(RateChange {
        after: humantime::parse_duration(after).map_err(|_| expected())?,
        rate: parse_rate(rate).map_err(|_| expected())?,
    })
}

pub(super) fn parse_sigma(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(sigma) if (0.0..=Latency::WIDEST).contains(&sigma) => Ok(sigma),
        _ => Err("expected a number from 0 to 3, such as 0.25".to_owned()),
    }
}

pub(super) fn parse_channel_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 0..=10_000_000) => Ok(limit),
        _ => Err("expected a number of channels, 0 to 10000000".to_owned()),
    }
}

pub(super) fn parse_latency(text: &str) -> Result<Duration, String> {
    parse_duration(text, Duration::from_mins(10))
}

pub(super) fn parse_active_after(text: &str) -> Result<Duration, String> {
    parse_duration(text, Duration::from_hours(1))
}

fn parse_duration(text: &str, longest: Duration) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= longest => Ok(duration),
        _ => Err(format!(
            "expected a duration from 0ms to {}, such as 80ms, 1s or 5m",
            humantime::format_duration(longest)
        )),
    }
}

pub(super) fn parse_prefix(text: &str) -> Result<String, String> {
    ChannelName::check(text).map_err(|error| {
        error
            .to_string()
            .replace("the channel name", "the beginning of channel names")
    })?;
    Ok(text.to_owned())
}
