//! The arguments of `emulator`, and how an emulator behaves: the flags that each command with an emulator has, and what they
//! accept.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::device::{AccountId, ChannelName};
use crate::emulator::faults::{Fault, Frequency};
use crate::emulator::latency::Latency;
use crate::emulator::quota::Quota;
use crate::emulator::{EmulatorSettings, RateChange};

/// `kvs-fleet emulator`.
#[derive(Debug, Clone, clap::Args)]
pub struct EmulatorArgs {
    /// Loopback address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4567", value_parser = parse_listen)]
    pub(crate) listen: SocketAddr,

    /// Let --listen name an address that other computers can reach
    ///
    /// The emulator checks no signatures: anyone who can reach it can use it. Use this in containers, whose loopback is not
    /// reachable from outside. kvs-fleet itself uses plain http:// to loopback only.
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Keep the channels in this file, and begin with those that it has
    ///
    /// The file is JSON, created with the first channel and replaced as a whole. A channel is in it before its creation is
    /// answered. Only one process at a time can keep its channels in a file. Without it, channels are in memory only.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// How it behaves.
    #[command(flatten)]
    pub(crate) behaviour: BehaviourArgs,
}

/// Flags of the behaviour that exclude each other. Not said where they are defined, since they also have other names.
pub(super) const EXCLUSIVE: (&str, &str) = ("window", "burst");

/// How an emulator behaves.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BehaviourArgs {
    /// Creates granted a second in each account and Region
    ///
    /// The quota of each account for creating channels in each Region: 0.1 to 1,000,000. AWS grants 50. The other operations keep
    /// the quotas of AWS (Describe 300 a second, List 50, and so on), and each channel its own of 5.
    #[arg(long, value_name = "TPS", default_value = "50", value_parser = parse_rate)]
    pub(crate) rate: f64,

    /// Creates granted at once after a rest [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) burst: Option<u32>,

    /// Change the quota while running, such as 5m=200: AFTER the first create, to TPS; repeatable
    #[arg(long, value_name = "AFTER=TPS", value_delimiter = ',', value_parser = parse_rate_change)]
    pub(crate) rate_change: Vec<RateChange>,

    /// Count creates in fixed windows of a second, not in a token bucket
    #[arg(long)]
    pub(crate) window: bool,

    /// The most channels of an account in a Region
    #[arg(long, value_name = "N", default_value = "10000", value_parser = parse_channel_limit)]
    pub(crate) channel_limit: usize,

    /// Time from a request's arrival to its answer
    ///
    /// A duration such as 80ms, 1s or 0ms, at most 10m. A request counts against the quota and takes effect on arrival.
    #[arg(long, value_name = "DURATION", default_value = "80ms", value_parser = parse_latency)]
    pub(crate) latency: Duration,

    /// How much latencies vary: the standard deviation of their logarithm, 0 to 3
    ///
    /// Latencies are drawn from a log-normal distribution around the median that --latency gives. 0 makes all of them equal,
    /// 0.25 is a calm network, 0.8 a restless one.
    #[arg(long, value_name = "SIGMA", default_value = "0", value_parser = parse_sigma)]
    pub(crate) latency_sigma: f64,

    /// How long a new channel is CREATING before it is ACTIVE
    ///
    /// A duration such as 0ms, 5s or 1m, at most 1h.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = parse_status_time)]
    pub(crate) active_after: Duration,

    /// How long a deleted channel stays in DELETING
    ///
    /// A duration such as 0s, 30s or 5m, at most 1h. Until then no channel of its name can be created.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_status_time)]
    pub(crate) deleting_for: Duration,

    /// Inject a fault, such as reset-after=2%@create; repeatable
    ///
    /// FAULT is KIND=SHARE, KIND=first:N or KIND=each:N, followed by @OPERATION to limit it to one operation. SHARE is a
    /// number from 0 to 1 or a percentage; first:N affects the first N requests, each:N the first N about each channel name
    /// (of the first 100,000 names; listings count as one name). OPERATION is the operation's name or one of create,
    /// describe, list, delete, update, tag, untag, list-tags, endpoint, ice, assume-role. Without it, a fault is for all
    /// operations but assume-role. Of several faults, the first that applies counts.
    ///
    /// Kinds that prevent the work: throttle, 500, 503, html-503 (a proxy's page), malformed-error
    /// (a 500 that is not JSON), reset-before, hang-before.
    ///
    /// Kinds that damage the answer after the work was done: reset-after, hang-after, truncated, malformed, empty.
    #[arg(long, value_name = "FAULT", value_delimiter = ',', value_parser = Fault::from_str)]
    pub(crate) fault: Vec<Fault>,

    /// Deny operations on channels whose names do not begin with PREFIX
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(crate) deny_outside: Option<String>,

    /// Deny an account: no role of it can be assumed, and its access keys have no permission; repeatable
    ///
    /// ID has 12 digits. An access key of 12 digits is of the account of that number; an assumed role has keys of its
    /// account; every other key is of the account 000000000000.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = super::values::account)]
    pub(crate) deny_account: Vec<AccountId>,

    /// The most accounts in addition to 000000000000: 1 to 100,000
    ///
    /// An account exists from the first request that uses it, or assumes a role of it, on. Each account has its own channels,
    /// quotas and limits in each Region. Requests for more accounts are denied.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = parse_accounts)]
    pub(crate) accounts: usize,

    /// Let an access key expire after N requests
    #[arg(long, value_name = "N")]
    pub(crate) expire_after: Option<u64>,

    /// Repeat the draw of an earlier run
    ///
    /// Faults and request IDs are drawn from this number; the same requests in the same order meet the same faults. Without
    /// it a number is drawn, and shown with the faults.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

impl BehaviourArgs {
    /// How many creates may come at once.
    pub(crate) fn burst(&self) -> u32 {
        self.burst.unwrap_or(EmulatorSettings::default().burst)
    }

    /// Whether anything but request IDs is drawn.
    pub(crate) fn is_drawn(&self) -> bool {
        let is_drawn = |fault: &Fault| matches!(fault.frequency, Frequency::Share(_));
        self.fault.iter().any(is_drawn) || self.latency_sigma > 0.0
    }

    /// As the emulator takes them.
    pub(crate) fn settings(&self, seed: u64) -> EmulatorSettings {
        EmulatorSettings {
            rate: self.rate,
            burst: self.burst(),
            window: self.window,
            rate_changes: self.rate_change.clone(),
            channel_limit: self.channel_limit,
            latency: Latency {
                median: self.latency,
                sigma: self.latency_sigma,
            },
            active_after: self.active_after,
            deleting_for: self.deleting_for,
            faults: self.fault.clone(),
            deny_outside: self.deny_outside.clone(),
            deny_accounts: self.deny_account.clone(),
            accounts: self.accounts,
            expire_after: self.expire_after,
            seed,
            allow_remote: false,
        }
    }
}

impl EmulatorArgs {
    /// As the emulator takes them.
    pub(crate) fn settings(&self, seed: u64) -> EmulatorSettings {
        EmulatorSettings {
            allow_remote: self.allow_remote,
            ..self.behaviour.settings(seed)
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:4567 or [::1]:4567".to_owned()
    })
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (Quota::SLOWEST..=Quota::FASTEST).contains(&rate) => Ok(rate),
        _ => Err("expected a number of requests a second, 0.1 to 1000000".to_owned()),
    }
}

fn parse_rate_change(text: &str) -> Result<RateChange, String> {
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

fn parse_sigma(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(sigma) if (0.0..=Latency::WIDEST).contains(&sigma) => Ok(sigma),
        _ => Err("expected a number from 0 to 3, such as 0.25".to_owned()),
    }
}

fn parse_channel_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit @ 0..=10_000_000) => Ok(limit),
        _ => Err("expected a number of channels, 0 to 10000000".to_owned()),
    }
}

fn parse_accounts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(accounts @ 1..=100_000) => Ok(accounts),
        _ => Err("expected a number of accounts, 1 to 100000".to_owned()),
    }
}

fn parse_latency(text: &str) -> Result<Duration, String> {
    parse_duration(text, Duration::from_mins(10))
}

fn parse_status_time(text: &str) -> Result<Duration, String> {
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

fn parse_prefix(text: &str) -> Result<String, String> {
    ChannelName::check(text).map_err(|error| {
        error
            .to_string()
            .replace("the channel name", "the beginning of channel names")
    })?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct OnlyEmulator {
        #[command(flatten)]
        args: EmulatorArgs,
    }

    fn parse(arguments: &[&str]) -> Result<EmulatorArgs, String> {
        let arguments = std::iter::once(&"emulator").chain(arguments);
        OnlyEmulator::try_parse_from(arguments)
            .map(|command| command.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_service() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.listen.to_string(), "127.0.0.1:4567");
        assert_eq!(args.settings(0), EmulatorSettings::default());
    }

    #[test]
    fn windows_are_counted_where_asked_for() {
        assert!(parse(&["--window"]).unwrap().settings(0).window);
        assert!(!parse(&[]).unwrap().settings(0).window);
    }

    #[test]
    fn every_setting_arrives() {
        let args = parse(&[
            "--rate=0.5",
            "--burst=7",
            "--rate-change=5m=200,90s=0.5",
            "--latency-sigma=0.25",
            "--channel-limit=12",
            "--latency=1s 5ms",
            "--active-after=2m",
            "--deleting-for=3m",
            "--fault=500=1%@list,empty=first:2,503=each:2@create",
            "--fault=throttle=1",
            "--deny-outside=line-4-",
            "--deny-account=111122223333,444455556666",
            "--accounts=100000",
            "--expire-after=9",
            "--seed=3",
        ])
        .unwrap();
        assert_eq!(args.behaviour.seed, Some(3));
        let settings = args.settings(3);
        assert_eq!(
            settings,
            EmulatorSettings {
                rate: 0.5,
                burst: 7,
                window: false,
                rate_changes: [(300, 200.0), (90, 0.5)]
                    .map(|(after, rate)| RateChange {
                        after: Duration::from_secs(after),
                        rate,
                    })
                    .to_vec(),
                channel_limit: 12,
                latency: Latency {
                    median: Duration::from_millis(1005),
                    sigma: 0.25,
                },
                active_after: Duration::from_mins(2),
                deleting_for: Duration::from_mins(3),
                faults: [
                    "500=1%@list",
                    "empty=first:2",
                    "503=each:2@create",
                    "throttle=1"
                ]
                .map(|fault| fault.parse().unwrap())
                .to_vec(),
                deny_outside: Some("line-4-".to_owned()),
                deny_accounts: ["111122223333", "444455556666"]
                    .map(|account| AccountId::parse(account).unwrap())
                    .to_vec(),
                accounts: 100_000,
                expire_after: Some(9),
                seed: 3,
                allow_remote: false,
            }
        );
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        for (argument, expected) in [
            ("--rate=0", "0.1 to 1000000"),
            ("--rate=NaN", "0.1 to 1000000"),
            ("--rate=1000001", "0.1 to 1000000"),
            ("--rate-change=200", "such as 5m=200"),
            ("--rate-change=5m=0", "0.1 to 1000000"),
            ("--latency-sigma=-1", "0 to 3"),
            ("--burst=0", "1..=1000000"),
            ("--channel-limit=-1", "0 to 10000000"),
            ("--latency=11m", "0ms to 10m"),
            ("--latency=80", "0ms to 10m"),
            ("--active-after=2h", "0ms to 1h"),
            ("--deleting-for=2h", "0ms to 1h"),
            ("--listen=localhost", "127.0.0.1:4567"),
            ("--deny-outside=a b", "the beginning of channel names 'a b'"),
            ("--fault=500=2", "from 0 to 1"),
            ("--accounts=0", "1 to 100000"),
            ("--accounts=100001", "1 to 100000"),
            ("--deny-account=1234", "not a number of 12 digits"),
        ] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains(expected), "{argument}: {error}");
        }
    }
}
