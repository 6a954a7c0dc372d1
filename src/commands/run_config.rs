//! The configuration of `provision` and `plan`: arguments, environment and manifest flags, checked as far as they can be
//! without the manifest's rows and the service. After it, these two commands see no argument.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;

use super::access::Access;
use super::asking::seed;
use super::batch_files::{self, BatchFiles};
use super::open_files;
use super::quota_server::QuotaServerConfig;
use super::quotas::Quotas;
use super::rehearsal::{self, Rehearsal};
use super::serve::ServeConfig;
use super::shard;
use crate::aws::{ConnectionSettings, Network};
use crate::cli::{ConnectionArgs, InputArgs, ProvisionArgs};
use crate::domain::account_template::AccountTemplate;
use crate::domain::device::{AccountId, AccountRegion, MessageTtl, Region, shown};
use crate::domain::service::channel_quota;
use crate::domain::template::Template;
use crate::engine;
use crate::engine::pace::controller::RateRange;
use crate::error::Error;
use crate::fleet::plan::Rules;
use crate::manifest::{IdPattern, Options};
use crate::output::progress::ProgressMode;
use crate::results::runs_line;

/// What a run, or the plan of one, is to do.
#[derive(Debug, Clone)]
pub(super) struct RunConfig {
    pub(super) files: BatchFiles,
    /// How long another process that is writing the results is waited for.
    pub(super) wait_for_results: Duration,
    pub(super) connection: ConnectionSettings,
    /// The emulator in this process, where it is used.
    pub(super) rehearsal: Option<Rehearsal>,
    /// How the accounts are reached that rows name.
    pub(super) access: Access,
    /// `--account`: no others may be worked in.
    pub(super) accounts: Vec<AccountId>,
    /// The server by which hosts share each quota, where one is used.
    pub(super) quota_server: Option<QuotaServerConfig>,
    /// The quotas of accounts and Regions, where they are others than the flags'.
    pub(super) quotas: Quotas,
    /// Whether a flag gives the most requests in flight.
    workers_are_given: bool,
    /// How the engine behaves: the account and the tag keys are not known yet.
    pub(super) engine: engine::EngineSettings,
    pub(super) rules: RunRules,
    pub(super) reconcile: Reconcile,
    pub(super) output: RunOutput,
    /// Where the live page is served, if it is.
    pub(super) serve: Option<ServeConfig>,
    /// How the manifest is read: the Region of rows that name none is not known yet.
    options: Options,
}

impl ConnectionArgs {
    /// How the service is reached. An attempt may take as long as `timeout`. Where no flag gives a Region and the rows have
    /// `regions` of their own, none has to be looked up.
    pub(super) fn settings(&self, timeout: Duration, regions: &[Region]) -> ConnectionSettings {
        ConnectionSettings {
            region: self.region.clone().or_else(|| regions.first().cloned()),
            // A template's profiles are those of the rows' accounts, not of the run's own credentials.
            profile: self.profile.as_ref().and_then(AccountTemplate::constant),
            endpoint_url: self.endpoint_url.clone(),
            timeout,
            network: Network::from_environment(),
        }
    }
}

/// Which devices are attempted, and what a run is refused for.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunRules {
    /// The number of devices that the manifest must list.
    pub(super) expect: Option<u64>,
    /// The most devices that are attempted.
    pub(super) limit: Option<u64>,
    /// Whether an invalid row is a reason not to start.
    pub(super) strict: bool,
    /// Those of the planner.
    pub(super) plan: Rules,
    /// Whether settings and manifest may differ from the last run's.
    pub(super) allow_changed: bool,
}

/// What is asked of the service before the first create.
#[derive(Debug, Clone)]
pub(super) struct Reconcile {
    /// Whether the existing channels are listed.
    pub(super) list: bool,
    /// Whether the channels that the results claim are asked for.
    pub(super) recheck: bool,
    channel_quota: Option<u64>,
}

/// What is shown and written besides the results.
#[derive(Debug, Clone)]
pub(super) struct RunOutput {
    pub(super) progress: ProgressMode,
    pub(super) verbose: bool,
    /// Whether standard output gets JSON.
    pub(super) json: bool,
    pub(super) summary: Option<PathBuf>,
    pub(super) page: Option<PathBuf>,
}

impl RunConfig {
    /// The configuration of a plan.
    pub(super) fn for_plan(args: &ProvisionArgs) -> Result<Self, Error> {
        let (service, results) = (&args.service, &args.results);
        let shard = shard::of(args)?;
        let file = results.file.as_deref();
        let is_emulated = args.rehearsal.emulator;
        let files = BatchFiles::new(&args.manifest, file, is_emulated, shard)?;
        files.check()?;
        Ok(Self {
            rehearsal: Rehearsal::reading(&args.rehearsal, &files.results),
            files,
            wait_for_results: results.wait_for_results,
            options: options(&args.input, &service.connection.account)?,
            connection: service.connection.settings(args.pace.timeout, &[]),
            access: Access::of(&service.connection, is_emulated)?,
            accounts: service.connection.account.clone(),
            quota_server: QuotaServerConfig::of(&service.connection)?,
            quotas: args
                .pace
                .quotas
                .as_deref()
                .map_or_else(|| Ok(Quotas::default()), Quotas::load)?,
            workers_are_given: args.pace.workers.is_some(),
            engine: engine_settings(args),
            rules: RunRules {
                expect: args.input.expect,
                limit: args.input.limit,
                strict: args.input.strict,
                plan: Rules {
                    recreate_deleted: results.recreate_deleted,
                    shard,
                },
                allow_changed: results.allow_changed,
            },
            reconcile: Reconcile {
                list: !service.no_reconcile,
                recheck: service.recheck,
                channel_quota: service.channel_quota,
            },
            output: RunOutput {
                progress: args.output.progress(),
                verbose: args.output.verbose > 0,
                json: results.json,
                summary: results.summary_json.clone(),
                page: results.report.clone(),
            },
            serve: ServeConfig::of(&args.serve),
        })
    }

    /// The configuration of a run, which writes more files and sends requests side by side.
    pub(super) fn for_run(args: &ProvisionArgs) -> Result<Self, Error> {
        let mut config = Self::for_plan(args)?;
        let (files, output) = (&config.files, &config.output);
        if config.rules.strict && files.manifest.is_none() {
            let message = "--strict needs the whole manifest before the first call, but standard input is read as it \
                           comes; give a file, or leave --strict out";
            return Err(Error::refused("usage", message));
        }
        let state = rehearsal::state_of(&args.rehearsal, &files.results);
        batch_files::check_outputs(
            &[
                ("--summary-json", output.summary.as_deref()),
                ("--report", output.page.as_deref()),
            ],
            files.manifest.as_deref(),
            &files.results,
            state.as_deref(),
        )?;
        let wait = config.wait_for_results;
        config.rehearsal = config.rehearsal.map(|reading| reading.writing(wait));
        config.engine.workers = open_files::most_requests(config.engine.workers);
        Ok(config)
    }

    /// The quota server's address, where one is used.
    pub(super) fn quota_server_address(&self) -> Option<String> {
        let server = self.quota_server.as_ref()?;
        Some(server.address().to_string())
    }

    /// How the manifest is read where rows that name no Region are in this one.
    pub(super) fn options(&self, region: Option<Region>) -> Options {
        Options {
            region,
            ..self.options.clone()
        }
    }

    /// The rate of creates in an account and Region; where the rows name no account, it is `own`, if that is known.
    pub(super) fn rate(&self, of: &AccountRegion, own: Option<&AccountId>) -> RateRange {
        let rate = self.quotas.rate(&of.or_account(own));
        rate.unwrap_or(self.engine.rate)
    }

    /// The most channels that an account may have in a Region; `own` likewise.
    pub(super) fn channel_quota(&self, of: &AccountRegion, own: Option<&AccountId>) -> u64 {
        let quota = self.quotas.channels(&of.or_account(own));
        quota
            .or(self.reconcile.channel_quota)
            .unwrap_or(channel_quota(&of.region))
    }

    /// Sets the most requests in flight for so many accounts and Regions, unless a flag did. Those of a stream that names
    /// accounts are not known.
    pub(super) fn set_workers(&mut self, account_regions: Option<usize>) {
        if !self.workers_are_given {
            let workers = default_workers(account_regions.unwrap_or(usize::MAX));
            self.engine.workers = open_files::most_requests(workers);
        }
    }

    /// The engine's settings; `account` is that of the run's own credentials, where it is known.
    pub(super) fn engine(&self, account: Option<AccountId>) -> engine::EngineSettings {
        engine::EngineSettings {
            account,
            ..self.access.engine(self.engine.clone())
        }
    }

    /// As the runs log keeps it.
    pub(super) fn settings(&self) -> runs_line::Settings {
        let (options, engine) = (&self.options, &self.engine);
        let text = |(key, template): &(Box<str>, Template)| {
            (key.to_string(), template.as_str().to_owned())
        };
        let on_exists = engine.on_exists.to_possible_value();
        runs_line::Settings {
            channel_name: options.channel_name.as_str().to_owned(),
            tags: options.tags.iter().map(text).collect(),
            message_ttl_seconds: options.message_ttl.map(MessageTtl::as_secs),
            id_column: options.id_column.clone(),
            delimiter: options.delimiter.map(char::from),
            rate: engine.rate.ceiling,
            workers: u32::try_from(engine.workers).unwrap_or(u32::MAX),
            max_attempts: engine.max_attempts,
            on_exists: on_exists.map_or_else(String::new, |value| value.get_name().to_owned()),
        }
    }
}

/// Where a run writes its summary, also where its configuration is refused. Refuses a file that the run needs.
pub(super) fn summary_file(args: &ProvisionArgs) -> Result<Option<PathBuf>, Error> {
    let results = batch_files::results_of(
        &args.manifest,
        args.results.file.as_deref(),
        args.rehearsal.emulator,
        shard::of(args).unwrap_or_default(),
    );
    let summary = &args.results.summary_json;
    batch_files::check_outputs(
        &[("--summary-json", summary.as_deref())],
        Some(&args.manifest),
        &results,
        rehearsal::state_of(&args.rehearsal, &results).as_deref(),
    )?;
    Ok(summary.clone())
}

/// The most requests in flight where `--workers` does not say, for so many accounts and Regions: one uses about four at 50
/// creates a second and 80 ms, and as many again while the service is slow.
fn default_workers(scopes: usize) -> usize {
    const EACH: usize = 8;
    const LEAST: usize = 64;
    scopes
        .saturating_mul(EACH)
        .clamp(LEAST, open_files::MOST_IN_ALL)
}

fn engine_settings(args: &ProvisionArgs) -> engine::EngineSettings {
    let pace = &args.pace;
    engine::EngineSettings {
        workers: pace.workers.unwrap_or_else(|| default_workers(1)),
        rate: pace.rate,
        max_attempts: pace.max_attempts,
        max_throttled: pace.max_throttled,
        max_offline: pace.max_offline,
        timeout: pace.timeout,
        max_failures: pace.max_failures,
        on_exists: args.service.on_exists,
        tag_keys: Vec::new(),
        account: None,
        has_common_credentials: false,
        seed: seed(),
    }
}

fn options(input: &InputArgs, allowed_accounts: &[AccountId]) -> Result<Options, Error> {
    let refused = |flag: &str, error: &dyn std::fmt::Display| {
        Error::refused("usage", format!("{flag}: {error}"))
    };
    let template = |flag: &str, text: &str| {
        let parsed = text.parse::<Template>();
        parsed.map_err(|error| refused(flag, &error))
    };
    let tags = input.tags.iter().map(|(key, text)| {
        let value = template(&format!("--tag {key}"), text)?;
        Ok((key.as_str().into(), value))
    });
    let id_pattern = input.id_pattern.as_deref().map(|pattern| {
        IdPattern::parse(pattern)
            .map_err(|error| refused(&format!("--id-pattern {}", shown(pattern)), &error))
    });
    let options = Options {
        id_column: input.id_column.clone(),
        channel_name: template("--channel-name", &input.channel_name)?,
        message_ttl: input.message_ttl,
        tags: tags.collect::<Result<_, Error>>()?,
        delimiter: input.delimiter,
        id_pattern: id_pattern.transpose()?,
        region: None,
        allowed_accounts: allowed_accounts.to_vec(),
    };
    options.validate()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_accounts_and_regions_have_more_workers() {
        for (scopes, workers) in [
            (0, 64),
            (1, 64),
            (8, 64),
            (9, 72),
            (100, 800),
            (1_000, 1_024),
        ] {
            assert_eq!(default_workers(scopes), workers, "{scopes}");
        }
        assert_eq!(default_workers(usize::MAX), 1_024);
    }
}
