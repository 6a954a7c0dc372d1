//! How the last run of a results file read its manifest: what a command needs that is given the manifest alone.

use std::path::Path;

use crate::domain::device::{MessageTtl, Region};
use crate::domain::template::Template;
use crate::error::Error;
use crate::manifest::Options;
use crate::results::disk::RealDisk;
use crate::results::runs_log::EarlierRuns;

/// How the last run read its manifest.
pub(super) fn last_options(results: &Path, region: Option<Region>) -> Result<Options, Error> {
    options_of(&EarlierRuns::read(&RealDisk, results)?, results, region)
}

/// How the last of these runs of a results file read its manifest.
pub(super) fn options_of(
    runs: &EarlierRuns,
    results: &Path,
    region: Option<Region>,
) -> Result<Options, Error> {
    let mut options = Options {
        region,
        ..Options::default()
    };
    let Some(settings) = runs.last_start().and_then(|start| start.settings.as_ref()) else {
        tracing::warn!(
            "no run is logged beside {}: the manifest is read without the templates and tags of its flags",
            results.display()
        );
        return Ok(options);
    };
    let template = |text: &str| {
        text.parse::<Template>().map_err(|error| {
            let message = format!("the runs log of {}: {error}", results.display());
            Error::refused("results", message)
        })
    };
    options.id_column.clone_from(&settings.id_column);
    options.delimiter = settings
        .delimiter
        .and_then(|character| u8::try_from(character).ok());
    options.channel_name = template(&settings.channel_name)?;
    let seconds = settings.message_ttl_seconds;
    options.message_ttl = seconds.and_then(|seconds| MessageTtl::from_secs(seconds.into()).ok());
    for (key, text) in &settings.tags {
        options.tags.push((key.as_str().into(), template(text)?));
    }
    Ok(options)
}
