//! `kvs-fleet verify`: compares a results file with the service. Changes neither.

mod asking;
mod claims;
mod findings;

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{info, warn};

use super::access::Access;
use super::asking::{caller, distinct};
use super::open_files;
use super::quota_server::{self, QuotaServerConfig};
use super::rehearsal::Rehearsal;
use super::serve_results::{ServedResults, Work};
use super::signals;
use super::target::{Target, regions_of};
use crate::cli::VerifyArgs;
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::output::logging::Console;
use crate::output::progress::{Progress, Subject};
use crate::results::disk::RealDisk;
use crate::results::runs_log::EarlierRuns;
pub(super) use asking::{Questions, ask_all};
pub(super) use claims::Claims;
use findings::Findings;

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(args: &VerifyArgs, console: Console) -> Result<u8, Error> {
    let (stop, signalled) = signals::stop_signal(&console, signals::NOTHING);
    let work = Work {
        command: "verify",
        subject: Subject::Answers,
        results: &args.results,
    };
    let mut served = ServedResults::start(&args.serve, work, (&stop, &signalled))?;
    let ended = match verify(args, console, stop, &mut served).await {
        Ok((findings, unasked)) => {
            findings.show(&mut served);
            print(args, &findings, unasked)
        }
        Err(error) => Err(error),
    };
    served.finish(ended).await
}

/// Prints what was found, and gives the exit code.
fn print(args: &VerifyArgs, findings: &Findings, unasked: Option<Stop>) -> Result<u8, Error> {
    if args.json {
        super::print_json(findings)?;
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
    args: &VerifyArgs,
    console: Console,
    stop: StopSignal,
    served: &mut ServedResults,
) -> Result<(Findings, Option<Stop>), Error> {
    let started_at = SystemTime::now();
    let results = &args.results;
    let mut claims = Claims::read(results)?;
    if let Some(torn) = claims.torn {
        warn!("{}: {torn}; it is ignored", results.display());
    }
    let connection = &args.connection;
    let access = Access::of(connection, args.rehearsal.emulator)?;
    let quota_server = QuotaServerConfig::of(connection)?;
    let guard = access.guard(&connection.account, &claims.accounts, results)?;
    if !access.is_given() {
        claims.forget_accounts();
    }
    let account_regions = distinct(claims.rows.iter().map(|claim| &claim.account_region));
    let regions = regions_of(&account_regions);
    let settings = connection.settings(args.asking.timeout, &regions);
    let rehearsal = Rehearsal::reading(&args.rehearsal, results);
    let target = Target::load(settings, rehearsal.as_ref(), &stop).await?;
    let runs = EarlierRuns::read(&RealDisk, results)?;
    let is_emulated = claims.is_emulated || runs.was_emulated();
    target.check_kind(&claims.accounts, is_emulated, results)?;
    target.check_state(!claims.rows.is_empty(), results)?;
    if let Some(manifest) = &args.compare.manifest {
        claims.ask_for(manifest, results, target.default_region())?;
    }
    let mut findings = Findings::new(&claims, args, started_at);
    if regions.is_empty() {
        info!("no row claims a channel: there is nothing to verify");
        return Ok((findings, None));
    }
    let account = target
        .meet_all(&access, &guard, &account_regions, &stop)
        .await?;
    target.check_usable(&account_regions)?;
    served.met(&target, &account_regions, quota_server.as_ref());
    let listeners = served.listeners.clone();
    let quota_client =
        quota_server::join(quota_server.as_ref(), &target, &listeners, &stop).await?;
    let caller = caller(
        access.engine(args.asking.settings(account)),
        listeners,
        stop,
        quota_client,
    );
    let compare = &args.compare;
    let questions = Questions {
        workers: open_files::most_requests_each(args.asking.workers, account_regions.len()),
        tags: compare.tags,
        endpoints: compare.endpoints,
        ice: compare.ice,
    };
    let total = claims.rows.len() as u64 * questions.of_a_channel();
    let claimed = claims.rows.len() as u64;
    served.begin(claimed, claimed, total);
    let mode = args.output.progress();
    let stats = Arc::clone(&served.stats);
    let progress =
        (total > 0).then(|| Progress::start(mode, Subject::Answers, Some(total), stats, console));
    let found = ask_all(questions, &target, &caller, claims.rows).await;
    drop(progress);
    findings.conclude(found?, &target, caller.account());
    Ok((findings, caller.end()))
}
