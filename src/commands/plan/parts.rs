//! What a plan has to do in each account and Region, and how long that takes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::commands::run_config::RunConfig;
use crate::domain::device::{AccountId, AccountRegion};
use crate::domain::service::Operation;
use crate::engine::Stop;
use crate::fleet::plan::WorkLists;

/// US dollars a month for a channel that a device or a viewer connects to in that month (public price list; unused
/// channels cost nothing).
pub(super) const PRICE: f64 = 0.03;

/// The parts of a plan.
pub(super) type Parts = BTreeMap<AccountRegion, Part>;

/// What is to do in one account and Region.
#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Part {
    /// Devices without a channel.
    pub(super) to_do: u64,
    /// Channels that the account may have there.
    pub(super) quota: u64,
    /// The most creates a second.
    pub(super) rate: f64,
    /// Channels that the account has there, where that was asked.
    pub(super) existing: Option<u64>,
    /// Devices to do whose channel exists: they are adopted, likewise.
    pub(super) to_adopt: Option<u64>,
    /// Why the service gives no answer there, likewise.
    pub(super) trouble: Option<String>,
    /// The exit code of a run with that trouble.
    #[serde(skip)]
    pub(super) exit_code: u8,
}

/// What is to do in one account.
#[derive(Debug, Serialize)]
pub(super) struct AccountPart {
    /// None for rows that name none, where the account of the run's own credentials was not asked.
    pub(super) account: Option<String>,
    /// Devices without a channel.
    pub(super) to_do: u64,
    pub(super) regions: Vec<String>,
    /// How long the creates take, in seconds; Regions go side by side.
    pub(super) seconds: f64,
    /// What the new channels cost a month if every one is used.
    pub(super) monthly_usd_most: f64,
    /// Why one of its Regions cannot be worked in, where that was asked.
    pub(super) trouble: Option<String>,
    /// Each of its Regions.
    pub(super) parts: Vec<RegionPart>,
}

/// What is to do in one Region of an account.
#[derive(Debug, Serialize)]
pub(super) struct RegionPart {
    pub(super) region: String,
    #[serde(flatten)]
    pub(super) part: Part,
}

impl Part {
    fn new(config: &RunConfig, account_region: &AccountRegion, to_do: u64) -> Self {
        let ceiling = config.rate(account_region, None).ceiling;
        Self {
            to_do,
            quota: config.channel_quota(account_region, None),
            rate: ceiling.unwrap_or(Operation::Create.quota()),
            ..Self::default()
        }
    }

    /// Notes that a run would be stopped there.
    pub(super) fn set_trouble(&mut self, cause: &Stop) {
        self.trouble = Some(cause.to_string());
        self.exit_code = cause.exit_code();
    }

    /// Channels to create.
    pub(super) fn fresh(&self) -> u64 {
        self.to_do - self.to_adopt.unwrap_or(0)
    }

    /// Channels that will be there.
    pub(super) fn then(&self) -> u64 {
        self.existing.unwrap_or(0) + self.fresh()
    }

    /// Whether these are more than the account may have.
    pub(super) fn is_over(&self) -> bool {
        self.then() > self.quota
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of devices")]
    pub(super) fn seconds(&self) -> f64 {
        self.fresh() as f64 / self.rate
    }

    /// Adds the same Region of another account.
    fn add(&mut self, other: &Self) {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        self.to_do += other.to_do;
        self.quota = self.quota.max(other.quota);
        self.rate += other.rate;
        self.existing = sum(self.existing, other.existing);
        self.to_adopt = sum(self.to_adopt, other.to_adopt);
        self.trouble = self.trouble.take().or_else(|| other.trouble.clone());
    }
}

/// The parts of this work.
pub(super) fn of(config: &RunConfig, work: WorkLists) -> Parts {
    let parts = work.into_regions().into_iter();
    parts
        .map(|(account_region, devices)| {
            let part = Part::new(config, &account_region, devices.len() as u64);
            (account_region, part)
        })
        .collect()
}

/// The accounts, if rows name accounts.
pub(super) fn accounts(parts: &Parts) -> Vec<AccountPart> {
    let mut accounts: BTreeMap<Option<&AccountId>, Vec<RegionPart>> = BTreeMap::new();
    for (account_region, part) in parts {
        let account = account_region.account.as_ref();
        accounts.entry(account).or_default().push(RegionPart {
            region: account_region.region.to_string(),
            part: part.clone(),
        });
    }
    if accounts.keys().all(Option::is_none) {
        return Vec::new();
    }
    let account = |(account, parts): (Option<&AccountId>, Vec<RegionPart>)| {
        let of_each = |number: fn(&Part) -> u64| parts.iter().map(|of| number(&of.part)).sum();
        AccountPart {
            account: account.map(AccountId::to_string),
            to_do: of_each(|part| part.to_do),
            regions: parts.iter().map(|of| of.region.clone()).collect(),
            seconds: longest(parts.iter().map(|of| &of.part)),
            monthly_usd_most: price(of_each(Part::fresh)),
            trouble: parts.iter().find_map(|of| of.part.trouble.clone()),
            parts,
        }
    };
    accounts.into_iter().map(account).collect()
}

/// How long the slowest of these takes, in seconds: all go side by side.
pub(super) fn longest<'a>(parts: impl Iterator<Item = &'a Part>) -> f64 {
    parts.map(Part::seconds).fold(0.0, f64::max)
}

/// What so many channels cost a month, to the cent.
#[expect(clippy::cast_precision_loss, reason = "counts of devices")]
pub(super) fn price(channels: u64) -> f64 {
    (channels as f64 * PRICE * 100.0).round() / 100.0
}

pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// The Regions by name; where several accounts have one, their sum.
pub(super) fn by_region<S: Serializer>(parts: &Parts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut regions: BTreeMap<&str, Part> = BTreeMap::new();
    for (account_region, part) in parts {
        let region = account_region.region.as_str();
        match regions.get_mut(region) {
            Some(sum) => sum.add(part),
            None => {
                regions.insert(region, part.clone());
            }
        }
    }
    regions.serialize(serializer)
}
