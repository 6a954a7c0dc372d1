//! The listener of the live page: keeps what events say beyond the counts of [`crate::output::stats`].

use std::sync::Mutex;
use std::time::SystemTime;

use super::events::{LastEvents, Severity};
use super::failures::Failures;
use super::region_states::{RegionState, RegionStates};
use super::requests::RequestCounts;
use crate::domain::device::{AccountId, AccountRegion, shown};
use crate::domain::format;
use crate::domain::panics::lock;
use crate::domain::service::Operation;
use crate::engine::event::{Event, Listener, Outcome};
use crate::results::record::{Row, Status};

/// What was recorded so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) requests: RequestCounts,
    /// Attempts that failed and are repeated after a wait.
    pub(super) retries: u64,
    /// When a create was granted last.
    pub(super) last_grant: Option<SystemTime>,
    pub(super) regions: RegionStates,
    pub(super) failures: Failures,
    pub(super) events: LastEvents,
}

/// The listener.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Recorded>);

impl Recorder {
    /// What was recorded so far.
    pub(super) fn recorded(&self) -> Recorded {
        lock(&self.0).clone()
    }

    /// Something is not as it should be with this device.
    pub(super) fn found(&self, kind: &str, device_id: &str, message: &str) {
        lock(&self.0).failures.note(kind, device_id, message);
    }

    /// Adds an event that is not the engine's.
    pub(super) fn add(&self, severity: Severity, text: String) {
        lock(&self.0).events.add(severity, text);
    }
}

impl Listener for Recorder {
    fn tell(&self, event: &Event<'_>) {
        lock(&self.0).note(event);
    }
}

impl Recorded {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Sent {
                account_region,
                operation,
            } => {
                self.requests.sent(*operation);
                self.sent(account_region, *operation);
            }
            Event::Answered {
                operation,
                outcome,
                latency,
                ..
            } => {
                self.requests.answered(*operation, *outcome, *latency);
                if (*operation, *outcome) == (Operation::Create, Outcome::Success) {
                    self.last_grant = Some(SystemTime::now());
                }
            }
            Event::Recorded { row } => self.recorded(row),
            Event::Retried {
                device_id,
                code,
                message,
                ..
            } => {
                self.retries += 1;
                let text = format!("{} is tried again: {code}: {message}", shown(device_id));
                let kind = format!("retried after {code}");
                self.events.add_of(Severity::Info, &kind, text);
            }
            Event::Repeated {
                account_region,
                operation,
                failure,
            } => {
                self.retries += 1;
                let (name, code, message) = (operation.name(), &failure.code, &failure.message);
                let text = format!("{name} in {account_region} is tried again: {code}: {message}");
                let kind = format!("{name} repeated after {code}");
                self.events.add_of(Severity::Info, &kind, text);
            }
            Event::Differs {
                device_id,
                difference,
            } => {
                let text = format!("{} was adopted with {difference}", shown(device_id));
                self.events.add_of(Severity::Info, "differs", text);
            }
            Event::Updated {
                device_id,
                difference,
            } => {
                let text = format!("{} was updated: {difference}", shown(device_id));
                self.events.add_of(Severity::Info, "updated", text);
            }
            Event::QuotaServerLost => self.events.add(
                Severity::Warning,
                "the quota server gives no answer: this host goes on alone".to_owned(),
            ),
            Event::Warning { text } => self.events.add(Severity::Warning, (*text).to_owned()),
            _ => self.note_of_region(event),
        }
    }

    /// Events that change what an account or Region is doing.
    fn note_of_region(&mut self, event: &Event<'_>) {
        match event {
            Event::RegionStarted { account_region, .. } => {
                self.regions.set(account_region, RegionState::Working);
            }
            Event::RegionEnded { account_region } => {
                self.regions.set(account_region, RegionState::Done);
            }
            Event::Offline {
                account_region,
                cause,
            } => {
                self.regions.set(account_region, RegionState::NoAnswer);
                let text = format!("no answer from the service in {account_region}: {cause}");
                self.events.add(Severity::Warning, text);
            }
            Event::Online {
                account_region,
                after,
            } => {
                // The next request shows more.
                self.regions.set(account_region, RegionState::Waiting);
                let after = format::took(*after);
                let text = format!("the service in {account_region} answers again after {after}");
                self.events.add(Severity::Info, text);
            }
            Event::CredentialsRefused { account } => self.credentials(*account, true),
            Event::CredentialsRenewed { account } => self.credentials(*account, false),
            Event::PartStopped { account, cause } => self.regions.stop(*account, cause),
            _ => {}
        }
    }

    /// A request shows what its Region is doing. Not where it has no answer: probes are sent there.
    fn sent(&mut self, account_region: &AccountRegion, operation: Operation) {
        let state = match (self.regions.of(account_region), operation) {
            (RegionState::Waiting | RegionState::Listing, Operation::List) => RegionState::Listing,
            (RegionState::Waiting | RegionState::Listing, _) => RegionState::Working,
            _ => return,
        };
        self.regions.set(account_region, state);
    }

    fn credentials(&mut self, account: Option<&AccountId>, are_refused: bool) {
        self.regions.await_credentials(account, are_refused);
        let of = account.map_or_else(String::new, |account| format!(" of account {account}"));
        let (severity, text) = if are_refused {
            let text = format!("the credentials{of} were refused: new ones are fetched");
            (Severity::Warning, text)
        } else {
            (Severity::Info, format!("new credentials{of} are in use"))
        };
        self.events.add(severity, text);
    }

    fn recorded(&mut self, row: &Row) {
        // A rollback keeps the row of a channel that it leaves, with the error in it.
        if row.error_code.is_empty() {
            return;
        }
        let (code, message) = (&row.error_code, &row.error_message);
        self.failures.note(code, &row.device_id, message);
        if row.status == Status::Invalid {
            return;
        }
        let text = format!("{} failed: {code}: {message}", shown(&row.device_id));
        self.events.add_of(Severity::Failure, code, text);
    }
}
