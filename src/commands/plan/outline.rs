//! A plan in numbers, as shown and as JSON.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::parts::{self, AccountPart, Part, Parts};
use crate::commands::messages::unlisted;
use crate::commands::run_config::RunConfig;
use crate::domain::device::{AccountRegion, Device};
use crate::domain::service::Operation;
use crate::engine::{OnExists, Stop};
use crate::fleet::batch::Planned;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::InvalidLine;
use crate::manifest::Manifest;

/// The schema of `plan --json`. Fields may be added without a new one.
const SCHEMA: u32 = 1;
/// What a run would do.
#[derive(Debug, Serialize)]
pub(super) struct Outline {
    schema: u32,
    version: &'static str,
    pub(super) manifest: String,
    pub(super) manifest_sha256: String,
    pub(super) results: String,
    /// The shard, where only a part of the devices is attempted: all counts are of its devices.
    pub(super) shard: Option<String>,
    /// Devices of other shards.
    pub(super) other_shards: u64,
    /// Invalid rows of other shards.
    #[serde(skip)]
    pub(super) invalid_elsewhere: u64,
    /// Devices listed, each once, invalid rows not among them.
    pub(super) listed: u64,
    /// Devices that have their channel by the results.
    pub(super) done: u64,
    /// Devices that were never attempted, those that `--limit` leaves out not among them.
    pub(super) to_create: u64,
    /// Devices that failed before and are tried again, likewise.
    pub(super) to_try_again: u64,
    /// Devices that `--limit` leaves to another run.
    pub(super) behind_limit: u64,
    /// Devices whose channel a rollback deleted, and that stay deleted.
    pub(super) deleted: u64,
    /// Finished devices that now ask for another TTL or other tags; null where the runs log does not tell.
    pub(super) changed: Option<u64>,
    /// Devices in the results of which the manifest has no valid row.
    pub(super) unlisted: u64,
    /// Lines that repeat another exactly.
    pub(super) repeated_lines: u64,
    pub(super) invalid: Vec<InvalidLine>,
    #[serde(rename = "regions", serialize_with = "parts::by_region")]
    pub(super) parts: Parts,
    /// The accounts that the rows name, where they do.
    pub(super) accounts: Vec<AccountPart>,
    /// The keys of the tags that channels may get.
    pub(super) tag_keys: Vec<String>,
    /// The first request, as it would be sent.
    pub(super) example: Option<Example>,
    /// The most creates a second in each Region.
    pub(super) rate: f64,
    /// How long the creates take at that rate, in seconds; Regions go side by side.
    pub(super) seconds: f64,
    /// What the new channels cost a month.
    pub(super) monthly_usd: Price,
    /// The quota server's address, where one is used: then hosts share the rate.
    pub(super) quota_server: Option<String>,
    /// The IAM actions that the run needs.
    pub(super) iam_actions: Vec<&'static str>,
    /// The account, where that was asked.
    pub(super) account: Option<String>,
    /// The caller's ARN, likewise.
    pub(super) caller: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Example {
    pub(super) device_id: String,
    pub(super) region: String,
    /// The body of `CreateSignalingChannel`.
    pub(super) body: Value,
}

/// A price range.
#[derive(Debug, Serialize)]
pub(super) struct Price {
    /// No channel is used in the month.
    pub(super) least: f64,
    /// Every channel is.
    pub(super) most: f64,
    /// For a channel.
    pub(super) per_channel: f64,
}

impl Outline {
    /// `ask_alike` tells whether all runs of the results, and the one that is planned, ask for the same.
    pub(super) fn new(
        config: &RunConfig,
        manifest: &Manifest,
        known_devices: &KnownDevices,
        planned: Planned,
        ask_alike: Option<bool>,
    ) -> Self {
        let Planned {
            counts,
            work,
            invalid,
            ..
        } = planned;
        let (fresh, again) = work.sizes();
        let behind_limit = (counts.fresh + counts.again).saturating_sub(fresh + again);
        let example = work.iter().next().map(|(_, device)| Example::new(device));
        let tag_keys: Vec<String> = manifest.layout().tag_keys().map(str::to_owned).collect();
        let ceiling = config.engine.rate.ceiling;
        let mut outline = Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            manifest: config.files.manifest().display().to_string(),
            manifest_sha256: manifest.sha256().to_owned(),
            results: config.files.results.display().to_string(),
            shard: config.rules.plan.shard.map(|shard| shard.to_string()),
            other_shards: counts.listed_elsewhere,
            invalid_elsewhere: counts.invalid_elsewhere,
            listed: counts.listed,
            done: counts.done,
            to_create: fresh,
            to_try_again: again,
            behind_limit,
            deleted: counts.deleted,
            changed: (counts.done == 0 || ask_alike == Some(true)).then_some(0),
            unlisted: unlisted(known_devices),
            repeated_lines: counts.repeated,
            invalid,
            parts: parts::of(config, work),
            accounts: Vec::new(),
            iam_actions: iam_actions(config, !tag_keys.is_empty()),
            tag_keys,
            example,
            rate: ceiling.unwrap_or(Operation::Create.quota()),
            seconds: 0.0,
            monthly_usd: Price {
                least: 0.0,
                most: 0.0,
                per_channel: parts::PRICE,
            },
            quota_server: config.quota_server_address(),
            account: None,
            caller: None,
        };
        outline.estimate();
        outline
    }

    pub(super) fn invalid_rows(&self) -> u64 {
        self.invalid.len() as u64
    }

    /// Devices that are to do, in all Regions.
    pub(super) fn to_do(&self) -> u64 {
        self.parts.values().map(|part| part.to_do).sum()
    }

    /// Notes that a run would be stopped there.
    pub(super) fn trouble(&mut self, account_region: &AccountRegion, cause: &Stop) {
        if let Some(part) = self.parts.get_mut(account_region) {
            part.set_trouble(cause);
        }
    }

    /// The plan's exit code. Of several troubles, a temporary one decides.
    pub(super) fn exit_code(&self) -> u8 {
        let troubles = self.parts.values().map(|part| part.exit_code);
        let invalid = if self.invalid_rows() > 0 { 3 } else { 0 };
        let all = troubles.chain([invalid]).filter(|code| *code > 0);
        all.min().unwrap_or(0)
    }

    pub(super) fn duration(&self) -> Duration {
        parts::duration(self.seconds)
    }

    /// Computes time and price from the channels to create.
    pub(super) fn estimate(&mut self) {
        let parts = &self.parts;
        self.seconds = parts::longest(parts.values());
        self.monthly_usd.most = parts::price(parts.values().map(Part::fresh).sum());
        self.accounts = parts::accounts(parts);
    }
}

impl Example {
    fn new(device: &Device) -> Self {
        let mut body = json!({
            "ChannelName": device.channel_name.as_str(),
            "ChannelType": "SINGLE_MASTER",
        });
        if let Some(ttl) = device.message_ttl {
            body["SingleMasterConfiguration"] = json!({ "MessageTtlSeconds": ttl.as_secs() });
        }
        if !device.tags.is_empty() {
            let tags = device
                .tags
                .iter()
                .map(|tag| json!({ "Key": tag.key(), "Value": tag.value() }));
            body["Tags"] = tags.collect();
        }
        Self {
            device_id: device.id.to_string(),
            region: device.region.to_string(),
            body,
        }
    }
}

/// The IAM actions that a run needs.
fn iam_actions(config: &RunConfig, has_tags: bool) -> Vec<&'static str> {
    let on_exists = config.engine.on_exists;
    let mut actions = vec![
        "kinesisvideo:CreateSignalingChannel",
        "kinesisvideo:DescribeSignalingChannel",
    ];
    if config.reconcile.list {
        actions.push("kinesisvideo:ListSignalingChannels");
    }
    let is_to_update = on_exists == OnExists::Update;
    if has_tags {
        actions.push("kinesisvideo:TagResource");
    }
    if has_tags && (is_to_update || on_exists == OnExists::Verify) {
        actions.push("kinesisvideo:ListTagsForResource");
    }
    if is_to_update {
        actions.push("kinesisvideo:UpdateSignalingChannel");
    }
    if has_tags && is_to_update {
        actions.push("kinesisvideo:UntagResource");
    }
    actions
}
