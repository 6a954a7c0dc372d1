//! `kvs-fleet verify`: compares a results file with the service. Changes neither.

mod answers;
mod asking;
mod claims;
mod findings;

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{error, info, warn};

use super::open_files;
use super::signals::{self, LastWords};
use super::target::{self, Target};
use crate::cli::{OutputArgs, VerifyArgs};
use crate::domain::device::Region;
use crate::engine::event::{Listener, Listeners};
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::output::logging::Console;
use crate::output::progress::Progress;
use crate::output::stats::Stats;
use answers::Answers;
pub(super) use asking::{Questions, ask_all};
pub(super) use claims::Claims;
use findings::Findings;

/// Runs the subcommand and returns its exit code. `warnings` are about the environment.
pub(super) async fn run(args: &VerifyArgs, warnings: &[String]) -> u8 {
    let console = super::start_logging(&args.output, warnings);
    let ended = verify(args, console).await;
    let shown = ended.and_then(|(findings, unasked)| {
        show(args, &findings)?;
        match unasked {
            Some(stop) => Err(stop.into()),
            None => Ok(findings.differences.is_empty()),
        }
    });
    match shown {
        Ok(true) => 0,
        Ok(false) => 3,
        Err(stopped) => {
            error!("{stopped}");
            stopped.exit_code()
        }
    }
}

/// What was found, and why some Regions gave no answer, if so.
async fn verify(args: &VerifyArgs, console: Console) -> Result<(Findings, Option<Stop>), Error> {
    let started_at = SystemTime::now();
    let stop = StopSignal::new();
    signals::listen(
        stop.clone(),
        console.clone(),
        LastWords::default(),
        signals::NOTHING,
    );
    let mut claims = Claims::read(&args.results)?;
    if let Some(torn) = claims.torn {
        warn!("{}: {torn}; it is ignored", args.results.display());
    }
    let regions: Vec<Region> = claims.regions();
    let connection = args.connection.within(&regions);
    let target = Target::load(&connection, false, args.asking.timeout).await?;
    target.check_kind(claims.account.as_ref(), &args.results)?;
    let expected = target::expected(
        args.connection.account.as_ref(),
        claims.account.clone(),
        &args.results,
    )?;
    if let Some(manifest) = &args.compare.manifest {
        claims.ask_for(manifest, &args.results, target.default_region())?;
    }
    let mut findings = Findings::new(&claims, args, started_at)?;
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
    let settings = args.asking.settings(target.account().cloned().or(expected));
    let caller = super::caller(settings, listeners, stop);
    let questions = Questions {
        workers: open_files::most_requests_each(args.asking.workers, regions.len()),
        tags: args.compare.tags,
        endpoints: args.compare.endpoints,
        ice: args.compare.ice,
    };
    let total = claims.rows.len() as u64 * questions.of_a_channel();
    let progress = (total > 0).then(|| {
        let answers = Arc::new(Answers(stats));
        let OutputArgs {
            progress, quiet, ..
        } = args.output;
        Progress::start(progress, quiet, Some(total), answers, console)
    });
    let found = ask_all(questions, &target, &caller, claims.rows).await;
    drop(progress);
    findings.conclude(found?, &target, caller.account());
    Ok((findings, caller.end()))
}

/// Prints what was found.
fn show(args: &VerifyArgs, findings: &Findings) -> Result<(), Error> {
    if !args.json {
        return super::print(&findings.to_string());
    }
    let json = serde_json::to_string_pretty(findings)
        .map_err(|error| Error::Stopped(Stop::Internal(error.to_string())))?;
    super::print(&(json + "\n"))
}
