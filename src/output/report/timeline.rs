//! When devices were finished: the batch's working time, without the pauses between runs.

use super::facts::{Facts, millis};
use super::outcomes;

/// A time without a finished device that is longer than this is a pause, in milliseconds.
const PAUSE: i64 = 60_000;

/// The most bars of the chart of rates.
const MOST_BARS: i64 = 300;

/// A period of work without a pause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stretch {
    /// Its start, in milliseconds since the Unix epoch.
    pub(crate) from: i64,
    /// Its end, likewise.
    pub(crate) to: i64,
    /// The working time before it, in milliseconds.
    pub(crate) before: i64,
    /// The quota of all its Regions together, in creates a second, if the runs log has it.
    pub(crate) quota: Option<f64>,
}

/// The working time of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Timeline {
    /// In order of time.
    pub(crate) stretches: Vec<Stretch>,
    /// When each device was finished, in milliseconds of working time, sorted.
    pub(crate) done: Vec<i64>,
}

impl Timeline {
    /// Computes the working time of the rows' times.
    pub(crate) fn new(facts: &Facts) -> Self {
        let mut times: Vec<i64> = Vec::new();
        let mut done: Vec<i64> = Vec::new();
        for row in &facts.rows {
            let Some(at) = row.done_at() else { continue };
            times.push(at);
            // A clock that was set back must not give a negative time.
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
        let places = outcomes::by_account_region(facts).len();
        for stretch in &mut stretches {
            stretch.quota = quota(facts, stretch, places);
        }
        let done = done.into_iter().map(|at| working(&stretches, at)).collect();
        Self { stretches, done }
    }

    /// The working time, in milliseconds.
    pub(crate) fn length(&self) -> i64 {
        self.stretches
            .last()
            .map_or(0, |last| last.before + (last.to - last.from))
    }

    /// The rates of finished devices: the milliseconds of a bar, and the rate of each bar.
    pub(crate) fn rates(&self) -> (i64, Vec<f64>) {
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

/// The ceiling of the run at that time, for all its accounts and Regions together: `places` are those of the results.
fn quota(facts: &Facts, stretch: &Stretch, places: usize) -> Option<f64> {
    // The first request is sent shortly after the run begins.
    let began = |start: &str| millis(start).is_some_and(|at| at <= stretch.from);
    let run = facts
        .provisioning()
        .rfind(|run| began(&run.start.at))
        .or_else(|| facts.provisioning().next())?;
    let rate = run.start.settings.as_ref()?.rate?;
    let has_accounts = !run.start.accounts.is_empty();
    let places = if has_accounts {
        places
    } else {
        run.start.regions.len()
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of Regions")]
    let places = places.max(1) as f64;
    Some(rate * places)
}
