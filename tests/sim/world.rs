//! The simulated service: the emulator's state with simulated latency, faults and scripts, under tokio's clock, and a
//! record of every request. `service` handles a single request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_fleet::domain::device::{AccountId, Region};
use kvs_fleet::domain::service::{Failure, FailureKind, Identity, Operation};
use kvs_fleet::emulator;
use kvs_fleet::emulator::caller::ApiCaller;
use kvs_fleet::emulator::error::ApiError;
use kvs_fleet::emulator::faults::{FaultKind, FaultPlan};
use kvs_fleet::emulator::shapes::{
    ApiRequest, ApiResponse, CreateChannel, DeleteChannel, SingleMaster,
};
use kvs_fleet::emulator::state::ServiceState;
use tokio::time::Instant;

use crate::power::Power;

/// The start of every simulation by this computer's clock.
pub(super) const EPOCH: Duration = Duration::from_hours(500_000);

/// A sent request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) operation: Operation,
    /// The channel's name; the prefix of a listing.
    pub(super) name: String,
    /// The number of requests of this operation for this name, including this one.
    pub(super) nth: u32,
    /// When it was sent, since the start of the simulation.
    pub(super) at: Duration,
    pub(super) region: Region,
    pub(super) generation: u64,
}

/// A script's fault for a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Act {
    /// A fault of the emulator.
    Fault(FaultKind),
    /// Refused with this HTTP status and code; not applied.
    Refuse(u16, &'static str),
    /// The request cannot be sent.
    NoWay,
    /// There is no answer, and the service applies the request this long after it was sent.
    Late(Duration),
}

/// The faults of requests.
pub(super) type Script = Arc<dyn Fn(&Ask) -> Option<Act> + Send + Sync>;
/// The result of fetching credentials after this generation.
pub(super) type Reload = Arc<dyn Fn(u64) -> Result<Option<Identity>, Failure> + Send + Sync>;

/// The parameters of the simulated service.
#[derive(Clone)]
pub(super) struct WorldSettings {
    pub(super) emulator: emulator::EmulatorSettings,
    pub(super) script: Script,
    pub(super) reload: Reload,
    /// How long fetching credentials takes.
    pub(super) reload_takes: Duration,
    /// The timeout of an attempt.
    pub(super) timeout: Duration,
    /// Latencies vary between half and one and a half of the emulator's.
    pub(super) jitters: bool,
    /// How far the service's clock is ahead.
    pub(super) ahead: Duration,
    /// How long a new channel is invisible to Describe and List.
    pub(super) hidden_for: Duration,
}

/// A created channel.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) arn: String,
    pub(super) name: String,
    /// The process that sent the create.
    pub(super) process: u64,
    /// Whether it was created after the process's attempt had timed out.
    pub(super) is_late: bool,
}

/// A create that a slow service has not yet applied.
#[derive(Debug)]
pub(super) struct Late {
    /// Since the start of the simulation.
    due: Duration,
    process: u64,
    caller: ApiCaller,
    request: ApiRequest,
}

/// Everything outside the engine.
pub(super) struct World {
    pub(super) settings: WorldSettings,
    /// The age of the simulation at this instant.
    origin: Mutex<(Duration, Instant)>,
    core: Mutex<Core>,
}

/// The mutable state.
pub(super) struct Core {
    pub(super) state: ServiceState,
    pub(super) faults: FaultPlan,
    pub(super) random: fastrand::Rng,
    pub(super) asked: Vec<Ask>,
    pub(super) counts: HashMap<(Operation, String), u32>,
    pub(super) by_device: HashMap<String, u32>,
    pub(super) in_flight: u32,
    pub(super) peak: u32,
    pub(super) generation: u64,
    pub(super) reloads: u32,
    pub(super) prepared: u64,
    /// The access key with which the process began; each reload uses the next one.
    pub(super) first_key: u64,
    /// The number of earlier processes.
    pub(super) process: u64,
    /// Channels in the order of their creation.
    pub(super) made: Vec<Made>,
    pub(super) late: Vec<Late>,
    /// Whether all faults are off.
    pub(super) is_calm: bool,
    /// The power of this process, if it may be killed.
    pub(super) power: Option<Arc<Power>>,
}

impl Core {
    /// The service handles a request.
    pub(super) fn answer(
        &mut self,
        now: Duration,
        caller: &ApiCaller,
        request: &ApiRequest,
        from: (u64, bool),
    ) -> Result<ApiResponse, ApiError> {
        let answer = self.state.answer(now, caller, request);
        if let (ApiRequest::Create(create), Ok(ApiResponse::Create(arn))) = (request, &answer) {
            self.made.push(Made {
                arn: arn.to_string(),
                name: create.channel_name.clone().unwrap_or_default(),
                process: from.0,
                is_late: from.1,
            });
        }
        answer
    }
}

impl World {
    pub(super) fn new(settings: WorldSettings) -> Arc<Self> {
        let emulator = settings.emulator.clone();
        Arc::new(Self {
            origin: Mutex::new((Duration::ZERO, Instant::now())),
            core: Mutex::new(Core {
                state: ServiceState::new(&emulator, "simulation:0"),
                faults: FaultPlan::new(emulator.faults, emulator.seed),
                random: fastrand::Rng::with_seed(!emulator.seed),
                asked: Vec::new(),
                counts: HashMap::new(),
                by_device: HashMap::new(),
                in_flight: 0,
                peak: 0,
                generation: 0,
                reloads: 0,
                prepared: 0,
                first_key: 0,
                process: 0,
                made: Vec::new(),
                late: Vec::new(),
                is_calm: false,
                power: None,
            }),
            settings,
        })
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn elapsed(&self) -> Duration {
        let (age, then) = *self.origin.lock().unwrap();
        age + then.elapsed()
    }

    /// Continues at this age on the clock of another runtime.
    pub(super) fn resume(&self, age: Duration) {
        *self.origin.lock().unwrap() = (age, Instant::now());
    }

    /// Schedules a create.
    pub(super) fn postpone(&self, by: Duration, caller: ApiCaller, request: ApiRequest) {
        let due = self.elapsed() + by;
        let mut core = self.core();
        let process = core.process;
        core.late.push(Late {
            due,
            process,
            caller,
            request,
        });
    }

    /// Applies the creates that are due.
    pub(super) fn catch_up(&self) {
        let now = self.elapsed();
        let mut core = self.core();
        while let Some((at, _)) = (core.late.iter().enumerate())
            .filter(|(_, late)| late.due <= now)
            .min_by_key(|(at, late)| (late.due, *at))
        {
            let late = core.late.remove(at);
            let due = EPOCH + self.settings.ahead + late.due;
            // No client waits for the answer.
            let _unheard = core.answer(due, &late.caller, &late.request, (late.process, true));
        }
    }

    /// This computer's clock.
    pub(super) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + EPOCH + self.elapsed()
    }

    /// The service's clock, since the Unix epoch.
    pub(super) fn service_now(&self) -> Duration {
        EPOCH + self.settings.ahead + self.elapsed()
    }

    /// Another process begins, with new credentials.
    pub(super) fn restart(&self) {
        let mut core = self.core();
        core.first_key += core.generation + 1;
        core.generation = 0;
        core.process += 1;
    }

    /// Creates a channel before the run, this long ago by the service's clock.
    pub(super) fn premake(&self, region: &Region, name: &str, ago: Duration, ttl: Option<i32>) {
        let request = ApiRequest::Create(CreateChannel {
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
        let request = ApiRequest::Delete(DeleteChannel {
            channel_arn: Some(self.channels(region)[name].clone()),
            current_version: None,
        });
        self.prepare(self.service_now(), region, &request);
    }

    /// The caller of the test's own requests, with credentials that no other request uses up.
    fn prepare(&self, at: Duration, region: &Region, request: &ApiRequest) {
        let mut core = self.core();
        core.prepared += 1;
        let caller = caller(region, u64::MAX - core.prepared);
        let done = core.state.answer(at, &caller, request);
        assert!(done.is_ok(), "{done:?}");
    }

    /// The existing channels and their ARNs by name.
    pub(super) fn channels(&self, region: &Region) -> HashMap<String, String> {
        self.catch_up();
        let now = self.service_now();
        let account = AccountId::parse(AccountId::EMULATOR).unwrap();
        let core = self.core();
        let channels = core.state.channels(&account, region, now);
        channels
            .map(|channel| (channel.name.to_string(), channel.arn.to_string()))
            .collect()
    }

    /// A point at which the process may be killed: then this never returns.
    pub(super) async fn reach(&self) {
        let power = self.core().power.clone();
        if power.is_some_and(|power| power.reach()) {
            std::future::pending::<()>().await;
        }
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

pub(super) fn caller(region: &Region, key: u64) -> ApiCaller {
    ApiCaller::new(region.clone(), format!("KEY{key}"))
}

/// The identity of the emulator's credentials.
pub(super) fn identity(account: &str) -> Identity {
    Identity {
        account: AccountId::parse(account).unwrap(),
        caller: "caller".into(),
    }
}

/// A failure of this kind, as a source of credentials would return it.
pub(super) fn failure(kind: FailureKind, code: &str) -> Failure {
    Failure {
        kind,
        code: code.into(),
        message: "as scripted".into(),
        foreign: false,
    }
}
