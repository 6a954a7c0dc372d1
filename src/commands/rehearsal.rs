//! A rehearsal: the emulator in this process, and the file that keeps its channels from one command to the next.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::info;

use super::asking::seed;
use super::batch_files::check_outputs;
use super::wait;
use crate::cli::RehearsalArgs;
use crate::emulator::snapshot::Snapshot;
use crate::emulator::state_file::{self, StateFile, StateFileError, StatePath};
use crate::emulator::{Emulator, EmulatorSettings};
use crate::engine::{Stop, StopSignal};
use crate::error::Error;

/// What names the state in a message.
const FLAG: &str = "--emulator-state";

/// Why a command is refused that cannot have its state.
const REASON: &str = "emulator-state";

/// The emulator that a command works against, before it is started.
#[derive(Debug, Clone)]
pub(super) struct Rehearsal {
    settings: EmulatorSettings,
    state: StatePath,
    /// How long another process that has the state is waited for; none where the state is only read.
    writes: Option<Duration>,
    /// Whether the draw of the emulator matters, so that its seed is shown.
    is_drawn: bool,
}

/// The emulator that a command works against.
#[derive(Debug)]
pub(super) struct Rehearsed {
    emulator: Emulator,
    state: StatePath,
    /// Whether there was a state to begin with.
    had_state: bool,
}

impl Rehearsal {
    /// The rehearsal of a command on these results that only reads channels; none without `--emulator`.
    pub(super) fn reading(args: &RehearsalArgs, results: &Path) -> Option<Self> {
        let state = state_of(args, results)?;
        let behaviour = &args.behaviour.0;
        Some(Self {
            settings: behaviour.settings(behaviour.seed.unwrap_or_else(seed)),
            state: StatePath::new(&state, FLAG),
            writes: None,
            is_drawn: behaviour.is_drawn(),
        })
    }

    /// The same of a command that changes channels, and waits so long for another one that does.
    pub(super) fn writing(self, wait: Duration) -> Self {
        Self {
            writes: Some(wait),
            ..self
        }
    }

    /// Starts the emulator with the channels of the state.
    pub(super) async fn start(&self, stop: &StopSignal) -> Result<Rehearsed, Error> {
        let (file, saved) = match self.writes {
            Some(longest) => {
                let (file, saved) = self.lock(longest, stop).await?;
                (Some(file), saved)
            }
            None => (None, self.state.read()?),
        };
        let had_state = saved.is_some();
        let ephemeral = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = self.settings.clone();
        let emulator = Emulator::resume(ephemeral, settings, saved.unwrap_or_default(), file).await;
        let emulator = emulator.map_err(|error| Error::refused("emulator", error.to_string()))?;
        let broken = stop.clone();
        emulator.on_failure(move |cause| {
            broken.give(Stop::Output(cause));
        });
        if self.is_drawn {
            info!("the emulator's seed is {}", self.settings.seed);
        }
        Ok(Rehearsed {
            emulator,
            state: self.state.clone(),
            had_state,
        })
    }

    async fn lock(
        &self,
        longest: Duration,
        stop: &StopSignal,
    ) -> Result<(StateFile, Option<Snapshot>), Error> {
        let what = format!("the emulator's state {}", self.state.path().display());
        let is_held = |error: &StateFileError| matches!(error, StateFileError::Held { .. });
        wait::until_free(&what, longest, stop, is_held, || self.state.lock()).await
    }
}

/// The state of a command on these results; none without `--emulator`.
pub(super) fn state_of(args: &RehearsalArgs, results: &Path) -> Option<PathBuf> {
    let given = || args.emulator_state.clone();
    let state = || given().unwrap_or_else(|| state_file::beside(results));
    args.emulator.then(state)
}

/// Refuses a state that would replace the results or their log.
pub(super) fn check_place(args: &RehearsalArgs, results: &Path) -> Result<(), Error> {
    check_outputs(&[], None, results, state_of(args, results).as_deref())
}

impl Rehearsed {
    pub(super) fn url(&self) -> String {
        self.emulator.url()
    }

    /// Refuses results that have channels, if there was no state: nothing else knew them.
    pub(super) fn check_state(&self, has_channels: bool, results: &Path) -> Result<(), Error> {
        if self.had_state || !has_channels {
            return Ok(());
        }
        let (state, results) = (self.state.path().display(), results.display());
        let message = format!(
            "the emulator's state {state} does not exist, and {results} has channels that an emulator made, which nothing else \
             knows. Give the state with {FLAG} if it is elsewhere; remove {results} to begin the rehearsal again; or make the \
             channels again with 'kvs-fleet provision … --emulator --recheck'"
        );
        Err(Error::refused(REASON, message))
    }
}

impl From<StateFileError> for Error {
    fn from(error: StateFileError) -> Self {
        Self::refused(REASON, error.to_string())
    }
}
