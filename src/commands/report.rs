//! `kvs-fleet report`: what became of a batch, on the terminal, as a page, and as a manifest of what failed. Sends no request.

use std::path::Path;

use tracing::{info, warn};

use super::batch_files::check_outputs;
use super::last_options::last_options;
use crate::cli::ReportArgs;
use crate::domain::device::Region;
use crate::domain::format;
use crate::emulator::state_file;
use crate::engine::Stop;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::output::file;
use crate::output::report::facts::Facts;
use crate::output::report::{failed, page, text};
use crate::results::disk::RealDisk;

/// Runs the subcommand and gives its exit code.
pub(super) fn run(args: &ReportArgs) -> Result<u8, Error> {
    let outputs = [
        ("--html", args.html.as_deref()),
        ("--failed", args.failed.as_deref()),
    ];
    let state = state_file::beside(&args.results);
    check_outputs(
        &outputs,
        args.manifest.as_deref(),
        &args.results,
        Some(&state),
    )?;
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
        let failed = failed::pick(&facts, &manifest)?;
        write(file, &failed.text)?;
        let rows = format::count(failed.rows, "row");
        info!("{rows} without a channel written to {}", file.display());
    }
    super::print(&text::text(&facts))?;
    Ok(0)
}

/// A Region for rows that name none: that they need one is no fault of theirs, and which one it is does not matter here.
fn default_region(facts: &Facts) -> Result<Region, Error> {
    let names = facts.region_names();
    let name = names.first().copied().unwrap_or("us-east-1");
    Region::parse(name).map_err(|invalid| Error::refused("results", invalid.to_string()))
}

/// Writes the page of a run that ends, to a file that was checked before.
pub(super) fn write_page(results: &Path, html: &Path) -> Result<(), Error> {
    let facts = Facts::read(&RealDisk, results)?;
    write(html, page::page(&facts).as_bytes())
}

fn write(file: &Path, content: &[u8]) -> Result<(), Error> {
    file::replace(file, content).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Error::Stopped(Stop::Results(message))
    })
}
