//! What a results file claims, and what a manifest asks for the same devices.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::batch::Glance;
use crate::device::{AccountId, ChannelArn, ChannelName, Device, MessageTtl, Region};
use crate::error::Error;
use crate::manifest::{Manifest, Options, hex};
use crate::results::disk::RealDisk;
use crate::results::read::{ReadError, TornTail, read_results};
use crate::results::record::Status;
use crate::results::runs_log::{EarlierRuns, RunsGlance};
use crate::template::Template;
use crate::verify::Claim;

/// The rows of a results file that claim a channel, each device's last one.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) rows: Vec<Claim>,
    /// Devices without a channel, by status.
    pub(super) others: HashMap<&'static str, u64>,
    pub(super) account: Option<AccountId>,
    pub(super) torn: Option<TornTail>,
    /// Of the file, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Claims {
    pub(super) fn read(results: &Path) -> Result<Self, Error> {
        let refused = |error: ReadError| Error::refused("results", error.to_string());
        if !results.exists() {
            return Err(refused(ReadError::Missing(results.into())));
        }
        let sha256 = sha256(results).map_err(|source| {
            let path = results.into();
            refused(ReadError::Io { path, source })
        })?;
        let Glance {
            roster,
            account,
            torn,
        } = Glance::take(&RealDisk, results)?;
        let mut found = Self {
            rows: Vec::new(),
            others: HashMap::new(),
            account,
            torn,
            sha256,
        };
        let mut rows = 0_u64;
        let read = read_results(&RealDisk, results, |entry| {
            rows += 1;
            let row = entry.record;
            let index = roster.find(row.device_id());
            let is_last = index.is_some_and(|index| roster.place(index) == Some(entry.place));
            match row.status() {
                Status::Created | Status::Exists if is_last => found.claim(
                    row.device_id(),
                    row.channel_name(),
                    row.region(),
                    row.channel_arn(),
                ),
                Status::Invalid => *found.others.entry("invalid").or_default() += 1,
                status if is_last => *found.others.entry(status.as_str()).or_default() += 1,
                _ => {}
            }
            Ok::<(), ReadError>(())
        });
        let reading = read.map_err(refused)?;
        if rows == 0 && reading.is_new() {
            let message = format!(
                "the results file {} is empty; give the results of a run",
                results.display()
            );
            return Err(Error::refused("results", message));
        }
        Ok(found)
    }

    /// The reader has checked that name, Region and ARN fit each other.
    fn claim(&mut self, device_id: &str, name: &str, region: &str, arn: &str) {
        let (Ok(name), Ok(region), Ok(arn)) = (
            ChannelName::parse(name),
            Region::parse(region),
            ChannelArn::parse(arn),
        ) else {
            return;
        };
        self.rows.push(Claim {
            device_id: device_id.into(),
            name,
            region,
            arn,
            message_ttl: None,
            tags: Vec::new(),
        });
    }

    /// The Regions of the claims, each once.
    pub(super) fn regions(&self) -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for claim in &self.rows {
            if !regions.contains(&claim.region) {
                regions.push(claim.region.clone());
            }
        }
        regions
    }

    /// Adds what the manifest asks for each device, with the templates, tags and TTL of the last run.
    pub(super) fn ask_for(
        &mut self,
        manifest: &Path,
        results: &Path,
        region: Option<Region>,
    ) -> Result<(), Error> {
        let region = region.or_else(|| self.rows.first().map(|claim| claim.region.clone()));
        let options = last_options(results, region)?;
        let manifest = std::sync::Arc::new(Manifest::open(manifest, &options)?);
        let mut asked: HashMap<Box<str>, Device> = HashMap::new();
        let mut rows = manifest.rows();
        while let Some(row) = rows.next()? {
            if let Ok(ask) = &row.ask {
                asked
                    .entry(row.device_id.into())
                    .or_insert_with(|| ask.to_device());
            }
        }
        for claim in &mut self.rows {
            if let Some(device) = asked.remove(&claim.device_id) {
                claim.message_ttl = device.message_ttl;
                claim.tags = device.tags;
            }
        }
        Ok(())
    }
}

/// How the last run read its manifest.
fn last_options(results: &Path, region: Option<Region>) -> Result<Options, Error> {
    let log = RunsGlance::take(&RealDisk, results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
    let mut options = Options {
        region,
        ..Options::default()
    };
    let Some(settings) = log.last_start().and_then(|start| start.settings.as_ref()) else {
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
    options.channel_name = template(&settings.channel_name)?;
    let seconds = settings.message_ttl_seconds;
    options.message_ttl = seconds.and_then(|seconds| MessageTtl::from_secs(seconds.into()).ok());
    for (key, text) in &settings.tags {
        options.tags.push((key.as_str().into(), template(text)?));
    }
    Ok(options)
}

fn sha256(path: &Path) -> io::Result<String> {
    const CHUNK_BYTES: usize = 1 << 20;
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
    }
}
