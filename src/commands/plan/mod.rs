//! `kvs-fleet plan`: what `provision` would do, from its own code. Changes nothing, and sends no request unless told to.

mod online;
mod outline;
mod parts;
mod text;

use std::collections::HashSet;

use tracing::warn;

use super::checks;
use super::messages;
use super::reach::own_account;
use super::run_config::RunConfig;
use super::signals;
use super::source;
use super::target::Target;
use crate::domain::device::{AccountRegion, DeviceIndex};
use crate::engine::StopSignal;
use crate::error::Error;
use crate::fleet::batch::{self, Glance};
use crate::fleet::plan::OwnAccount;
use crate::output::logging::Console;
use crate::results::disk::RealDisk;
use crate::results::runs_line::Start;
use crate::results::runs_log::EarlierRuns;
use outline::Outline;

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(config: &RunConfig, online: bool, console: Console) -> Result<u8, Error> {
    let (stop, _) = signals::stop_signal(&console, signals::NOTHING);
    if config.reconcile.recheck {
        warn!(
            "--recheck asks the service when a run begins; the plan takes the results at their word"
        );
    }
    let output = &config.output;
    for (flag, file) in [
        ("--summary-json", &output.summary),
        ("--report", &output.page),
    ] {
        if file.is_some() {
            warn!("a plan writes no {flag}: only a run does; --json prints the plan");
        }
    }
    // Nothing is changed and nothing must be finished: it ends wherever it is.
    let outline = tokio::select! {
        planned = plan(config, online, &stop) => planned?,
        cause = stop.ended() => return Err(cause.into()),
    };
    if config.output.json {
        super::print_json(&outline)?;
    } else {
        super::print(&text::of(&outline, config.output.verbose))?;
    }
    // Only after the plan has been shown, which names the rows.
    checks::check_usable(
        outline.listed + outline.other_shards,
        outline.invalid_rows() + outline.invalid_elsewhere,
    )?;
    Ok(outline.exit_code())
}

/// Plans as a run does, in the same order, with the same refusals.
async fn plan(config: &RunConfig, online: bool, stop: &StopSignal) -> Result<Outline, Error> {
    let results = &config.files.results;
    let rehearsal = config.rehearsal.as_ref();
    let target = Target::load(config.connection.clone(), rehearsal, stop).await?;
    let options = config.options(target.default_region());
    let manifest = source::opened(source::read(&config.files, options), stop).await?;
    messages::say_all(manifest.layout().warnings());
    let Glance {
        mut known_devices,
        accounts,
        is_emulated,
        torn,
    } = Glance::take(&RealDisk, results)?;
    if let Some(torn) = torn {
        let results = results.display();
        warn!("{results}: {torn}; a run cuts it off, and asks the service again what it said");
    }
    let runs = EarlierRuns::read(&RealDisk, results)?;
    checks::check_shard(config, &known_devices)?;
    checks::check_settings(config, &runs, &known_devices)?;
    target.check_kind(&accounts, is_emulated || runs.was_emulated(), results)?;
    let claims = known_devices.have_channel() && !config.reconcile.recheck;
    target.check_state(claims, results)?;
    let mut rows = manifest.row_accounts()?;
    let access = &config.access;
    let guard = access.guard_of_rows(&config.accounts, &mut rows, (&accounts, results))?;
    let own_account = if online {
        own_account(&target, access, &guard, &rows, stop).await?
    } else if rows.are_named {
        let known = runs.last_start().and_then(Start::account_id);
        known.map_or(OwnAccount::NotAsked, OwnAccount::Known)
    } else {
        OwnAccount::Only
    };
    let mut planned = batch::plan(
        &manifest,
        &mut known_devices,
        config.rules.plan,
        own_account,
    )?;
    checks::check_plan(config, &planned)
        .and_then(|()| checks::check_manifest(config, &runs, &known_devices))
        .inspect_err(|_| messages::say_invalid_of_all(&planned))?;
    messages::say_all(&planned.remarks);
    let ask_alike = runs.ask_alike(Some(manifest.sha256()), &config.settings());
    if planned.counts.done > 0 && ask_alike == Some(false) {
        messages::say_changed(manifest.layout(), config.files.manifest(), results);
    }
    if let Some(limit) = config.rules.limit {
        planned.work.limit(limit);
    }
    let to_do: HashSet<DeviceIndex> = if online {
        planned.work.iter().map(|(index, _)| *index).collect()
    } else {
        HashSet::new()
    };
    let mut outline = Outline::new(config, &manifest, &known_devices, planned, ask_alike);
    if online {
        let is_wanted = |account_region: &AccountRegion, name: &str| {
            let mut holders = known_devices.holders(account_region, name);
            holders.any(|index| to_do.contains(&index))
        };
        online::ask(config, &target, &guard, is_wanted, stop, &mut outline).await?;
    }
    Ok(outline)
}
