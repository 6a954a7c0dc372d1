//! What a results file claims, and what a manifest requests for the same devices.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::commands::last_options::last_options;
use crate::domain::device::{AccountId, Device, Region};
use crate::error::Error;
use crate::fleet::batch::{Glance, last_rows};
use crate::fleet::claim::{Claim, channel_of};
use crate::manifest::{Manifest, hex};
use crate::results::disk::RealDisk;
use crate::results::read::{ReadError, TornTail};
use crate::results::record::Status;

/// The rows of a results file that claim a channel, each device's last one.
#[derive(Debug)]
pub(in crate::commands) struct Claims {
    pub(in crate::commands) rows: Vec<Claim>,
    /// Devices without a channel, by status.
    pub(super) others: BTreeMap<&'static str, u64>,
    /// The accounts of the channels.
    pub(in crate::commands) accounts: Vec<AccountId>,
    /// Whether the emulator made one of them.
    pub(super) is_emulated: bool,
    pub(super) torn: Option<TornTail>,
    /// Of the file, in hexadecimal digits.
    pub(super) sha256: String,
}

impl Claims {
    pub(in crate::commands) fn read(results: &Path) -> Result<Self, Error> {
        let Glance {
            known_devices,
            accounts,
            is_emulated,
            torn,
        } = Glance::of_a_run(&RealDisk, results)?;
        let sha256 = sha256(results).map_err(|source| {
            let path = results.into();
            ReadError::Io { path, source }
        })?;
        let mut found = Self {
            rows: Vec::new(),
            others: BTreeMap::new(),
            accounts,
            is_emulated,
            torn,
            sha256,
        };
        last_rows(&RealDisk, results, &known_devices, |_, entry| {
            let row = &entry.record;
            if !matches!(row.status(), Status::Created | Status::Exists) {
                *found.others.entry(row.status().as_str()).or_default() += 1;
                return Ok(());
            }
            let (name, account_region, arn) =
                channel_of(row).map_err(|problem| Error::refused("results", problem))?;
            found.rows.push(Claim {
                device_id: row.device_id().into(),
                name,
                account_region,
                arn,
                message_ttl: None,
                tags: Vec::new(),
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// All are asked for with the run's own credentials, whose account is checked.
    pub(in crate::commands) fn forget_accounts(&mut self) {
        for claim in &mut self.rows {
            claim.account_region.account = None;
        }
    }

    /// Adds what the manifest requests for each device, with the templates, tags and TTL of the last run.
    pub(super) fn ask_for(
        &mut self,
        manifest: &Path,
        results: &Path,
        region: Option<Region>,
    ) -> Result<(), Error> {
        let region = region.or_else(|| {
            let first = self.rows.first();
            first.map(|claim| claim.account_region.region.clone())
        });
        let options = last_options(results, region)?;
        let file = manifest.display();
        let manifest = std::sync::Arc::new(Manifest::open(manifest, &options)?);
        let mut asked: HashMap<Box<str>, Device> = HashMap::new();
        let mut rows = manifest.rows();
        while let Some(row) = rows.next()? {
            if let Ok(valid) = &row.checked {
                asked
                    .entry(row.device_id.into())
                    .or_insert_with(|| valid.to_device());
            }
        }
        if !self.rows.is_empty()
            && !self
                .rows
                .iter()
                .any(|row| asked.contains_key(&row.device_id))
        {
            let message = format!(
                "the manifest {file} lists not one device that has a channel by {}; give the manifest of these results",
                results.display()
            );
            return Err(Error::refused("other-manifest", message));
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
