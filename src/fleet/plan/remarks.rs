//! Warnings about rows that are valid but probably wrong. No row is refused for them.

use crate::domain::device::shown;
use crate::domain::format;
use crate::fleet::plan::Counts;
use crate::manifest::{Row, Suspects};

/// Repeated lines and invalid rows of other shards that are named.
const NAMED: usize = 3;

/// What was found in the rows so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Remarks {
    pub(super) suspects: Suspects,
    /// The first lines that repeat another, with their devices.
    repeated: Vec<(u64, Box<str>)>,
    /// Why the first invalid rows of other shards are invalid.
    invalid_elsewhere: Vec<Box<str>>,
    /// The device ID of the row before, and the length of the shortest one before that.
    last_id: String,
    shortest: Option<usize>,
}

impl Remarks {
    /// Takes any row in.
    pub(super) fn pass(&mut self, row: &Row<'_>) {
        if !self.last_id.is_empty() {
            let length = self.last_id.len();
            self.shortest = Some(
                self.shortest
                    .map_or(length, |shortest| shortest.min(length)),
            );
        }
        self.last_id.clear();
        self.last_id.push_str(row.device_id);
    }

    /// Takes a line in that repeats another.
    pub(super) fn repeat(&mut self, row: &Row<'_>) {
        if self.repeated.len() < NAMED {
            self.repeated.push((row.line, row.device_id.into()));
        }
    }

    /// Takes in an invalid row of another shard.
    pub(super) fn invalid_elsewhere(&mut self, reason: &str) {
        if self.invalid_elsewhere.len() < NAMED {
            self.invalid_elsewhere.push(reason.into());
        }
    }

    /// The sentences. The manifest's last line may lack its end.
    pub(super) fn sentences(&self, counts: &Counts, lacks_line_end: bool) -> Vec<String> {
        let cut = self.cut().filter(|_| lacks_line_end);
        [self.suspects.warning(), self.repeated(counts.repeated), cut]
            .into_iter()
            .flatten()
            .chain(self.elsewhere(counts.invalid_elsewhere))
            .collect()
    }

    /// This shard's devices can make another shard's row invalid without the run of that shard knowing them.
    fn elsewhere(&self, count: u64) -> impl Iterator<Item = String> {
        let named = self.invalid_elsewhere.iter();
        let named = named.map(|reason| format!("invalid row of another shard: {reason}"));
        let more = count.saturating_sub(self.invalid_elsewhere.len() as u64);
        let more = match more {
            0 => None,
            1 => Some("1 more row of another shard is invalid".to_owned()),
            _ => Some(format!("{more} more rows of other shards are invalid")),
        };
        named.chain(more)
    }

    fn repeated(&self, count: u64) -> Option<String> {
        let lead = match count {
            0 => return None,
            1 => "1 line repeats another to the letter and is the same device".to_owned(),
            more => format!("{more} lines repeat others to the letter and are the same devices"),
        };
        let named = self.repeated.iter();
        let named: Vec<String> = named
            .map(|(line, id)| format!("line {line}: {}", shown(id)))
            .collect();
        let all = usize::try_from(count).unwrap_or(usize::MAX);
        let named = format::first_of(all, &named);
        Some(format!(
            "{lead} ({named}); two cameras with one label get one channel"
        ))
    }

    /// Whether the last ID is shorter than all others, as a file that is cut off or not yet whole leaves it.
    fn cut(&self) -> Option<String> {
        let is_shortest = self
            .shortest
            .is_some_and(|shortest| self.last_id.len() < shortest);
        (is_shortest && !self.last_id.is_empty()).then(|| {
            format!(
                "the last line has no line end, and its device ID {} is shorter than all others: the file is perhaps \
                 cut off, or still being written; --expect N refuses a manifest that does not list N devices",
                shown(&self.last_id)
            )
        })
    }
}
