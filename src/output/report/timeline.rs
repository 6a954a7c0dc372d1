//! When devices were finished: the batch's working time, without the pauses between runs.

use super::facts::Facts;

/// A time without a finished device that is longer than this is a pause, in milliseconds.
const PAUSE: i64 = 60_000;

/// The most bars of the chart of rates.
const MOST_BARS: i64 = 240;

/// A period of work without a pause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stretch {
    /// Its start, in milliseconds since the Unix epoch.
    pub(crate) from: i64,
    /// Its end, likewise.
    pub(crate) to: i64,
    /// The working time before it, in milliseconds.
    pub(crate) before: i64,
}

/// The working time of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Timeline {
    /// In order of time.
    pub(crate) stretches: Vec<Stretch>,
    /// When each device was finished, in milliseconds of working time, sorted.
    pub(crate) done: Vec<i64>,
    /// The same of those devices for which a create was sent.
    pub(crate) sent: Vec<i64>,
}

/// The devices of a short time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// In milliseconds of working time.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Finished devices a second, of those for which a create was sent.
    pub(crate) per_second: f64,
}

impl Bar {
    /// The seconds for which its rate is computed: a few devices in an instant are no rate.
    pub(crate) fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a bar")]
        let seconds = (self.to - self.from) as f64 / 1_000.0;
        seconds.max(1.0)
    }
}

impl Timeline {
    /// Computes the working time of the rows' times.
    pub(crate) fn new(facts: &Facts) -> Self {
        let mut times: Vec<i64> = Vec::new();
        for row in &facts.rows {
            let Some(at) = row.done_at() else { continue };
            times.push(at);
            // A clock that was set back must not give a negative time.
            times.extend(row.started.filter(|started| *started <= at));
        }
        times.sort_unstable();
        let mut stretches: Vec<Stretch> = Vec::new();
        for at in times {
            match stretches.last_mut() {
                Some(last) if at - last.to <= PAUSE => last.to = at,
                last => {
                    let before = last.map_or(0, |last| last.before + (last.to - last.from));
                    stretches.push(Stretch {
                        from: at,
                        to: at,
                        before,
                    });
                }
            }
        }
        let mut timeline = Self {
            stretches,
            ..Self::default()
        };
        for row in &facts.rows {
            let Some(at) = row.done_at() else { continue };
            let at = timeline.working(at);
            timeline.done.push(at);
            if row.attempts > 0 {
                timeline.sent.push(at);
            }
        }
        timeline.done.sort_unstable();
        timeline.sent.sort_unstable();
        timeline
    }

    /// The working time, in milliseconds.
    pub(crate) fn length(&self) -> i64 {
        self.stretches
            .last()
            .map_or(0, |last| last.before + (last.to - last.from))
    }

    /// The pauses, in milliseconds: when, in working time, and how long.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = (i64, i64)> {
        let pairs = self.stretches.iter().zip(self.stretches.iter().skip(1));
        pairs.map(|(before, after)| (after.before, after.from - before.to))
    }

    /// The stretch of a time since the Unix epoch: the last one that had begun by then.
    pub(crate) fn stretch(&self, at: i64) -> Option<usize> {
        let later = self.stretches.partition_point(|stretch| stretch.from <= at);
        later.checked_sub(1)
    }

    /// The working time until a time since the Unix epoch, in milliseconds.
    pub(crate) fn working(&self, at: i64) -> i64 {
        let stretch = self.stretch(at).and_then(|last| self.stretches.get(last));
        stretch.map_or(0, |stretch| {
            stretch.before + (at - stretch.from).min(stretch.to - stretch.from)
        })
    }

    /// The rates of finished devices. A bar is at least a second wide, except where all of a stretch is shorter.
    pub(crate) fn bars(&self) -> Vec<Bar> {
        let width = (self.length() / MOST_BARS / 1_000 + 1) * 1_000;
        let mut bars = Vec::new();
        for stretch in &self.stretches {
            let end = stretch.before + (stretch.to - stretch.from);
            let mut from = stretch.before;
            // The last bar takes the rest that is too short for a bar of its own.
            while end - from >= 2 * width {
                bars.push(self.bar(from, from + width));
                from += width;
            }
            bars.push(self.bar(from, end));
        }
        bars
    }

    fn bar(&self, from: i64, to: i64) -> Bar {
        let upto = |at: i64| self.sent.partition_point(|done| *done <= at);
        // The first bar begins with what was done at its very start.
        let before = if from == 0 { 0 } else { upto(from) };
        #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
        let devices = upto(to).saturating_sub(before) as f64;
        let mut bar = Bar {
            from,
            to,
            per_second: 0.0,
        };
        bar.per_second = devices / bar.seconds();
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_in_a_bar_and_short_rests_do_not_have_one() {
        let done: Vec<i64> = (0..=1_005).map(|place| place * 20).collect();
        let timeline = Timeline {
            stretches: vec![Stretch {
                from: 1_000_000,
                to: 1_020_100,
                before: 0,
            }],
            sent: done.clone(),
            done,
        };
        let bars = timeline.bars();
        assert_eq!(bars.len(), 20);
        let devices: f64 = bars.iter().map(|bar| bar.per_second * bar.seconds()).sum();
        assert!((devices - 1_006.0).abs() < 1e-6, "{devices}");
        let last = bars.last().map(|bar| bar.per_second.round());
        assert_eq!(last, Some(50.0));
        assert_eq!(timeline.working(1_030_000), 20_100);
        assert_eq!(timeline.working(0), 0);
    }
}
