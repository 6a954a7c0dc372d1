//! Arguments that several commands share.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help's text, where backticks would show"
)]

use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValue};
use clap::{ArgAction, Args, ValueEnum};

use super::values::{account, duration, region, workers};
use crate::domain::device::{AccountId, Region};
use crate::output::logging::LogFormat;
use crate::output::progress::ProgressMode;

/// Which service, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
pub struct ConnectionArgs {
    /// The Region for rows that name none [default: AWS_REGION, else the profile's]
    #[arg(long, value_name = "REGION", value_parser = region, env = "KVS_FLEET_REGION")]
    pub region: Option<Region>,
    /// The profile in the AWS configuration files [default: AWS_PROFILE, else AWS_DEFAULT_PROFILE, else 'default']
    #[arg(long, value_name = "NAME", env = "KVS_FLEET_PROFILE")]
    pub profile: Option<String>,
    /// A custom endpoint; http:// only for loopback
    #[arg(long, value_name = "URL", env = "KVS_FLEET_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,
    /// Refuse any other account than this
    #[arg(long, value_name = "ID", value_parser = account, env = "KVS_FLEET_ACCOUNT")]
    pub account: Option<AccountId>,
}

/// How a service is asked that no device waits for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace and retries")]
pub struct AskArgs {
    /// The most requests in flight in each Region, 1 to 10000
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        value_parser = workers,
        env = "KVS_FLEET_WORKERS"
    )]
    pub workers: usize,
    /// The most attempts for a request, 1 to 1000; throttled ones do not count
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000),
        env = "KVS_FLEET_MAX_ATTEMPTS"
    )]
    pub max_attempts: u32,
    /// The longest that an attempt may take
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration,
        env = "KVS_FLEET_TIMEOUT"
    )]
    pub timeout: Duration,
}

/// What is shown, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How progress is shown on standard error
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "auto",
        env = "KVS_FLEET_PROGRESS"
    )]
    pub progress: ProgressMode,
    /// Show errors only
    #[arg(
        short,
        long,
        conflicts_with = "verbose",
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_QUIET"
    )]
    pub quiet: bool,
    /// Show each retry as well; twice: each device
    #[arg(short, long, action = ArgAction::Count, env = "KVS_FLEET_VERBOSE")]
    pub verbose: u8,
    /// How messages on standard error are written
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        env = "KVS_FLEET_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

impl OutputArgs {
    /// How progress is shown, if it is.
    #[must_use]
    pub fn progress(&self) -> ProgressMode {
        if self.quiet {
            ProgressMode::None
        } else {
            self.progress
        }
    }
}

impl ValueEnum for ProgressMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Bar, Self::Plain, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("A bar on a terminal, else plain lines"),
            Self::Bar => PossibleValue::new("bar").help("A progress bar"),
            Self::Plain => PossibleValue::new("plain").help("A line every few seconds"),
            Self::None => PossibleValue::new("none").help("Nothing"),
        })
    }
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("For people"),
            Self::Json => PossibleValue::new("json").help("One JSON object a line"),
        })
    }
}
