//! Arguments that several commands share.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help's text, where backticks would show"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Args, ValueEnum};

use super::values::{
    account, account_template, duration, external_id, region, role_arn, session_name, switch,
    workers,
};
use crate::domain::account_template::AccountTemplate;
use crate::domain::device::{AccountId, Region};
use crate::output::logging::LogFormat;
use crate::output::progress::ProgressMode;

/// A flag with its variable, which for a switch may also say no.
pub(super) fn flag(argument: Arg) -> Arg {
    let Some(long) = argument.get_long() else {
        return argument;
    };
    let variable = format!("KVS_FLEET_{}", long.to_uppercase().replace('-', "_"));
    let argument = argument.env(variable).hide_env(true);
    match argument.get_action() {
        ArgAction::SetTrue => argument.value_parser(switch),
        _ => argument,
    }
}

/// The same of a command that works on the results of a run.
pub(super) fn flag_of_results(argument: Arg) -> Arg {
    let argument = flag(argument);
    match argument.get_id().as_str() {
        "verbose" => argument.help("Show more details"),
        "region" => argument.help("Not needed: the rows name their Regions"),
        _ => argument,
    }
}

/// Which service, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct ConnectionArgs {
    /// The Region for rows that name none [default: AWS_REGION, else the profile's]
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub(crate) region: Option<Region>,
    /// The profile in the AWS configuration files, or a template such as fleet-{account} [default: AWS_PROFILE, else
    /// AWS_DEFAULT_PROFILE, else 'default']
    #[arg(long, value_name = "NAME", value_parser = account_template)]
    pub(crate) profile: Option<AccountTemplate>,
    /// The role to assume in each account of the column 'account', such as arn:aws:iam::{account}:role/kvs-fleet
    #[arg(long, value_name = "TEMPLATE", value_parser = role_arn)]
    pub(crate) role_arn: Option<AccountTemplate>,
    /// The external ID that the roles' trust policies ask for; may contain {account}
    #[arg(long, value_name = "TEMPLATE", value_parser = external_id, requires = "role_arn")]
    pub(crate) external_id: Option<AccountTemplate>,
    /// The name of the roles' sessions, which CloudTrail shows
    #[arg(
        long,
        value_name = "NAME",
        default_value = "kvs-fleet",
        value_parser = session_name,
        requires = "role_arn"
    )]
    pub(crate) role_session_name: String,
    /// A custom endpoint; http:// only for loopback
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// A Valkey or Redis server by which hosts share each account's quota exactly: redis://HOST:PORT, or rediss:// for TLS;
    /// its password comes from KVS_FLEET_QUOTA_SERVER_PASSWORD
    #[arg(long, value_name = "URL")]
    pub(crate) quota_server: Option<String>,
    /// The PEM file of the only certificate authorities that the quota server is trusted by
    #[arg(long, value_name = "FILE")]
    pub(crate) quota_server_ca: Option<PathBuf>,
    /// Refuse any other account than these; repeatable, or with commas
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = account)]
    pub(crate) account: Vec<AccountId>,
}

/// How a service is asked that no device waits for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace and retries")]
pub(crate) struct AskArgs {
    /// The most requests in flight in each Region, 1 to 10000
    #[arg(long, value_name = "N", default_value = "64", value_parser = workers)]
    pub(crate) workers: usize,
    /// The most attempts for a request, 1 to 1000; throttled ones do not count
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_attempts: u32,
    /// The longest that an attempt may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// What is shown, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    pub(crate) progress: ProgressMode,
    /// Show errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show each retry as well; twice: each device
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How messages on standard error are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

impl OutputArgs {
    /// How progress is shown, if it is. JSON is for a program, which may not want the messages.
    pub(crate) fn progress(&self) -> ProgressMode {
        if self.quiet && self.progress != ProgressMode::Json {
            ProgressMode::None
        } else {
            self.progress
        }
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

impl ValueEnum for ProgressMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Bar, Self::Plain, Self::Json, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("A bar on a terminal, else plain lines"),
            Self::Bar => PossibleValue::new("bar").help("A progress bar"),
            Self::Plain => PossibleValue::new("plain").help("A line every few seconds"),
            Self::Json => PossibleValue::new("json").help("A JSON object every second"),
            Self::None => PossibleValue::new("none").help("Nothing"),
        })
    }
}
