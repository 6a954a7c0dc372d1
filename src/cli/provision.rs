//! The arguments of `provision`, group by group as its help shows them.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help's text, where backticks would show"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::ServeArgs;
use super::rehearsal::RehearsalArgs;
use super::shared::{ConnectionArgs, OutputArgs};
use super::values::{
    ShardChoice, delimiter, duration, failure_limit, message_ttl, rate, shard, tag, wait, workers,
};
use crate::domain::device::MessageTtl;
use crate::engine::pace::controller::RateRange;
use crate::engine::{FailureLimit, OnExists};

/// `kvs-fleet provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// The CSV of devices; '-' reads standard input as a stream
    pub(crate) manifest: PathBuf,

    /// Show what would be done, and do nothing: the same as 'kvs-fleet plan'
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How the manifest is read.
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Where results go.
    #[command(flatten)]
    pub(crate) results: ResultsArgs,
    /// Whether it is an emulator.
    #[command(flatten)]
    pub(crate) rehearsal: RehearsalArgs,
    /// Which service.
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// How fast, and when to give up.
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// What is shown.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// The live page.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// How the manifest is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manifest")]
pub(crate) struct InputArgs {
    /// The column that holds the device ID
    #[arg(long, value_name = "NAME", default_value = "device_id")]
    pub(crate) id_column: String,
    /// The channel's name where the manifest's column channel_name gives none
    #[arg(long, value_name = "TEMPLATE", default_value = "{device_id}")]
    pub(crate) channel_name: String,
    /// The message TTL where the column message_ttl_seconds gives none, 5 to 120 [default: the
    /// service's, 60]
    #[arg(long, value_name = "SECONDS", value_parser = message_ttl)]
    pub(crate) message_ttl: Option<MessageTtl>,
    /// A tag for every channel; repeatable. A column tag:KEY wins over it
    #[arg(long = "tag", value_name = "KEY=TEMPLATE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// The delimiter: 'tab', 'space' or one character; ',', ';', tab and '|' are found from the header
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// Treat rows as invalid whose device ID does not match this regular expression as a whole
    #[arg(long, value_name = "REGEX")]
    pub(crate) id_pattern: Option<String>,
    /// Refuse a manifest that does not list exactly N devices
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<u64>,
    /// Attempt only the first N devices that have no channel yet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Attempt only part K of N of the devices, chosen by a hash of their IDs; 'auto/N' takes the index of a Kubernetes
    /// Indexed Job, an AWS Batch, Slurm or Nomad array
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub(crate) shard: Option<ShardChoice>,
    /// Refuse to start when any row is invalid (not with '-')
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultsArgs {
    /// The results file [default: beside the manifest, NAME.results.csv, with --emulator
    /// NAME.emulator.results.csv, with --shard 3/16 NAME.03-of-16.results.csv]
    #[arg(short = 'o', long = "results", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How long to wait for another process that is writing the results, such as one on a host that died
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    pub(crate) wait_for_results: Duration,
    /// Recreate the channels of devices whose row is 'deleted'
    #[arg(long)]
    pub(crate) recreate_deleted: bool,
    /// Continue although templates, tags, TTL or the manifest differ from the last run's
    #[arg(long)]
    pub(crate) allow_changed: bool,
    /// Write the summary as JSON to this file, at every exit
    #[arg(long, value_name = "FILE")]
    pub(crate) summary_json: Option<PathBuf>,
    /// Write the page of 'report --html' to this file when the run ends
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print a JSON object for each device on standard output, as soon as its row is on disk
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which service, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArgs {
    /// Where it is, and as whom.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Do not list the existing channels first
    #[arg(long)]
    pub(crate) no_reconcile: bool,
    /// Recreate what the results claim and the service no longer has
    #[arg(long)]
    pub(crate) recheck: bool,
    /// What to do with a device whose channel exists already
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) on_exists: OnExists,
    /// The account's channel limit in a Region, for the warning before the first create
    /// [default: 10000 in us-east-1 and us-west-2, else 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) channel_quota: Option<u64>,
}

/// How fast, and when to give up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and retries")]
pub(crate) struct PaceArgs {
    /// The most creates a second in each account and Region, 0.1 to 1000000, or 'auto' to find what the service grants
    #[arg(long, value_name = "TPS", default_value = "50", value_parser = rate)]
    pub(crate) rate: RateRange,
    /// A CSV with the columns account, region, rate and channels: where the quotas are others than --rate and
    /// --channel-quota
    #[arg(long, value_name = "FILE")]
    pub(crate) quotas: Option<PathBuf>,
    /// The most requests in flight, 1 to 10000 [default: 64, or 8 for each account and Region where that is more, at most
    /// 1024]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// The most attempts for a device, 1 to 1000; throttled ones do not count
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_attempts: u32,
    /// The longest that an attempt may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Stop when a Region has throttled every request for a device for this long
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) max_throttled: Duration,
    /// Stop when a service that was reached before has not answered for this long
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub(crate) max_offline: Duration,
    /// Stop when more devices than this have failed: a number, or a percentage of those finished (from 100 on)
    #[arg(long, value_name = "N|P%", value_parser = failure_limit)]
    pub(crate) max_failures: Option<FailureLimit>,
}

impl ValueEnum for OnExists {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Adopt, Self::Verify, Self::Update, Self::Fail]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Adopt => PossibleValue::new("adopt")
                .help("Adopt it as the device's channel, and report a different type or TTL"),
            Self::Verify => PossibleValue::new("verify").help(
                "Adopt it only if type, TTL and tags are as asked; else record the device as failed",
            ),
            Self::Update => PossibleValue::new("update")
                .help("Change its TTL and tags to what is asked, then adopt it"),
            Self::Fail => PossibleValue::new("fail").help("Record the device as failed"),
        })
    }
}
