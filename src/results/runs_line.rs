//! The lines of the runs log: its schema.
//!
//! Each line is a JSON object with an `event`; a reader skips events and fields that it does not know, and takes a
//! missing field for empty.
//!
//! | event | when | fields |
//! | --- | --- | --- |
//! | `start` | a run has passed every check and begins | [`Start`] |
//! | `end` | a run is over, whatever its exit code | [`End`] |
//! | `unlogged` | first in a merged log, if a merged file had rows and no log of its runs | none |
//!
//! A `start` without an `end` is a run that was killed. Logs of earlier versions have `asks` lines, which are skipped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::device::{AccountId, shown};

/// The command of a run that deletes.
pub const ROLLBACK: &str = "rollback";

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum RunsLine {
    /// A run began.
    Start(Box<Start>),
    /// It ended.
    End(Box<End>),
}

/// The endpoint of the emulator in the run's own process.
pub(crate) const EMULATOR: &str = "emulator";

/// How the URLs of endpoints on this computer begin: AWS has none there.
const LOOPBACK: [&str; 3] = ["http://127.", "http://localhost", "http://[::1]"];

/// A run that began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// When: RFC 3339, UTC, milliseconds.
    pub at: String,
    /// This tool's version.
    pub version: String,
    /// The run, by a random number: its `end` has the same. None in logs of older versions.
    pub run: Option<String>,
    /// `provision` or `rollback`.
    pub command: String,
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// The folder in which the command was given: relative paths start there.
    pub directory: Option<String>,
    /// The manifest's path, `-` for a stream.
    pub manifest: Option<String>,
    /// Its SHA-256 in hexadecimal digits; none for a stream.
    pub manifest_sha256: Option<String>,
    /// The account, where it is known before the first request.
    pub account: Option<String>,
    /// The accounts that the rows name, where they do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The caller's ARN, likewise.
    pub caller: Option<String>,
    /// The Regions of the batch.
    pub regions: Vec<String>,
    /// The endpoint, where it is not AWS's own; `emulator` for the embedded one.
    pub endpoint: Option<String>,
    /// The shard, such as `3/16`, where only a part of the devices is attempted.
    pub shard: Option<String>,
    /// The quota server's address, where one is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_server: Option<String>,
    /// How the manifest is turned into requests; none for a rollback.
    pub settings: Option<Settings>,
}

impl Start {
    /// The account of the run's own credentials, where it was known before the first request.
    pub(crate) fn account_id(&self) -> Option<AccountId> {
        AccountId::parse(self.account.as_deref()?).ok()
    }

    /// Whether it was against an emulator.
    pub(crate) fn was_emulated(&self) -> bool {
        let is_emulator = |endpoint: &str| {
            endpoint == EMULATOR || LOOPBACK.iter().any(|start| endpoint.starts_with(start))
        };
        self.endpoint.as_deref().is_some_and(is_emulator)
    }

    /// Whether another run with this manifest and these settings asks for the same channels, TTLs and tags; none where the
    /// log does not tell.
    #[must_use]
    pub fn asks_alike(&self, manifest_sha256: Option<&str>, settings: &Settings) -> Option<bool> {
        if !settings.differences(self.settings.as_ref()?).is_empty() {
            return Some(false);
        }
        Some(self.manifest_sha256.as_deref()? == manifest_sha256?)
    }
}

/// How a run turns the manifest into requests, and how it sends them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The template of the channel's name.
    pub channel_name: String,
    /// The templates of the tags that all channels get, by key.
    pub tags: BTreeMap<String, String>,
    /// The message TTL of rows that give none, in seconds.
    pub message_ttl_seconds: Option<u8>,
    /// The manifest's column of device IDs.
    pub id_column: String,
    /// The manifest's delimiter, where a flag gave it.
    pub delimiter: Option<char>,
    /// The ceiling of creates a second for each account and Region; none for `auto`.
    pub rate: Option<f64>,
    /// The most requests in flight.
    pub workers: u32,
    /// Tries for a device.
    pub max_attempts: u32,
    /// What is done with channels that are there already.
    pub on_exists: String,
}

impl Settings {
    /// In which of the settings that decide what a device gets (templates, tags, TTL) this run differs from an earlier one:
    /// a line each, for messages.
    #[must_use]
    pub fn differences(&self, earlier: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |flag: &str, then: Option<String>, now: Option<String>| {
            let text = |value: Option<String>| {
                value.map_or_else(|| "not given".to_owned(), |value| shown(&value))
            };
            if then != now {
                differences.push(format!("{flag} was {}, is {}", text(then), text(now)));
            }
        };
        compare(
            "--channel-name",
            Some(earlier.channel_name.clone()),
            Some(self.channel_name.clone()),
        );
        let seconds = |settings: &Self| settings.message_ttl_seconds.map(|ttl| ttl.to_string());
        compare("--message-ttl", seconds(earlier), seconds(self));
        let mut keys: Vec<&String> = earlier.tags.keys().chain(self.tags.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            compare(
                &format!("--tag {key}"),
                earlier.tags.get(key).cloned(),
                self.tags.get(key).cloned(),
            );
        }
        differences
    }
}

/// A run that ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// When: RFC 3339, UTC, milliseconds.
    pub at: String,
    /// The run, as in its `start`.
    pub run: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Devices that this run brought to each status.
    pub counts: BTreeMap<String, u64>,
    /// Devices of the manifest that are still to do.
    pub remaining: u64,
    /// Finished devices whose row asked for another TTL or other tags than their channel was created with: 0 where every
    /// run of these results had the same manifest and settings, else none, since it is not known.
    pub changed: Option<u64>,
    /// Requests sent.
    pub requests: u64,
    /// Of these, throttled.
    pub throttles: u64,
    /// From the first create request to the last, or to the last channel, in milliseconds.
    pub creating_ms: u64,
    /// Channels created a second in that time; none for a burst of less than a second or fewer than 20 channels.
    pub achieved_per_second: Option<f64>,
    /// Throttled create requests as a share of all, from 0 to 1.
    pub throttled_share: f64,
    /// Each Region's creates.
    #[serde(rename = "lanes")]
    pub regions: Vec<RegionLine>,
    /// When creates were throttled; none where none was, and in logs of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_over_time: Option<ThrottledOverTime>,
    /// How often the quota server was lost.
    #[serde(skip_serializing_if = "is_zero")]
    pub quota_server_outages: u64,
    /// Why it ended: `complete`, `interrupted`, or what stopped it.
    pub reason: String,
    /// Its exit code.
    pub exit_code: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The throttled creates by time, in at most 120 slices of the same length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottledOverTime {
    /// The first throttle, where the first slice begins: RFC 3339, UTC, milliseconds.
    pub from: String,
    /// The length of a slice, in milliseconds.
    pub slice_ms: u64,
    /// The throttled creates of each slice.
    pub throttled: Vec<u64>,
    /// What the service granted at the last throttle of each slice, in all Regions together, in creates a second; none
    /// where it is unknown.
    pub granted_per_second: Vec<Option<f64>>,
}

/// The creates of one account and Region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegionLine {
    /// The account, where the rows name accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The Region.
    pub region: String,
    /// Create requests sent.
    pub creates: u64,
    /// Of these, throttled.
    pub throttles: u64,
    /// These as a share of all, from 0 to 1.
    pub throttled_share: f64,
    /// Channels created a second, from the first create to the last; none for a burst of less than a second or fewer
    /// than 20 channels.
    pub achieved_per_second: Option<f64>,
    /// The rate in force at the end.
    pub in_force_per_second: f64,
    /// The ceiling: `--rate`, or what `--quotas` says; none without one, and in logs of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling_per_second: Option<f64>,
    /// What the service granted in the last five seconds; none where it never throttled.
    pub granted_per_second: Option<f64>,
    /// The most hosts that shared the quota by a quota server; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u32>,
}
