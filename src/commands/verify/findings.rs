//! The result of a verification, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use super::asking::{Answers, Usable};
use super::claims::Claims;
use crate::cli::VerifyArgs;
use crate::commands::serve_results::ServedResults;
use crate::commands::target::Target;
use crate::domain::device::{AccountId, shown, visible};
use crate::domain::format;
use crate::fleet::claim::{Difference, Kind};
use crate::results::record::timestamp;

/// The schema of `verify --json`. Fields may be added without a new one.
const SCHEMA: u32 = 1;

/// What was compared, and what differs.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    schema: u32,
    version: &'static str,
    started_at: String,
    finished_at: String,
    results: String,
    results_sha256: String,
    manifest: Option<String>,
    account: Option<String>,
    caller: Option<String>,
    /// None if it is the AWS endpoint of each Region.
    endpoint: Option<String>,
    /// Whether tags were compared.
    tags: bool,
    /// Channels that the results claim.
    claimed: u64,
    /// Of these, without a difference.
    verified: u64,
    /// Devices without a channel in the results, by status.
    not_asked: BTreeMap<&'static str, u64>,
    pub(super) differences: Vec<Difference>,
    /// What cameras connect to, if it was requested.
    pub(super) usable: Vec<Usable>,
}

impl Findings {
    pub(super) fn new(claims: &Claims, args: &VerifyArgs, started_at: SystemTime) -> Self {
        let claimed = claims.rows.len() as u64;
        let manifest = args.compare.manifest.as_ref();
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            started_at: timestamp(started_at),
            finished_at: timestamp(SystemTime::now()),
            results: args.results.display().to_string(),
            results_sha256: claims.sha256.clone(),
            manifest: manifest.map(|path| path.display().to_string()),
            account: None,
            caller: None,
            endpoint: None,
            tags: args.compare.tags,
            claimed,
            verified: claimed,
            not_asked: claims.others.clone(),
            differences: Vec::new(),
            usable: Vec::new(),
        }
    }

    /// Adds what was found at the service.
    pub(super) fn conclude(&mut self, found: Answers, target: &Target, account: Option<AccountId>) {
        let differences = found.differences.iter();
        let mut devices: Vec<&str> = differences.map(|found| &*found.device_id).collect();
        devices.dedup();
        self.verified = self.claimed - (devices.len() as u64).min(self.claimed);
        self.differences = found.differences;
        self.usable = found.usable;
        self.finished_at = timestamp(SystemTime::now());
        self.account = account.map(|account| account.to_string());
        self.caller = target.caller().map(str::to_owned);
        self.endpoint = target.url().map(str::to_owned);
    }
}

impl Findings {
    /// Shows what was found on the live page.
    pub(super) fn show(&self, served: &mut ServedResults) {
        for found in &self.differences {
            let message = format!("expected {}; found {}", found.expected, found.found);
            served.found(found.kind.label(), &found.device_id, &message);
        }
        served.conclude(self.conclusion());
    }

    fn conclusion(&self) -> String {
        let claimed = format::count(self.claimed, "channel");
        format!("{} of {claimed} as the results say", self.verified)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.differences {
            let (device, label) = (shown(&found.device_id), found.kind.label());
            writeln!(f, "{device} in {}: {label}", found.region)?;
            let (expected, is) = match found.kind {
                Kind::Missing | Kind::MadeAgain => ("by the results  ", "at the service  "),
                Kind::Unverified => ("by the results  ", "not known       "),
                _ => ("expected        ", "found           "),
            };
            writeln!(f, "  {expected}{}", visible(&found.expected))?;
            writeln!(f, "  {is}{}", visible(&found.found))?;
        }
        writeln!(f, "{}", self.conclusion())?;
        if !self.usable.is_empty() {
            let usable = format::count(self.usable.len() as u64, "channel");
            writeln!(
                f,
                "{usable} with endpoints to connect to (--json names them)"
            )?;
        }
        for (status, many) in &self.not_asked {
            writeln!(
                f,
                "{} {status}: no channel to ask for",
                format::count(*many, "row")
            )?;
        }
        Ok(())
    }
}
