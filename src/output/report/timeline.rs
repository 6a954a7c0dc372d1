//! When devices were done: the batch's working time, with the pauses between runs cut out. Pure.

use super::facts::{Facts, millis};

/// A time without anything done that is longer than this is a pause, in milliseconds.
const PAUSE: i64 = 60_000;

/// The most bars of the chart of rates.
const MOST_BARS: i64 = 300;

/// A stretch of work without a pause.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// When it began, in milliseconds since the Unix epoch.
    pub from: i64,
    /// When it ended, likewise.
    pub to: i64,
    /// How much working time was before it, in milliseconds.
    pub before: i64,
    /// The quota of all its Regions together, in creates a second, where the runs log knows it.
    pub quota: Option<f64>,
}

/// The working time of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// In their order.
    pub stretches: Vec<Stretch>,
    /// When each device was done, in milliseconds of working time, in order.
    pub done: Vec<i64>,
}

impl Timeline {
    /// Lays out the rows' times.
    #[must_use]
    pub fn new(facts: &Facts) -> Self {
        let mut times: Vec<i64> = Vec::new();
        let mut done: Vec<i64> = Vec::new();
        for row in &facts.rows {
            let Some(at) = row.done_at() else { continue };
            times.push(at);
            // A clock that was set back is no reason for a negative time.
            times.extend(row.started.filter(|started| *started <= at));
            done.push(at);
        }
        times.sort_unstable();
        done.sort_unstable();
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
                        quota: None,
                    });
                }
            }
        }
        for stretch in &mut stretches {
            stretch.quota = quota(facts, stretch);
        }
        let done = done.into_iter().map(|at| working(&stretches, at)).collect();
        Self { stretches, done }
    }

    /// How long was worked, in milliseconds.
    #[must_use]
    pub fn length(&self) -> i64 {
        self.stretches
            .last()
            .map_or(0, |last| last.before + (last.to - last.from))
    }

    /// Devices done a second, by bar: how many milliseconds a bar stands for, and the rates.
    #[must_use]
    pub fn rates(&self) -> (i64, Vec<f64>) {
        let width = (self.length() / MOST_BARS / 1_000 + 1) * 1_000;
        let bars = usize::try_from(self.length() / width + 1).unwrap_or(1);
        let mut rates = vec![0.0; bars];
        #[expect(clippy::cast_precision_loss, reason = "seconds of a bar")]
        let seconds = width as f64 / 1_000.0;
        for at in &self.done {
            let bar = usize::try_from(at / width).unwrap_or_default();
            if let Some(rate) = rates.get_mut(bar) {
                *rate += 1.0 / seconds;
            }
        }
        (width, rates)
    }
}

fn working(stretches: &[Stretch], at: i64) -> i64 {
    let later = stretches.partition_point(|stretch| stretch.from <= at);
    let stretch = later.checked_sub(1).and_then(|last| stretches.get(last));
    stretch.map_or(0, |stretch| {
        stretch.before + (at - stretch.from).min(stretch.to - stretch.from)
    })
}

/// What the run of that time was allowed to send, in its Regions together.
fn quota(facts: &Facts, stretch: &Stretch) -> Option<f64> {
    // Who was asked first of all was asked a moment after the run began.
    let began = |start: &str| millis(start).is_some_and(|at| at <= stretch.from);
    let run = facts
        .provisioning()
        .filter(|run| began(&run.start.at))
        .last()
        .or_else(|| facts.provisioning().next())?;
    let rate = run.start.settings.as_ref()?.rate?;
    #[expect(clippy::cast_precision_loss, reason = "a number of Regions")]
    let regions = run.start.regions.len().max(1) as f64;
    Some(rate * regions)
}
