//! One device that is not finished: its attempts so far, and the row that it gets.

use std::time::SystemTime;

use super::retry::AttemptHistory;
use crate::domain::device::{ChannelArn, Device, DeviceIndex};
use crate::domain::error_codes::OUTCOME_UNKNOWN;
use crate::domain::service::{Failure, FailureKind};
use crate::results::record::{Row, Status};

/// What a device's next request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobPhase {
    /// Create its channel.
    Create,
    /// Find out whether its channel exists.
    Resolve,
}

/// A device that is not finished.
#[derive(Debug)]
pub(super) struct DeviceJob {
    pub(super) index: DeviceIndex,
    pub(super) device: Device,
    pub(super) phase: JobPhase,
    pub(super) history: AttemptHistory,
    /// Create requests sent.
    pub(super) attempts: u32,
    /// When the first request for it left.
    pub(super) started: Option<SystemTime>,
    /// Whether its channel is looked for by List, and no longer by Describe.
    pub(super) uses_list: bool,
    /// The last create attempt that failed, with its request ID.
    pub(super) failure: Option<(Failure, Option<Box<str>>)>,
}

impl DeviceJob {
    pub(super) fn new(index: DeviceIndex, device: Device) -> Self {
        Self {
            index,
            device,
            phase: JobPhase::Create,
            history: AttemptHistory::default(),
            attempts: 0,
            started: None,
            uses_list: false,
            failure: None,
        }
    }

    /// Whether an attempt was made for this device whose outcome is its own, or unknown.
    pub(super) fn was_tried(&self) -> bool {
        let is_resolving = self.attempts > 0 && self.phase == JobPhase::Resolve;
        let was_sent = self.history.tries > 0 && !self.was_never_sent();
        self.history.ambiguous || is_resolving || was_sent
    }

    /// Whether List may show a channel that Describe does not: an attempt may have created it, and Describe does not show a
    /// channel before it is ACTIVE.
    pub(super) fn may_yet_be_listed(&self) -> bool {
        self.history.ambiguous && !self.uses_list
    }

    fn was_never_sent(&self) -> bool {
        self.failure
            .as_ref()
            .is_none_or(|(failure, _)| failure.kind == FailureKind::Unreachable)
    }

    /// The row of a device whose channel was created now. The job is dropped here: hundreds of rows wait for their sync at a
    /// time.
    pub(super) fn created(
        self,
        arn: ChannelArn,
        request_id: Option<Box<str>>,
        now: SystemTime,
    ) -> Row {
        Row {
            request_id: request_id.unwrap_or_default(),
            ..self.succeeded(Status::Created, arn, now)
        }
    }

    /// The row of a device that has its channel, although no create was answered with it.
    pub(super) fn succeeded(&self, status: Status, arn: ChannelArn, now: SystemTime) -> Row {
        Row {
            channel_arn: Some(arn),
            ..self.row(status, now)
        }
    }

    /// The row of a device that failed for a reason of this tool's own.
    pub(super) fn failed(&self, code: &str, message: String, now: SystemTime) -> Row {
        Row {
            error_code: code.into(),
            error_message: message.into(),
            ..self.row(Status::Failed, now)
        }
    }

    /// The row of a device that failed as its last create attempt did.
    pub(super) fn failed_as_it_did(&self, now: SystemTime) -> Row {
        let (code, message) = self.failure_in_words();
        self.failed(&code, message, now)
    }

    /// The row of a device if it cannot be learned whether its channel exists.
    pub(super) fn unknown(&self, why_not: &str, now: SystemTime) -> Row {
        let (code, message) = self.failure_in_words();
        let message =
            format!("{code}: {message}; whether the channel exists could not be learnt: {why_not}");
        self.failed(OUTCOME_UNKNOWN, message, now)
    }

    fn failure_in_words(&self) -> (Box<str>, String) {
        match &self.failure {
            Some((failure, _)) => (failure.code.clone(), failure.message.to_string()),
            None => (
                OUTCOME_UNKNOWN.into(),
                "no attempt got an answer".to_owned(),
            ),
        }
    }

    /// With the request ID of the last create attempt that failed.
    fn row(&self, status: Status, now: SystemTime) -> Row {
        let request_id = self.failure.as_ref().and_then(|(_, id)| id.clone());
        Row {
            device_id: self.device.id.clone(),
            channel_name: self.device.channel_name.as_str().into(),
            account: self.device.account.clone(),
            region: self.device.region.clone().into(),
            status,
            channel_arn: None,
            attempts: self.attempts,
            started_at: Some(self.started.unwrap_or(now)),
            finished_at: Some(now),
            error_code: Box::default(),
            error_message: Box::default(),
            request_id: request_id.unwrap_or_default(),
        }
    }
}
