//! One process: the steps of `provision` on the simulated disk and the simulated service, wired together by the
//! library.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::AccountRegion;
use kvs_fleet::engine::event::{Event, Listener, Listeners};
use kvs_fleet::engine::{EngineSettings, StopSignal};
use kvs_fleet::error::Error;
use kvs_fleet::fleet::batch::{self, Batch, History, Parts, RowStream};
use kvs_fleet::fleet::plan::{OwnAccount, Rules};
use kvs_fleet::manifest::{Manifest, Options};
use kvs_fleet::results::record::Row;
use kvs_fleet::results::runs_line::{End, RunsLine, Start};
use kvs_fleet::results::runs_log::{RunsLog, RunsLogError};

use super::audit::{Audit, KillOnRow};
use super::scenario::Process;
use crate::disk::TestDisk;
use crate::engine::rig::region;
use crate::power::Power;
use crate::service::Sim;

/// The reader of the rows, which may slow the run down.
#[derive(Debug)]
struct Reader {
    takes: Duration,
    power: Arc<Power>,
}

impl RowStream for Reader {
    async fn put(&self, rows: &[Row]) {
        for _ in rows {
            tokio::time::sleep(self.takes).await;
            if self.power.reach() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The environment of a process.
pub(super) struct ProcessRun<'a> {
    pub(super) audit: &'a Arc<Audit>,
    pub(super) disk: &'a TestDisk,
    pub(super) results: &'a Path,
    pub(super) manifest: String,
    pub(super) settings: EngineSettings,
    pub(super) power: Arc<Power>,
    pub(super) stop: StopSignal,
}

/// How a process ended that was not killed.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing to do.
    Idle,
    /// Interrupted before the first write.
    Unbegun,
    /// Finished or stopped; the second result is that of the finished file.
    Worked(Result<(), Error>, Result<(), Error>),
}

impl ProcessRun<'_> {
    /// Runs the process. An error is a refusal before the first write.
    pub(super) async fn run(&self, process: &Process) -> Result<Ended, Error> {
        let (mut log, history) = batch::open(self.disk, self.results)?;
        let second = RunsLog::lock(self.disk, self.results);
        assert!(
            matches!(
                second,
                Err(RunsLogError::Held { .. } | RunsLogError::Io { .. })
            ),
            "two processes on one file"
        );
        let History {
            journal,
            mut known_devices,
            ..
        } = history;
        let options = Options {
            region: Some(region(super::test_manifest::REGIONS[0])),
            ..Options::default()
        };
        let text = self.manifest.clone().into_bytes();
        let manifest = Manifest::from_text("sheet.csv".into(), text, &options)?;
        let planned = batch::plan(
            &manifest,
            &mut known_devices,
            Rules::default(),
            OwnAccount::Only,
        )?;
        if planned.work.is_empty() {
            batch::tidy(journal, &known_devices, &planned.invalid)?;
            for line in &planned.invalid {
                let row = line.row();
                self.audit.tell(&Event::Recorded { row: &row });
            }
            return Ok(Ended::Idle);
        }
        let parts = self.parts(process);
        let mut batch = Batch::new(self.disk, self.results, journal, known_devices, parts);
        let service = |account_region: &AccountRegion| {
            Ok(Sim {
                world: Arc::clone(&self.audit.world),
                region: account_region.region.clone(),
            })
        };
        let rate = self.settings.rate;
        batch.add_regions(planned.work.into_regions(), service, |_| rate);
        if process.reconciles {
            batch.engine.list_existing().await;
            if self.stop.is_given() {
                return Ok(Ended::Unbegun);
            }
            tokio::time::sleep(process.pause).await;
        }
        batch.prepare()?;
        let start = RunsLine::Start(Box::<Start>::default());
        let logged = log.append([start]);
        logged.map_err(|error| Error::refused("results", error.to_string()))?;
        let (engine, running) = batch.start();
        running.record_invalid(&planned.invalid).await;
        let stop = engine.run(None, process.reconciles).await;
        let closed = running.close().await?;
        for line in closed.unsaved() {
            self.audit.note(format_args!("{line}"));
        }
        let kept = closed.finish();
        let end = RunsLine::End(Box::<End>::default());
        if let Err(error) = log.append([end]) {
            self.audit.note(format_args!("{error}"));
        }
        Ok(Ended::Worked(
            stop.map_or(Ok(()), |stop| Err(stop.into())),
            kept,
        ))
    }

    fn parts(&self, process: &Process) -> Parts<Reader> {
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(self.audit) as Arc<dyn Listener>);
        listeners.add(Arc::new(KillOnRow(Arc::clone(&self.power))));
        let world = Arc::clone(&self.audit.world);
        Parts {
            settings: self.settings.clone(),
            listeners,
            stop: self.stop.clone(),
            clock: WallClock::new(move || world.wall()),
            quota_client: None,
            row_stream: Some(Arc::new(Reader {
                takes: process.reader_takes,
                power: Arc::clone(&self.power),
            })),
        }
    }
}
