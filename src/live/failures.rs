//! Failed and invalid rows by error code, with the first devices of each. The memory is bounded, however many fail.

use std::collections::BTreeMap;

/// The most devices of a code that are named.
const MOST_DEVICES: usize = 100;
/// The most codes; the service and this tool have far fewer.
const MOST_CODES: usize = 100;

/// A device without a channel, and why.
#[derive(Debug, Clone)]
pub(super) struct FailedDevice {
    pub(super) device_id: Box<str>,
    pub(super) message: Box<str>,
}

/// The rows with one error code.
#[derive(Debug, Clone, Default)]
pub(super) struct FailuresOf {
    pub(super) count: u64,
    /// The first of them.
    pub(super) devices: Vec<FailedDevice>,
}

/// The rows of a run that have no channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(BTreeMap<Box<str>, FailuresOf>);

impl FailuresOf {
    /// The message, if all named devices have the same.
    pub(super) fn common_message(&self) -> Option<&str> {
        let (first, others) = self.devices.split_first()?;
        let is_common = others.iter().all(|device| device.message == first.message);
        is_common.then_some(&*first.message)
    }
}

impl Failures {
    pub(super) fn note(&mut self, code: &str, device_id: &str, message: &str) {
        if self.0.len() >= MOST_CODES && !self.0.contains_key(code) {
            return;
        }
        let failures = self.0.entry(code.into()).or_default();
        failures.count += 1;
        if failures.devices.len() < MOST_DEVICES {
            failures.devices.push(FailedDevice {
                device_id: device_id.into(),
                message: message.into(),
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By code, the most frequent first.
    pub(super) fn by_count(&self) -> Vec<(&str, &FailuresOf)> {
        let mut all: Vec<_> = self.0.iter().map(|(code, of)| (&**code, of)).collect();
        all.sort_by_key(|(_, failures)| std::cmp::Reverse(failures.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_devices_are_bounded() {
        let mut failures = Failures::default();
        for number in 0..1_000 {
            failures.note("Timeout", &format!("CAM-{number}"), "no answer");
        }
        failures.note("InvalidRow", "", "no device ID");
        let all = failures.by_count();
        assert_eq!(all[0].0, "Timeout");
        assert_eq!(all[0].1.count, 1_000);
        assert_eq!(all[0].1.devices.len(), MOST_DEVICES);
        assert_eq!(&*all[0].1.devices[0].device_id, "CAM-0");
        assert_eq!(all[1].1.count, 1);
    }
}
