//! The service of the simulation: the emulator's pure state behind simulated latency, faults and scripts, under
//! tokio's clock, with a note of every request. What happens to one on its way is in `sim`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::device::{AccountId, Region};
use crate::emulator;
use crate::emulator::faults::{FaultKind, FaultPlan};
use crate::emulator::shapes::{CreateChannel, DeleteChannel, Request, SingleMaster};
use crate::emulator::state::{Caller, State};
use crate::service::{Failure, FailureKind, Identity, Operation};

/// When every simulation begins, by our clock.
pub(super) const EPOCH: Duration = Duration::from_hours(500_000);

/// A request, as a script sees it.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    /// The channel's name; a listing's prefix.
    pub(super) name: String,
    /// How many requests of this operation there have been for this name, this one included.
    pub(super) nth: u32,
    /// When it was sent, since the simulation began.
    pub(super) at: Duration,
    pub(super) region: Region,
    pub(super) generation: u64,
}

/// What a script does to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// As the emulator's faults do.
    Spoil(FaultKind),
    /// Refused with this HTTP status and code; not applied.
    Refuse(u16, &'static str),
    /// The request cannot be sent.
    NoWay,
}

/// Which requests go wrong, and how.
pub(super) type Script = Arc<dyn Fn(&Ask) -> Option<Act> + Send + Sync>;
/// What fetching credentials after this generation brings.
pub(super) type Reload = Arc<dyn Fn(u64) -> Result<Option<Identity>, Failure> + Send + Sync>;

/// How the simulated service behaves.
#[derive(Clone)]
pub(super) struct Nature {
    pub(super) emulator: emulator::Settings,
    pub(super) script: Script,
    pub(super) reload: Reload,
    /// How long fetching credentials takes.
    pub(super) reload_takes: Duration,
    /// After so long an attempt is given up.
    pub(super) timeout: Duration,
    /// Latencies are between half and one and a half of the emulator's.
    pub(super) jitters: bool,
    /// How far the service's clock is ahead of ours.
    pub(super) ahead: Duration,
}

/// Everything outside the engine.
pub(super) struct World {
    pub(super) nature: Nature,
    origin: Instant,
    core: Mutex<Core>,
}

/// What changes.
pub(super) struct Core {
    pub(super) state: State,
    pub(super) faults: FaultPlan,
    pub(super) random: fastrand::Rng,
    pub(super) asked: Vec<Ask>,
    pub(super) counts: HashMap<(Operation, String), u32>,
    pub(super) flying: HashMap<String, u32>,
    pub(super) in_flight: u32,
    pub(super) peak: u32,
    pub(super) generation: u64,
    pub(super) reloads: u32,
    pub(super) prepared: u64,
    /// The access key that the process began with; each reload brings the next one.
    pub(super) first_key: u64,
}

impl World {
    pub(super) fn new(nature: Nature) -> Arc<Self> {
        let settings = nature.emulator.clone();
        Arc::new(Self {
            origin: Instant::now(),
            core: Mutex::new(Core {
                state: State::new(&settings, "simulation:0"),
                faults: FaultPlan::new(settings.faults, settings.seed),
                random: fastrand::Rng::with_seed(!settings.seed),
                asked: Vec::new(),
                counts: HashMap::new(),
                flying: HashMap::new(),
                in_flight: 0,
                peak: 0,
                generation: 0,
                reloads: 0,
                prepared: 0,
                first_key: 0,
            }),
            nature,
        })
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Our clock.
    pub(super) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + EPOCH + self.elapsed()
    }

    /// The service's clock, since the Unix epoch.
    pub(super) fn service_now(&self) -> Duration {
        EPOCH + self.nature.ahead + self.elapsed()
    }

    /// Another process begins, with credentials of its own.
    pub(super) fn restart(&self) {
        let mut core = self.core();
        core.first_key += core.generation + 1;
        core.generation = 0;
    }

    /// Makes a channel before the run begins, so long ago by the service's clock.
    pub(super) fn premake(&self, region: &Region, name: &str, ago: Duration, ttl: Option<i32>) {
        let request = Request::Create(CreateChannel {
            channel_name: Some(name.to_owned()),
            single_master_configuration: ttl.map(|ttl| SingleMaster {
                message_ttl_seconds: Some(ttl),
            }),
            ..CreateChannel::default()
        });
        let at = self.service_now().checked_sub(ago).unwrap();
        self.prepare(at, region, &request);
    }

    /// Begins to delete a channel.
    pub(super) fn delete(&self, region: &Region, name: &str) {
        let request = Request::Delete(DeleteChannel {
            channel_arn: Some(self.channels(region)[name].clone()),
            current_version: None,
        });
        self.prepare(self.service_now(), region, &request);
    }

    /// Each request with credentials of its own, which nobody else uses up.
    fn prepare(&self, at: Duration, region: &Region, request: &Request) {
        let mut core = self.core();
        core.prepared += 1;
        let caller = caller(region, u64::MAX - core.prepared);
        let done = core.state.answer(at, &caller, request);
        assert!(done.is_ok(), "{done:?}");
    }

    /// The truth: channels and their ARNs by name.
    pub(super) fn channels(&self, region: &Region) -> HashMap<String, String> {
        let now = self.service_now();
        let core = self.core();
        let channels = core.state.channels(region, now);
        channels
            .map(|channel| (channel.name().to_owned(), channel.arn().to_owned()))
            .collect()
    }

    /// Every request so far, in the order in which they were sent.
    pub(super) fn asked(&self) -> Vec<Ask> {
        self.core().asked.clone()
    }

    /// The most requests for devices that were in flight at once.
    pub(super) fn peak(&self) -> usize {
        self.core().peak as usize
    }

    pub(super) fn reloads(&self) -> u32 {
        self.core().reloads
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

pub(super) fn caller(region: &Region, key: u64) -> Caller {
    Caller {
        region: region.clone(),
        access_key: format!("KEY{key}").into(),
    }
}

/// Who the emulator's credentials belong to.
pub(super) fn identity(account: &str) -> Identity {
    Identity {
        account: AccountId::parse(account).unwrap(),
        caller: "caller".into(),
    }
}

/// A failure of this kind, as a source of credentials would report it.
pub(super) fn failure(kind: FailureKind, code: &str) -> Failure {
    Failure {
        kind,
        code: code.into(),
        message: "as scripted".into(),
        foreign: false,
    }
}
