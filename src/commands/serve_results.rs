//! The live page of a command that works on the results of a run: `verify` and `rollback`.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::quota_server::QuotaServerConfig;
use super::serve::{LivePage, ServeConfig};
use super::signals::Signalled;
use super::target::{Target, region_names};
use crate::cli::ServeArgs;
use crate::domain::device::AccountRegion;
use crate::engine::StopSignal;
use crate::engine::event::{Listener, Listeners};
use crate::error::Error;
use crate::output::progress::Subject;
use crate::output::stats::Stats;
use crate::output::summary::Summary;

/// What the command is, for its page.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) command: &'static str,
    pub(super) subject: Subject,
    pub(super) results: &'a Path,
}

/// The counts of the command, its listeners, and its page, if one is served.
pub(super) struct ServedResults {
    pub(super) stats: Arc<Stats>,
    pub(super) listeners: Listeners,
    summary: Summary,
    page: Option<LivePage>,
}

impl ServedResults {
    /// Begins to count, and serves the page if one was asked for.
    pub(super) fn start(
        args: &ServeArgs,
        work: Work<'_>,
        signals: (&StopSignal, &Signalled),
    ) -> Result<Self, Error> {
        let stats = Arc::new(Stats::new());
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(&stats) as Arc<dyn Listener>);
        let summary = Summary {
            command: work.command,
            results: Some(work.results.to_owned()),
            started_at: Some(SystemTime::now()),
            ..Summary::default()
        };
        let page = match ServeConfig::of(args) {
            Some(config) => {
                let head = (&summary, Vec::new());
                Some(LivePage::start(
                    &config,
                    work.subject,
                    &stats,
                    head,
                    signals,
                )?)
            }
            None => None,
        };
        if let Some(page) = &page {
            page.listen(&mut listeners);
        }
        Ok(Self {
            stats,
            listeners,
            summary,
            page,
        })
    }

    /// The account and the endpoint are known, and the quota server's address is checked: as it was given, it may have a password.
    pub(super) fn met(
        &mut self,
        target: &Target,
        account_regions: &[AccountRegion],
        quota_server: Option<&QuotaServerConfig>,
    ) {
        self.summary.quota_server = quota_server.map(|server| server.address().to_string());
        self.summary.account = target.account().map(ToString::to_string);
        self.summary.caller = target.caller().map(str::to_owned);
        self.summary.endpoint = target.url().map(str::to_owned);
        self.summary.emulator = target.is_emulator();
        self.summary.regions = region_names(account_regions);
        if let Some(page) = &self.page {
            page.run().note(&self.summary);
            page.say_url();
        }
    }

    /// The work begins towards this total: for so many devices, of which so many have their channel by the results and keep it.
    pub(super) fn begin(&mut self, devices: u64, kept: u64, total: u64) {
        self.summary.plan.listed = devices;
        self.summary.plan.done = kept;
        if let Some(page) = &self.page {
            page.run().begin(&self.summary, Some(total));
        }
    }

    /// Something is not as it should be with this device.
    pub(super) fn found(&self, kind: &str, device_id: &str, message: &str) {
        if let Some(page) = &self.page {
            page.run().found(kind, device_id, message);
        }
    }

    /// What came out, in a sentence.
    pub(super) fn conclude(&mut self, message: String) {
        self.summary.message = Some(message);
    }

    /// Shows how the command ended for as long as the page is to stay. What ended it is printed first.
    pub(super) async fn finish(mut self, ended: Result<u8, Error>) -> Result<u8, Error> {
        let Some(page) = self.page.take() else {
            return ended;
        };
        self.summary.count(&self.stats);
        self.summary.reason = "complete";
        if let Err(error) = &ended {
            self.summary.reason = error.reason();
            self.summary.message = Some(error.to_string());
        }
        let code = super::exit_code(ended);
        self.summary.exit_code = code;
        page.finish(&self.summary).await;
        Ok(code)
    }
}
