//! `--recheck`: finds the channels that the results claim and the service no longer has, before the plan is made, so that
//! their devices are attempted again.

use std::sync::Arc;

use tracing::{info, warn};

use super::Run;
use super::prepare::Ready;
use crate::commands::verify::{Claims, Questions, ask_all};
use crate::domain::clock::WallClock;
use crate::domain::device::{Region, shown};
use crate::domain::format;
use crate::engine::event::Listeners;
use crate::engine::{Caller, Parts, Stop};
use crate::error::Error;
use crate::fleet::claim::Kind;

/// Channels that are named; the results name all.
const NAMED: usize = 10;

impl Run {
    /// Asks for every channel that the results claim, and forgets those that are gone. A Region that gives no answer is
    /// why the run cannot be complete, whatever else it does.
    pub(super) async fn recheck(&mut self, ready: &mut Ready) -> Result<(), Error> {
        if ready.known_devices.is_empty() {
            return Ok(());
        }
        let claims = Claims::read(&self.config.files.results)?;
        let regions: Vec<Region> = claims.regions();
        if regions.is_empty() {
            return Ok(());
        }
        self.meet(ready, regions).await?;
        let claimed = format::count(claims.rows.len() as u64, "channel");
        let mut caller = Caller::new(Parts {
            settings: self.config.engine(ready.expected.clone()),
            sink: Arc::new(()),
            listeners: Listeners::default(),
            stop: self.stop.clone(),
            clock: WallClock::system(),
        });
        let questions = Questions {
            workers: self.config.engine.workers,
            ..Questions::default()
        };
        let found = ask_all(questions, &ready.target, &mut caller, claims.rows).await;
        let Some(found) = found.filter(|_| caller.stopped().is_none()) else {
            return Err(match caller.stopped() {
                Some(stop @ Stop::WrongAccount { .. }) => {
                    Error::refused("wrong-account", stop.to_string())
                }
                Some(stop) => stop.into(),
                None => Stop::Internal("asking ended without a word".to_owned()).into(),
            });
        };
        ready.rechecked = caller.end().map_or(Ok(()), |stop| Err(stop.into()));
        let is_gone = |kind| matches!(kind, Kind::Missing | Kind::MadeAgain);
        let (gone, others): (Vec<_>, Vec<_>) = found
            .differences
            .into_iter()
            .partition(|difference| is_gone(difference.kind));
        let unverified = others.iter().filter(|other| other.kind == Kind::Unverified);
        for difference in unverified.take(NAMED) {
            let device = shown(&difference.device_id);
            warn!(
                "the channel of {device} could not be asked for: {}",
                difference.found
            );
        }
        for difference in &gone {
            if let Some(index) = ready.known_devices.find(&difference.device_id) {
                ready.known_devices.lose(index);
            }
        }
        info!("--recheck: {} of {claimed} no longer there", gone.len());
        for difference in gone.iter().take(NAMED) {
            info!("  {} {}", shown(&difference.device_id), difference.expected);
        }
        Ok(())
    }
}
