//! The live page of a command: started before the run, ended after it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::signals::Signalled;
use crate::cli::ServeArgs;
use crate::domain::format;
use crate::engine::StopSignal;
use crate::engine::event::Listeners;
use crate::error::Error;
use crate::live::run::{LiveRun, Setting};
use crate::live::server::{LiveServer, ServeSettings};
use crate::output::progress::Subject;
use crate::output::stats::Stats;
use crate::output::summary::Summary;

/// Where the page is served, and for how long.
#[derive(Debug, Clone)]
pub(super) struct ServeConfig {
    settings: ServeSettings,
    linger: Duration,
}

impl ServeConfig {
    /// None without `--serve`.
    pub(super) fn of(args: &ServeArgs) -> Option<Self> {
        let Some(address) = args.serve.clone() else {
            if !args.serve_linger.is_zero() {
                warn!("--serve-linger has no effect without --serve ADDRESS");
            }
            return None;
        };
        let settings = ServeSettings {
            address,
            allow_remote: args.allow_remote,
        };
        Some(Self {
            settings,
            linger: args.serve_linger,
        })
    }
}

/// The page of a run.
#[derive(Debug)]
pub(super) struct LivePage {
    run: Arc<LiveRun>,
    server: LiveServer,
    linger: Duration,
    signalled: Signalled,
}

impl LivePage {
    /// Serves the page of a run that begins now. `summary` has what is known of it.
    pub(super) fn start(
        config: &ServeConfig,
        subject: Subject,
        stats: &Arc<Stats>,
        head: (&Summary, Vec<Setting>),
        (stop, signalled): (&StopSignal, &Signalled),
    ) -> Result<Self, Error> {
        let (summary, settings) = head;
        let run = LiveRun::new(subject, Arc::clone(stats), summary.clone(), settings);
        let run = Arc::new(run);
        let server = LiveServer::start(&config.settings, Arc::clone(&run));
        let server = server.map_err(|error| Error::refused("serve", error.to_string()))?;
        let (stop, stopping) = (stop.clone(), Arc::downgrade(&run));
        tokio::spawn(async move {
            let cause = stop.ended().await;
            if let Some(run) = stopping.upgrade() {
                run.stopping(&cause.to_string());
            }
        });
        Ok(Self {
            run,
            server,
            linger: config.linger,
            signalled: signalled.clone(),
        })
    }

    /// From now on these events are shown.
    pub(super) fn listen(&self, listeners: &mut Listeners) {
        listeners.add(self.run.listener());
    }

    /// Prints the URL. After the first line of the run, which names account and endpoint.
    pub(super) fn say_url(&self) {
        info!("live page: {}", self.server.url());
    }

    /// The run that it shows.
    pub(super) fn run(&self) -> &LiveRun {
        &self.run
    }

    /// Shows how the run ended, for as long as the page is to stay, and ends. A signal ends the wait.
    pub(super) async fn finish(mut self, summary: &Summary) {
        self.run.end(summary);
        self.signalled.has_ended(summary.exit_code);
        // A run that was refused has no result to look at.
        let is_refused = summary.exit_code == 2;
        if !self.linger.is_zero() && !is_refused && !self.signalled.has_come() {
            let left = format::ahead(self.linger);
            info!(
                "the live page stays for {left}, or until Ctrl-C: {}",
                self.server.url()
            );
            let _signal = tokio::time::timeout(self.linger, self.signalled.wait()).await;
        }
        self.server.close().await;
    }
}
