//! `kvs-fleet verify`: compares a results file with the service. Changes neither.

mod answers;
mod asking;
mod claims;
mod config;
mod findings;

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{info, warn};

use super::open_files;
use super::signals::{self, ExitRecord};
use super::target::{self, Target};
use crate::domain::device::Region;
use crate::engine::event::{Listener, Listeners};
use crate::engine::{self, Stop, StopSignal};
use crate::error::Error;
use crate::output::logging::Console;
use crate::output::progress::Progress;
use crate::output::stats::Stats;
use answers::Answers;
pub(super) use asking::{Questions, ask_all};
pub(super) use claims::Claims;
pub(super) use config::VerifyConfig;
use findings::Findings;

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(config: &VerifyConfig, console: Console) -> Result<u8, Error> {
    let (findings, unasked) = verify(config, console).await?;
    if config.json {
        super::print_json(&findings)?;
    } else {
        super::print(&findings.to_string())?;
    }
    match unasked {
        Some(stop) => Err(stop.into()),
        None if findings.differences.is_empty() => Ok(0),
        None => Ok(3),
    }
}

/// What was found, and why some Regions gave no answer, if so.
async fn verify(
    config: &VerifyConfig,
    console: Console,
) -> Result<(Findings, Option<Stop>), Error> {
    let started_at = SystemTime::now();
    let stop = StopSignal::new();
    signals::listen(
        stop.clone(),
        console.clone(),
        ExitRecord::default(),
        signals::NOTHING,
    );
    let mut claims = Claims::read(&config.results)?;
    if let Some(torn) = claims.torn {
        warn!("{}: {torn}; it is ignored", config.results.display());
    }
    let regions: Vec<Region> = claims.regions();
    let target = Target::load(config.connection.within(&regions), false).await?;
    target.check_kind(claims.account.as_ref(), &config.results)?;
    let expected = target::expected(
        config.connection.account.as_ref(),
        claims.account.clone(),
        &config.results,
    )?;
    if let Some(manifest) = &config.manifest {
        claims.ask_for(manifest, &config.results, target.default_region())?;
    }
    let mut findings = Findings::new(&claims, config, started_at)?;
    if regions.is_empty() {
        info!("no row claims a channel: there is nothing to verify");
        return Ok((findings, None));
    }
    target.identify_in(&regions, &stop).await?;
    target.check_account(expected.as_ref())?;
    target::introduce(&target, &regions);
    let stats = Arc::new(Stats::new());
    let mut listeners = Listeners::default();
    listeners.add(Arc::clone(&stats) as Arc<dyn Listener>);
    let settings = engine::EngineSettings {
        account: target.account().cloned().or(expected),
        ..config.engine.clone()
    };
    let caller = super::caller(settings, listeners, stop);
    let questions = Questions {
        workers: open_files::most_requests_each(config.questions.workers, regions.len()),
        ..config.questions
    };
    let total = claims.rows.len() as u64 * questions.of_a_channel();
    let progress = (total > 0).then(|| {
        let answers = Arc::new(Answers(stats));
        Progress::start(config.progress, Some(total), answers, console)
    });
    let found = ask_all(questions, &target, &caller, claims.rows).await;
    drop(progress);
    findings.conclude(found?, &target, caller.account());
    Ok((findings, caller.end()))
}
