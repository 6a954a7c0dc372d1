//! `kvs-fleet report`: what became of a batch, on the terminal, as a page, and as a manifest of what failed. Asks nobody.

use std::path::Path;

use tracing::{error, info, warn};

use super::last_options;
use crate::cli::ReportArgs;
use crate::domain::device::Region;
use crate::domain::format;
use crate::engine::Stop;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::output::file;
use crate::output::report::facts::Facts;
use crate::output::report::{failed, page, text};
use crate::results::disk::RealDisk;
use crate::results::runs_log::runs_log_path;

/// Runs the subcommand and says with which exit code it ended. `warnings` are about the environment.
pub(super) fn run(args: &ReportArgs, warnings: &[String]) -> u8 {
    super::start_logging(&args.output, warnings);
    match report(args) {
        Ok(()) => 0,
        Err(stopped) => {
            error!("{stopped}");
            stopped.exit_code()
        }
    }
}

fn report(args: &ReportArgs) -> Result<(), Error> {
    let inputs: Vec<&Path> = std::iter::once(&*args.results)
        .chain(args.manifest.as_deref())
        .collect();
    for (flag, file) in [("--html", &args.html), ("--failed", &args.failed)] {
        if let Some(file) = file {
            check_place(flag, file, &inputs)?;
        }
    }
    if let (Some(html), Some(failed)) = (&args.html, &args.failed)
        && super::is_same_file(html, failed)
    {
        let message = "--html and --failed name the same file; give each its own";
        return Err(Error::refused("usage", message));
    }
    let facts = Facts::read(&RealDisk, &args.results)?;
    if let Some(torn) = facts.torn {
        warn!("{}: {torn}; it is not looked at", args.results.display());
    }
    if let Some(html) = &args.html {
        write(html, page::page(&facts).as_bytes())?;
        info!("page written to {}", html.display());
    }
    if let (Some(file), Some(manifest)) = (&args.failed, &args.manifest) {
        let options = last_options(&args.results, Some(default_region(&facts)?))?;
        let manifest = Manifest::open(manifest, &options)?;
        let failed = failed::pick(&facts, &manifest)
            .map_err(|error| Error::refused("manifest", error.to_string()))?;
        write(file, &failed.text)?;
        let rows = format::count(failed.rows, "row");
        info!("{rows} without a channel written to {}", file.display());
    }
    super::print(&text::text(&facts))
}

/// A Region for rows that name none: that they need one is no fault of theirs, and which one it is does not matter here.
fn default_region(facts: &Facts) -> Result<Region, Error> {
    let (_, name) = facts.named_regions().next().unwrap_or((0, "us-east-1"));
    Region::parse(name).map_err(|invalid| Error::refused("results", invalid.to_string()))
}

/// Writes the page of a run that ends, to a file that was checked before.
pub(super) fn write_page(results: &Path, html: &Path) -> Result<(), Error> {
    let facts = Facts::read(&RealDisk, results)?;
    write(html, page::page(&facts).as_bytes())
}

/// Refuses a file that this tool reads, or that cannot be written.
pub(super) fn check_place(flag: &str, file: &Path, inputs: &[&Path]) -> Result<(), Error> {
    let refused = |message: String| Err(Error::refused("usage", message));
    for input in inputs {
        let log = runs_log_path(input);
        if [*input, &log]
            .iter()
            .any(|own| super::is_same_file(own, file))
        {
            return refused(format!(
                "{flag} names {}, which it would replace; give another file",
                file.display()
            ));
        }
    }
    file::try_place(file).or_else(|error| {
        refused(format!(
            "{flag} {}: {error}; give a file in a folder that exists and may be written to",
            file.display()
        ))
    })
}

fn write(file: &Path, content: &[u8]) -> Result<(), Error> {
    file::replace(file, content).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Error::Stopped(Stop::Results(message))
    })
}
