//! The last events of a run as sentences. Events of one kind that come close to each other are one entry with a count, so
//! that a thousand retries do not push out everything else.

use std::collections::VecDeque;
use std::time::SystemTime;

/// The most entries.
const MOST: usize = 50;

/// So many of the last entries are searched for one of the same kind.
const CLOSE: usize = 8;

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Info,
    Warning,
    /// A device has failed.
    Failure,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// When the last of its events was.
    pub(super) at: SystemTime,
    pub(super) severity: Severity,
    /// The last of its events.
    pub(super) text: String,
    /// How many events this entry has.
    pub(super) times: u64,
    /// Events with the same kind are one entry; `None` for an event of its own.
    kind: Option<Box<str>>,
}

/// The last entries.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEvents(VecDeque<Entry>);

impl LastEvents {
    /// Adds an event of its own.
    pub(super) fn add(&mut self, severity: Severity, text: String) {
        self.push(severity, text, None);
    }

    /// Adds an event of a kind that may come many times.
    pub(super) fn add_of(&mut self, severity: Severity, kind: &str, text: String) {
        let mut close = self.0.iter().take(CLOSE);
        let known = close.position(|entry| entry.kind.as_deref() == Some(kind));
        let before = known.and_then(|place| self.0.remove(place));
        self.push(severity, text, Some(kind.into()));
        if let (Some(entry), Some(before)) = (self.0.front_mut(), before) {
            entry.times += before.times;
        }
    }

    fn push(&mut self, severity: Severity, text: String, kind: Option<Box<str>>) {
        self.0.truncate(MOST - 1);
        self.0.push_front(Entry {
            at: SystemTime::now(),
            severity,
            text,
            times: 1,
            kind,
        });
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_kind_are_one_entry() {
        let mut events = LastEvents::default();
        for number in 0..1_000 {
            events.add_of(Severity::Info, "retry", format!("retry {number}"));
        }
        for number in 0..CLOSE {
            events.add(Severity::Warning, format!("warning {number}"));
        }
        events.add_of(Severity::Info, "retry", "retry again".to_owned());
        events.add(Severity::Warning, "offline".to_owned());
        events.add_of(Severity::Info, "retry", "retry at last".to_owned());
        let shown: Vec<(&str, u64)> = events
            .iter()
            .filter(|entry| !entry.text.starts_with("warning"))
            .map(|entry| (entry.text.as_str(), entry.times))
            .collect();
        assert_eq!(
            shown,
            [("retry at last", 2), ("offline", 1), ("retry 999", 1_000)]
        );
    }

    #[test]
    fn the_oldest_entry_goes_first() {
        let mut events = LastEvents::default();
        for number in 0..80 {
            events.add(Severity::Info, number.to_string());
        }
        let shown: Vec<&str> = events.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(shown.len(), MOST);
        assert_eq!((shown[0], shown[MOST - 1]), ("79", "30"));
    }
}
