//! A plan in numbers, as shown and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::messages::unlisted;
use crate::commands::run_config::RunConfig;
use crate::domain::device::{Device, Region};
use crate::domain::service::Operation;
use crate::engine::{OnExists, Stop};
use crate::fleet::batch::Planned;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{InvalidLine, WorkLists};
use crate::manifest::Manifest;

/// The schema of `plan --json`. Fields may be added without a new one.
const SCHEMA: u32 = 1;
/// US dollars a month for a channel that a device or a viewer connects to in that month (public price list; unused
/// channels cost nothing).
const PRICE: f64 = 0.03;

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
    /// By name.
    pub(super) regions: BTreeMap<String, RegionOutline>,
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
    /// The IAM actions that the run needs.
    pub(super) iam_actions: Vec<&'static str>,
    /// The account, where that was asked.
    pub(super) account: Option<String>,
    /// The caller's ARN, likewise.
    pub(super) caller: Option<String>,
}

/// One Region's part.
#[derive(Debug, Default, Serialize)]
pub(super) struct RegionOutline {
    /// Devices without a channel.
    pub(super) to_do: u64,
    /// Channels that the account may have there.
    pub(super) quota: u64,
    /// Channels that the account has there, where that was asked.
    pub(super) existing: Option<u64>,
    /// Devices to do whose channel exists: they are adopted, likewise.
    pub(super) to_adopt: Option<u64>,
    /// Why the service gives no answer there, likewise.
    pub(super) trouble: Option<String>,
    /// The exit code of a run with that trouble.
    #[serde(skip)]
    exit_code: u8,
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
            regions: regions(config, work),
            iam_actions: iam_actions(config, !tag_keys.is_empty()),
            tag_keys,
            example,
            rate: ceiling.unwrap_or(Operation::Create.quota()),
            seconds: 0.0,
            monthly_usd: Price {
                least: 0.0,
                most: 0.0,
                per_channel: PRICE,
            },
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
        self.regions.values().map(|region| region.to_do).sum()
    }

    /// Notes that a run would be stopped in a Region.
    pub(super) fn trouble(&mut self, region: &Region, cause: &Stop) {
        if let Some(part) = self.regions.get_mut(region.as_str()) {
            part.trouble = Some(cause.to_string());
            part.exit_code = cause.exit_code();
        }
    }

    /// The plan's exit code. Of several troubles, a temporary one decides.
    pub(super) fn exit_code(&self) -> u8 {
        let troubles = self.regions.values().map(|region| region.exit_code);
        let invalid = if self.invalid_rows() > 0 { 3 } else { 0 };
        let all = troubles.chain([invalid]).filter(|code| *code > 0);
        all.min().unwrap_or(0)
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::MAX)
    }

    /// Computes time and price from the channels to create.
    #[expect(clippy::cast_precision_loss, reason = "counts of devices")]
    pub(super) fn estimate(&mut self) {
        let fresh = |region: &RegionOutline| region.to_do - region.to_adopt.unwrap_or(0);
        let most = self.regions.values().map(fresh).max().unwrap_or(0);
        let all: u64 = self.regions.values().map(fresh).sum();
        self.seconds = most as f64 / self.rate;
        // To the cent.
        self.monthly_usd.most = (all as f64 * PRICE * 100.0).round() / 100.0;
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

/// What is to do in each Region.
fn regions(config: &RunConfig, work: WorkLists) -> BTreeMap<String, RegionOutline> {
    let regions = work.into_regions().into_iter().map(|(region, devices)| {
        let quota = config.reconcile.channel_quota(&region);
        let part = RegionOutline {
            to_do: devices.len() as u64,
            quota,
            ..RegionOutline::default()
        };
        (region.to_string(), part)
    });
    regions.collect()
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
