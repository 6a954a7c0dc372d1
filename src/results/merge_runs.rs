//! One runs log from several, by time. Pure: no file, no clock.

use serde::Deserialize;

/// The first line of a merged log, where the rows of a merged file were in no log: what those runs asked for is not known.
pub(super) const UNLOGGED: &[u8] = br#"{"event":"unlogged"}"#;

/// The lines of several logs.
#[derive(Debug, Default)]
pub struct MergeRuns {
    lines: Vec<(String, Vec<u8>)>,
    /// The time of the line before: lines without one stay after it.
    last: String,
    is_unlogged: bool,
}

/// What every line of this tool has.
#[derive(Deserialize)]
struct Timed {
    at: String,
}

impl MergeRuns {
    /// Begins another log, whose lines follow.
    pub fn begin_log(&mut self) {
        self.last.clear();
    }

    /// Notes results whose runs are in no log.
    pub fn note_unlogged(&mut self) {
        self.is_unlogged = true;
    }

    /// Adds a line, without its line end. A blank one is left out.
    pub fn push(&mut self, line: &[u8]) {
        if line == UNLOGGED {
            return self.note_unlogged();
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        if let Ok(Timed { at }) = serde_json::from_slice(line) {
            self.last = at;
        }
        self.lines.push((self.last.clone(), line.to_vec()));
    }

    /// All lines by time, each once. A log without runs has none. Lines of one time are in the order of their bytes, whatever the order of the logs; a
    /// run's start is before its end.
    #[must_use]
    pub fn merge(mut self) -> Vec<Vec<u8>> {
        const START: &[u8] = br#"{"event":"start""#;
        self.lines.sort_by(|(a_at, a), (b_at, b)| {
            let is_later = |line: &[u8]| !line.starts_with(START);
            (a_at, is_later(a), a).cmp(&(b_at, is_later(b), b))
        });
        self.lines.dedup();
        let is_unlogged = self.is_unlogged && !self.lines.is_empty();
        let first = is_unlogged.then(|| UNLOGGED.to_vec());
        let lines = self.lines.into_iter().map(|(_, line)| line);
        first.into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(logs: &[&[&str]]) -> Vec<String> {
        let mut runs = MergeRuns::default();
        for log in logs {
            runs.begin_log();
            log.iter().for_each(|line| runs.push(line.as_bytes()));
        }
        let lines = runs.merge().into_iter();
        lines.map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_in_the_order_of_time_each_once() {
        let [a1, a2] = [
            r#"{"event":"start","at":"2026-01-01T00:00:00.000Z","shard":"1/2"}"#,
            r#"{"event":"end","at":"2026-01-01T00:00:09.000Z","shard":"1/2"}"#,
        ];
        let [b1, b2] = [
            r#"{"event":"start","at":"2026-01-01T00:00:01.000Z","shard":"2/2"}"#,
            r#"{"event":"end","at":"2026-01-01T00:00:09.000Z","shard":"2/2"}"#,
        ];
        let unknown = r#"{"event":"asks"}"#;
        let (a, b) = (&[a1, unknown, a2][..], &[b1, b2, ""][..]);
        let expected = [a1, unknown, b1, a2, b2];
        assert_eq!(merged(&[a, b]), expected);
        assert_eq!(merged(&[b, a]), expected);
        assert_eq!(merged(&[&expected, b]), expected);
        assert_eq!(merged(&[]), Vec::<String>::new());
    }

    #[test]
    fn runs_in_no_log_are_noted_once() {
        let unlogged = std::str::from_utf8(UNLOGGED).unwrap();
        let run = r#"{"event":"start","at":"2026-01-01T00:00:00.000Z"}"#;
        assert_eq!(merged(&[&[unlogged]]), Vec::<String>::new());
        let expected = [unlogged, run];
        assert_eq!(merged(&[&[run], &expected]), expected);
        assert_eq!(merged(&[&expected, &expected]), expected);
    }

    #[test]
    fn a_run_shorter_than_a_millisecond_starts_before_it_ends() {
        let start = r#"{"event":"start","at":"2026-01-01T00:00:00.000Z"}"#;
        let end = r#"{"event":"end","at":"2026-01-01T00:00:00.000Z"}"#;
        assert_eq!(merged(&[&[start, end]]), [start, end]);
    }
}
