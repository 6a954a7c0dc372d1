//! `kvs-fleet plan`: what `provision` would do, from its own code. Changes nothing, and asks nobody unless told to.

mod online;
mod outline;
mod text;

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::{error, warn};

use super::provision::paths::Paths;
use super::provision::{check_plan, messages, rules, settings, source};
use super::signals::{self, LastWords};
use super::target::{self, Target};
use crate::aws::ConfigError;
use crate::cli::ProvisionArgs;
use crate::domain::device::DeviceIndex;
use crate::domain::panics;
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{self, Glance};
use crate::manifest::{Manifest, ManifestError, Options};
use crate::results::disk::RealDisk;
use crate::results::runs_log::EarlierRuns;
use online::Wanted;
use outline::Outline;

/// What messages call the manifest of a pipe.
const STANDARD_INPUT: &str = "standard input";

/// Runs the subcommand and says with which exit code it ended. `warnings` are about the environment.
pub(super) async fn run(args: &ProvisionArgs, online: bool, warnings: &[String]) -> u8 {
    let console = super::start_logging(&args.output, warnings);
    let stop = StopSignal::new();
    signals::listen(
        stop.clone(),
        console,
        LastWords::default(),
        signals::NOTHING,
    );
    if args.service.recheck {
        warn!(
            "--recheck asks the service when a run begins; the plan takes the results at their word"
        );
    }
    for (flag, file) in [
        ("--summary-json", &args.results.summary_json),
        ("--report", &args.results.report),
    ] {
        if file.is_some() {
            warn!("a plan writes no {flag}: only a run does; --json prints the plan");
        }
    }
    // Nothing is changed and nothing must be finished: it ends wherever it is.
    let planned = tokio::select! {
        planned = plan(args, online, &stop) => planned,
        cause = stop.ended() => Err(cause.into()),
    };
    let shown = planned.and_then(|outline| {
        show(args, &outline)?;
        outline.check_usable()?;
        Ok(outline)
    });
    match shown {
        Ok(outline) => outline.exit_code(),
        Err(refused) => {
            // A signal was answered when it came.
            if refused.exit_code() < 128 {
                error!("{refused}");
            }
            refused.exit_code()
        }
    }
}

/// Plans as a run does, in the same order, with the same refusals.
async fn plan(args: &ProvisionArgs, online: bool, stop: &StopSignal) -> Result<Outline, Error> {
    let emulator = args.service.emulator;
    let paths = Paths::new(&args.manifest, args.results.file.as_deref(), emulator)?;
    paths.check_place()?;
    let connection = &args.service.connection;
    let target = Target::load(connection, emulator, args.pace.timeout).await?;
    let options = source::options(&args.input, target.default_region())?;
    let manifest = open(paths.manifest.clone(), options).await?;
    for warning in manifest.layout().warnings() {
        warn!("{warning}");
    }
    let Glance {
        mut known_devices,
        account,
        torn,
    } = Glance::take(&RealDisk, &paths.results)?;
    if let Some(torn) = torn {
        let results = paths.results.display();
        warn!("{results}: {torn}; a run cuts it off, and asks the service again what it said");
    }
    let runs = EarlierRuns::read(&RealDisk, &paths.results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
    settings::check(args, &runs, &known_devices)?;
    target.check_kind(account.as_ref(), &paths.results)?;
    let expected = target::expected(connection.account.as_ref(), account, &paths.results)?;
    let mut planned = batch::plan(&manifest, &mut known_devices, rules(args))?;
    check_plan(args, &planned)
        .and_then(|()| settings::check_manifest(args, &runs, &known_devices))
        .inspect_err(|_| messages::say_invalid(&planned.invalid))?;
    messages::say_remarks(&planned.remarks);
    let ask_alike = settings::ask_alike(args, Some(manifest.sha256()), &runs);
    if planned.counts.done > 0 && ask_alike == Some(false) {
        messages::say_changed(manifest.layout(), &args.manifest, &paths.results);
    }
    if let Some(limit) = args.input.limit {
        planned.work.limit(limit);
    }
    let to_do: HashSet<DeviceIndex> = if online {
        planned.work.iter().map(|(index, _)| *index).collect()
    } else {
        HashSet::new()
    };
    let mut outline = Outline::new(args, &paths, &manifest, &known_devices, planned);
    outline.note_changes(ask_alike);
    if online {
        let wanted = Wanted {
            known_devices: &known_devices,
            to_do,
        };
        online::ask(args, &target, expected, &wanted, stop, &mut outline).await?;
    }
    Ok(outline)
}

/// Reads the manifest whole: a pipe, too, since nothing waits for its rows. On a thread that may wait for it.
async fn open(path: Option<PathBuf>, options: Options) -> Result<Manifest, Error> {
    let opening = tokio::task::spawn_blocking(move || read(path.as_deref(), &options));
    let opened = opening.await;
    opened.map_err(|ended| Stop::Internal(panics::words_of_task(ended)))?
}

fn read(path: Option<&Path>, options: &Options) -> Result<Manifest, Error> {
    let manifest = match path {
        Some(path) if !path.exists() => {
            let message = format!("the manifest {} does not exist", path.display());
            return Err(Error::refused("manifest", message));
        }
        Some(path) => Manifest::open(path, options)?,
        None => {
            let mut text = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut text);
            read.map_err(|error| {
                Error::refused(
                    "manifest",
                    format!("{STANDARD_INPUT} cannot be read: {error}"),
                )
            })?;
            let checked: Result<_, ManifestError> =
                Manifest::from_text(STANDARD_INPUT.into(), text, options);
            checked?
        }
    };
    if options.region.is_none() && !manifest.layout().has_region() {
        return Err(ConfigError::NoRegion.into());
    }
    Ok(manifest)
}

/// Prints the plan.
fn show(args: &ProvisionArgs, outline: &Outline) -> Result<(), Error> {
    if !args.results.json {
        return super::print(&text::of(outline, args.output.verbose > 0));
    }
    let json = serde_json::to_string_pretty(outline)
        .map_err(|error| Error::Stopped(Stop::Internal(error.to_string())))?;
    super::print(&(json + "\n"))
}
