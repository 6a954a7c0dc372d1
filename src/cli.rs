//! The command line: clap types and their help. What a flag's text must look like is checked here; what the flags
//! mean together is for the commands.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help's text, where backticks would show"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValue, Resettable};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};

use crate::commands::emulator::EmulatorArgs;
use crate::device::{AccountId, MessageTtl, Region};
use crate::engine::{FailureLimit, OnExists};
use crate::pace::controller::RateRange;

/// What a person needs who reads only the help.
const AFTER_HELP: &str = "\
Exit codes:
  0    every device of the manifest has its channel
  1    the run was stopped or could not go on; the same command resumes it
  2    nothing was attempted: change the command, the files, the configuration or the credentials
  3    the run is complete, but some devices are failed, invalid or deleted
  130  interrupted (SIGINT); the same command resumes it
  143  terminated (SIGTERM); the same command resumes it

Every flag can be set in the environment: --max-attempts as KVS_FLEET_MAX_ATTEMPTS, and so on. What the \
command line says wins.";

const PROVISION_EXAMPLES: &str = "\
Examples:
  Rehearse a batch without AWS:
      kvs-fleet provision devices.csv --emulator
  Give every device of the batch its channel, in the Region and account of a profile:
      kvs-fleet provision devices.csv --profile factory --region eu-central-1
  Name and tag the channels from the manifest's columns:
      kvs-fleet provision devices.csv --channel-name 'cam-{device_id}' \\
          --tag 'Line={line}' --tag Environment=Development
  Guard against the wrong file and the wrong account:
      kvs-fleet provision devices.csv --expect 1000 --id-pattern 'CAM-\\d{6}' --account 123456789012

Every flag can be set in the environment: --max-attempts as KVS_FLEET_MAX_ATTEMPTS, and so on. What the \
command line says wins. KVS_FLEET_TAG takes several tags, separated by commas.";

const EMULATOR_EXAMPLES: &str = "\
Examples:
  Serve on a free port and rehearse against it:
      kvs-fleet emulator --listen 127.0.0.1:0
      kvs-fleet provision devices.csv --endpoint-url http://127.0.0.1:PORT
  Lose one answer in fifty after the channel was made, and answer 503 three times:
      kvs-fleet emulator --fault reset-after=2%@create --fault 503=first:3

Every flag can be set in the environment, for example --listen as KVS_FLEET_LISTEN. KVS_FLEET_RATE is \
provision's --rate as well. KVS_FLEET_FAULT takes several faults, separated by commas.";

/// Provision Amazon Kinesis Video Streams WebRTC signaling channels for a whole fleet of cameras.
///
/// Reads a CSV of device IDs, creates a signaling channel for each at the account's quota, and writes a results CSV
/// with the channel ARNs and the failures. Run again, it resumes.
#[derive(Debug, Parser)]
#[command(name = "kvs-fleet", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What a person should know of variables that the command line overrules.
    #[arg(skip)]
    pub warnings: Vec<String>,
}

impl Cli {
    /// The process's arguments and environment.
    pub fn from_process() -> Result<Self, clap::Error> {
        Self::from_arguments(std::env::args_os())
    }

    fn from_arguments<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command().mut_subcommands(|command| command.mut_args(unless_empty));
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Some((_, matches)) = matches.subcommand() {
            cli.warnings = cli.command.overrule(matches);
        }
        if let Command::Provision(args) = &mut cli.command
            && let Some(matches) = matches.subcommand_matches("provision")
            && matches.value_source("tags") == Some(ValueSource::EnvVariable)
        {
            let tags = std::mem::take(&mut args.input.tags);
            args.input.tags = several_tags(&tags).map_err(|error| {
                command.error(
                    ErrorKind::ValueValidation,
                    format!("KVS_FLEET_TAG: {error}"),
                )
            })?;
        }
        match cli.command.conflict() {
            Some((flag, others)) => Err(conflict(&command, flag, &others)),
            None => Ok(cli),
        }
    }
}

/// A variable that is empty is as good as none: who wants to be rid of one cannot always unset it.
fn unless_empty(argument: Arg) -> Arg {
    let variable = argument.get_env().and_then(std::env::var_os);
    if variable.is_some_and(|value| value.is_empty()) {
        argument.env(Resettable::Reset)
    } else {
        argument
    }
}

/// A variable holds one text; the tags in it are separated by commas, which on the command line stand for themselves.
fn several_tags(tags: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    let texts = tags.iter().map(|(key, value)| format!("{key}={value}"));
    let pieces: Vec<String> = texts
        .flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    pieces.iter().map(|piece| tag(piece)).collect()
}

/// clap's own error about a flag that excludes others.
fn conflict(command: &clap::Command, flag: &str, others: &[&str]) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::ArgumentConflict).with_cmd(command);
    let others = match others {
        [other] => ContextValue::String((*other).to_owned()),
        several => ContextValue::Strings(several.iter().map(|&other| other.to_owned()).collect()),
    };
    error.insert(
        ContextKind::InvalidArg,
        ContextValue::String(flag.to_owned()),
    );
    error.insert(ContextKind::PriorArg, others);
    error
}

impl Command {
    /// What the command line says wins over a variable that contradicts it: the flag that comes from there is taken as
    /// not given. But what a variable keeps from AWS, no flag takes there. Says what was overruled.
    fn overrule(&mut self, matches: &ArgMatches) -> Vec<String> {
        let given = |flag: &str| matches.value_source(flag) == Some(ValueSource::CommandLine);
        let set = |flag: &str| matches.value_source(flag) == Some(ValueSource::EnvVariable);
        let mut overruled = Vec::new();
        match self {
            Self::Provision(args) => {
                let (service, output) = (&mut args.service, &mut args.output);
                if service.emulator && given("emulator") {
                    if set("endpoint_url") && service.endpoint_url.take().is_some() {
                        overruled.push(("KVS_FLEET_ENDPOINT_URL", "--emulator"));
                    }
                    if set("profile") && service.profile.take().is_some() {
                        overruled.push(("KVS_FLEET_PROFILE", "--emulator"));
                    }
                }
                if output.quiet && output.verbose > 0 {
                    if given("verbose") && set("quiet") {
                        output.quiet = false;
                        overruled.push(("KVS_FLEET_QUIET", "--verbose"));
                    } else if given("quiet") && set("verbose") {
                        output.verbose = 0;
                        overruled.push(("KVS_FLEET_VERBOSE", "--quiet"));
                    }
                }
            }
            Self::Emulator(args) => {
                if args.window && args.burst.is_some() {
                    if given("window") && set("burst") {
                        args.burst = None;
                        overruled.push(("KVS_FLEET_BURST", "--window"));
                    } else if given("burst") && set("window") {
                        args.window = false;
                        overruled.push(("KVS_FLEET_WINDOW", "--burst"));
                    }
                }
            }
        }
        let said = overruled.into_iter().map(|(variable, flag)| {
            format!("{variable} in the environment is not used, since {flag} was given")
        });
        said.collect()
    }

    /// A flag and those that it excludes. By what they say, not by whether they are given: a switch that the environment
    /// sets to `0` is off, and contradicts nothing.
    fn conflict(&self) -> Option<(&'static str, Vec<&'static str>)> {
        let conflicts = match self {
            Self::Provision(args) => {
                let (service, output) = (&args.service, &args.output);
                let endpoint = service.endpoint_url.is_some();
                vec![
                    (
                        service.emulator && endpoint,
                        "--emulator",
                        "--endpoint-url <URL>",
                    ),
                    (
                        service.emulator && service.profile.is_some(),
                        "--emulator",
                        "--profile <NAME>",
                    ),
                    (output.quiet && output.verbose > 0, "--quiet", "--verbose"),
                ]
            }
            Self::Emulator(args) => {
                let burst = args.burst.is_some();
                vec![(args.window && burst, "--window", "--burst <N>")]
            }
        };
        let mut found = conflicts.into_iter().filter(|(conflicts, ..)| *conflicts);
        let (_, flag, first) = found.next()?;
        let others = found.filter(|&(_, next, _)| next == flag);
        let others = std::iter::once(first).chain(others.map(|(_, _, other)| other));
        Some((flag, others.collect()))
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give every device of a manifest its signaling channel
    ///
    /// Lists the channels that exist, creates those that are missing at the account's quota, and records each device in
    /// the results file as soon as its outcome is known.
    ///
    /// The results file is the journal as well: run the same command again to resume. Finished devices are skipped,
    /// failed ones are tried again.
    #[command(
        after_help = PROVISION_EXAMPLES,
        // -1 is a value out of range, not a flag that nobody knows.
        allow_negative_numbers = true,
        mut_args(|arg| arg.hide_env(true))
    )]
    Provision(Box<ProvisionArgs>),
    /// Serve an emulation of the KVS control plane on loopback, for rehearsals and tests
    ///
    /// Answers what can be asked about signaling channels, and who the caller is, as AWS does: with its validation,
    /// error codes and quotas, and with faults on request. Channels live in memory and end with it. The URL goes to
    /// standard output, everything else to standard error. Ctrl-C ends it with exit code 0.
    #[command(
        after_help = EMULATOR_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| arg.hide_env(true))
    )]
    Emulator(EmulatorArgs),
}

/// `kvs-fleet provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// The CSV of devices; '-' reads standard input as a stream
    pub manifest: PathBuf,

    /// How the manifest is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where results go.
    #[command(flatten)]
    pub results: ResultsArgs,
    /// Which service.
    #[command(flatten)]
    pub service: ServiceArgs,
    /// How fast, and when to give up.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// What is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How the manifest is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manifest")]
pub struct InputArgs {
    /// The column that holds the device ID
    #[arg(
        long,
        value_name = "NAME",
        default_value = "device_id",
        env = "KVS_FLEET_ID_COLUMN"
    )]
    pub id_column: String,
    /// The channel's name where the manifest's column channel_name gives none
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "{device_id}",
        env = "KVS_FLEET_CHANNEL_NAME"
    )]
    pub channel_name: String,
    /// The message TTL where the column message_ttl_seconds gives none, 5 to 120 [default: the
    /// service's, 60]
    #[arg(long, value_name = "SECONDS", value_parser = message_ttl, env = "KVS_FLEET_MESSAGE_TTL")]
    pub message_ttl: Option<MessageTtl>,
    /// A tag for every channel; repeatable. A column tag:KEY wins over it
    #[arg(
        long = "tag",
        value_name = "KEY=TEMPLATE",
        value_parser = tag,
        env = "KVS_FLEET_TAG"
    )]
    pub tags: Vec<(String, String)>,
    /// The delimiter: ',', ';' or 'tab' [default: found from the header]
    #[arg(long, value_name = "CHAR", value_parser = delimiter, env = "KVS_FLEET_DELIMITER")]
    pub delimiter: Option<u8>,
    /// Make rows invalid whose device ID does not match this regular expression as a whole
    #[arg(long, value_name = "REGEX", env = "KVS_FLEET_ID_PATTERN")]
    pub id_pattern: Option<String>,
    /// Refuse a manifest that does not list exactly N devices
    #[arg(long, value_name = "N", env = "KVS_FLEET_EXPECT")]
    pub expect: Option<u64>,
    /// Attempt only the first N devices that are to do
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), env = "KVS_FLEET_LIMIT")]
    pub limit: Option<u64>,
    /// Refuse to start when any row is invalid (not with '-')
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_STRICT")]
    pub strict: bool,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct ResultsArgs {
    /// The results file [default: beside the manifest, NAME.results.csv, with --emulator
    /// NAME.emulator.results.csv]
    #[arg(
        short = 'o',
        long = "results",
        value_name = "FILE",
        env = "KVS_FLEET_RESULTS"
    )]
    pub file: Option<PathBuf>,
    /// Make channels again for devices whose row says 'deleted'
    #[arg(
        long,
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_RECREATE_DELETED"
    )]
    pub recreate_deleted: bool,
    /// Go on although templates, tags or TTL differ from the last run's
    #[arg(
        long,
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_ALLOW_CHANGED"
    )]
    pub allow_changed: bool,
    /// Write the summary as JSON to this file, at every exit
    #[arg(long, value_name = "FILE", env = "KVS_FLEET_SUMMARY_JSON")]
    pub summary_json: Option<PathBuf>,
    /// Print a JSON object for each device on standard output, as soon as its row is on disk
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_JSON")]
    pub json: bool,
}

/// Which service, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// The Region for rows that name none [default: AWS_REGION, else the profile's]
    #[arg(long, value_name = "REGION", value_parser = region, env = "KVS_FLEET_REGION")]
    pub region: Option<Region>,
    /// The profile in the AWS configuration files [default: AWS_PROFILE, else 'default']
    #[arg(long, value_name = "NAME", env = "KVS_FLEET_PROFILE")]
    pub profile: Option<String>,
    /// Another endpoint than AWS's own; http:// only for loopback
    #[arg(long, value_name = "URL", env = "KVS_FLEET_ENDPOINT_URL")]
    pub endpoint_url: Option<String>,
    /// Refuse to work in any other account than this
    #[arg(long, value_name = "ID", value_parser = account, env = "KVS_FLEET_ACCOUNT")]
    pub account: Option<AccountId>,
    /// Use an emulator in this process in place of AWS: no account, no credentials, no channels kept
    #[arg(
        long,
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_EMULATOR"
    )]
    pub emulator: bool,
    /// Do not list the existing channels first
    #[arg(
        long,
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_NO_RECONCILE"
    )]
    pub no_reconcile: bool,
    /// What to do with a device whose channel exists already
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        env = "KVS_FLEET_ON_EXISTS"
    )]
    pub on_exists: OnExists,
    /// The account's channel limit in a Region, for the warning before the first create
    /// [default: 10000 in us-east-1 and us-west-2, else 5000]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        env = "KVS_FLEET_CHANNEL_QUOTA"
    )]
    pub channel_quota: Option<u64>,
}

/// How fast, and when to give up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace and retries")]
pub struct PaceArgs {
    /// The most creates a second in each Region, 0.1 to 1000000, or 'auto' to find what the service grants
    #[arg(long, value_name = "TPS", default_value = "50", value_parser = rate, env = "KVS_FLEET_RATE")]
    pub rate: Rate,
    /// The most requests in flight, 1 to 10000
    #[arg(long, value_name = "N", default_value = "64", value_parser = workers, env = "KVS_FLEET_WORKERS")]
    pub workers: usize,
    /// The most attempts for a device, 1 to 1000; throttled ones do not count
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000),
        env = "KVS_FLEET_MAX_ATTEMPTS"
    )]
    pub max_attempts: u32,
    /// The longest that an attempt may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, env = "KVS_FLEET_TIMEOUT")]
    pub timeout: Duration,
    /// Stop when a Region has throttled every create for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        value_parser = duration,
        env = "KVS_FLEET_MAX_THROTTLED"
    )]
    pub max_throttled: Duration,
    /// Stop when a service that was reached before has given no answer at all for this long
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "15m",
        value_parser = duration,
        env = "KVS_FLEET_MAX_OFFLINE"
    )]
    pub max_offline: Duration,
    /// Stop when more devices than this have failed: a number, or a percentage of those finished (from 100 on)
    #[arg(long, value_name = "N|P%", value_parser = failure_limit, env = "KVS_FLEET_MAX_FAILURES")]
    pub max_failures: Option<FailureLimit>,
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
        default_value_t,
        env = "KVS_FLEET_PROGRESS"
    )]
    pub progress: ProgressMode,
    /// Show errors only
    #[arg(
        short,
        long,
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
        default_value_t,
        env = "KVS_FLEET_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, else plain lines
    #[default]
    Auto,
    /// A progress bar
    Bar,
    /// A line every few seconds
    Plain,
    /// Nothing
    None,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The ceiling for creates, in requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// No ceiling: find what the service grants.
    Auto,
    /// Never faster than this.
    AtMost(f64),
}

impl Rate {
    /// The ceiling, where there is one.
    #[must_use]
    pub fn ceiling(self) -> Option<f64> {
        match self {
            Self::Auto => None,
            Self::AtMost(rate) => Some(rate),
        }
    }

    /// Where the pace begins and how far it may go.
    #[must_use]
    pub fn range(self) -> RateRange {
        match self {
            Self::Auto => RateRange::unknown(),
            Self::AtMost(rate) => RateRange::upto(rate),
        }
    }
}

impl ValueEnum for OnExists {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Adopt, Self::Fail]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Adopt => PossibleValue::new("adopt")
                .help("Take it as the device's channel, and say where its type or TTL differs"),
            Self::Fail => PossibleValue::new("fail").help("Record the device as failed"),
        })
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Rate::Auto);
    }
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000_000.0).contains(&rate) => Ok(Rate::AtMost(rate)),
        _ => Err("expected 'auto' or a number of creates a second from 0.1 to 1000000".to_owned()),
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=10_000) => Ok(workers),
        _ => Err("expected a whole number from 1 to 10000".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
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

fn failure_limit(text: &str) -> Result<FailureLimit, String> {
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

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "," => Ok(b','),
        ";" => Ok(b';'),
        "tab" | "\t" | "\\t" => Ok(b'\t'),
        _ => Err("expected ',', ';' or 'tab'".to_owned()),
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("expected KEY=TEMPLATE, such as Line={line}".to_owned()),
    }
}

fn message_ttl(text: &str) -> Result<MessageTtl, String> {
    MessageTtl::parse(text).map_err(|invalid| invalid.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|invalid| invalid.to_string())
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|invalid| invalid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, String> {
        let arguments = std::iter::once("kvs-fleet").chain(arguments.iter().copied());
        Cli::from_arguments(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        for (arguments, flags) in [
            (
                &["provision", "d.csv", "--emulator", "--profile", "x"][..],
                ["'--emulator'", "'--profile <NAME>'"],
            ),
            (
                &["provision", "d.csv", "--emulator", "--endpoint-url", "x"],
                ["'--emulator'", "'--endpoint-url <URL>'"],
            ),
            (&["provision", "d.csv", "-qv"], ["'--quiet'", "'--verbose'"]),
            (
                &["emulator", "--window", "--burst", "3"],
                ["'--window'", "'--burst <N>'"],
            ),
        ] {
            let error = parse(arguments).unwrap_err();
            for flag in flags {
                assert!(error.contains(flag), "{error}");
            }
            assert!(error.contains("cannot be used with"), "{error}");
        }
        assert!(parse(&["emulator", "--window"]).is_ok());
    }

    #[test]
    fn a_comma_separates_tags_in_the_environment_only() {
        let Command::Provision(args) =
            parse(&["provision", "d.csv", "--tag", "Hall={hall}, {line}"])
                .unwrap()
                .command
        else {
            panic!("another command");
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(args.input.tags, [pair("Hall", "{hall}, {line}")]);
        let tags = several_tags(&[pair("Hall", "{hall},Line={line}")]);
        assert_eq!(
            tags,
            Ok(vec![pair("Hall", "{hall}"), pair("Line", "{line}")])
        );
        assert!(several_tags(&[pair("Hall", "{hall},{line}")]).is_err());
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rates_outside_the_range_are_refused_with_it() {
        for text in ["0", "-1", "nan", "inf", "1e9", "", "fast"] {
            assert!(rate(text).unwrap_err().contains("0.1 to 1000000"), "{text}");
        }
        assert_eq!(rate("AUTO"), Ok(Rate::Auto));
        assert_eq!(rate("0.1"), Ok(Rate::AtMost(0.1)));
        assert_eq!(rate("1e6"), Ok(Rate::AtMost(1e6)));
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
    fn every_flag_has_its_variable() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments().filter(|a| !a.is_positional()) {
                let Some(long) = argument.get_long() else {
                    panic!("{argument}: no long form");
                };
                if matches!(long, "help" | "version") {
                    continue;
                }
                let expected = format!("KVS_FLEET_{}", long.replace('-', "_").to_uppercase());
                let variable = argument.get_env().and_then(|name| name.to_str());
                assert_eq!(variable, Some(expected.as_str()), "--{long}");
            }
        }
    }
}
