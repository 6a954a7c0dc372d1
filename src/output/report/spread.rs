//! The time and the number of attempts that devices took.

use super::facts::Facts;

/// The most bars of the distribution of times.
const MOST_BARS: i64 = 20;

/// Widths of bars of the same width, in milliseconds.
const WIDTHS: [i64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// If the longest time is more than this many times the shortest one, the bars grow with the time.
const WIDE: i64 = 3;

/// The steps of upper bounds for each power of ten, in tenths: fine, and coarse.
const FINE: [i64; 8] = [10, 15, 20, 30, 40, 50, 60, 80];
const COARSE: [i64; 3] = [10, 20, 50];

/// From here on, upper bounds are round in minutes and hours instead: the milliseconds.
const MINUTES: [i64; 8] = [
    60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000,
];

/// Numbers of attempts with a bar of their own.
const SINGLE_ATTEMPTS: u32 = 6;

/// The times of devices from their first attempt to their outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// In milliseconds, sorted.
    sorted: Vec<i64>,
}

impl Times {
    /// The times of the devices that a provisioning run attempted.
    pub(crate) fn new(facts: &Facts) -> Self {
        let attempted = facts.rows.iter().filter(|row| row.attempts > 0);
        let mut sorted: Vec<i64> = attempted
            .filter_map(|row| Some(row.done_at()? - row.started?))
            .filter(|took| *took >= 0)
            .collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The time in milliseconds within which this percentage of devices finished (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Option<i64> {
        let rank = (self.sorted.len() * percent).div_ceil(100);
        self.sorted.get(rank.saturating_sub(1)).copied()
    }

    /// The bars of a chart: the name, and the number of devices. The bounds follow from the times: bars of the same width if
    /// all times are of the same order, else growing ones. None if it would be a single bar.
    pub(crate) fn distribution(&self) -> Option<Distribution> {
        let (least, most) = (*self.sorted.first()?, *self.sorted.last()?);
        let even = WIDTHS
            .into_iter()
            .find(|width| (most - least) / width < MOST_BARS);
        let even = even.filter(|_| most <= WIDE * least.max(1));
        let (bounds, name): (Vec<i64>, _) = match even {
            Some(width) => {
                let first = least / width;
                let bounds = (first..=most / width).map(|place| (place + 1) * width - 1);
                (bounds.collect(), Name::Range(width))
            }
            None => (growing(least, most), Name::UpTo),
        };
        let mut below = 0;
        let mut bars: Vec<(String, u64)> = Vec::new();
        for bound in bounds {
            let upto = self.sorted.partition_point(|took| *took <= bound);
            bars.push((name.of(bound), (upto - below) as u64));
            below = upto;
        }
        let filled = bars.iter().filter(|(_, devices)| *devices > 0).count();
        let axis = match name {
            Name::Range(1) => "milliseconds".to_owned(),
            Name::Range(width) => format!("milliseconds, in steps of {width}"),
            Name::UpTo => "at most so long".to_owned(),
        };
        (filled > 1).then_some(Distribution { bars, axis })
    }
}

/// How many devices took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// The names of the bars, and their devices.
    pub(crate) bars: Vec<(String, u64)>,
    /// What the names are.
    pub(crate) axis: String,
}

/// How bars are named.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// By the first millisecond of this width.
    Range(i64),
    /// By the upper bound.
    UpTo,
}

impl Name {
    fn of(self, bound: i64) -> String {
        match self {
            Self::Range(width) => (bound + 1 - width).to_string(),
            Self::UpTo if bound < 1_000 => format!("{bound} ms"),
            Self::UpTo if bound < 60_000 => {
                let tenths = (bound % 1_000) / 100;
                let rest = if tenths == 0 {
                    String::new()
                } else {
                    format!(".{tenths}")
                };
                format!("{}{rest} s", bound / 1_000)
            }
            Self::UpTo if bound < 3_600_000 => format!("{} min", bound / 60_000),
            Self::UpTo => format!("{} h", bound / 3_600_000),
        }
    }
}

/// Upper bounds that grow, from the one of the shortest time to the one of the longest.
fn growing(least: i64, most: i64) -> Vec<i64> {
    let series = |steps: &[i64]| {
        let mut bounds: Vec<i64> = (0..5)
            .flat_map(|power| steps.iter().map(move |step| step * 10_i64.pow(power)))
            .map(|tenths| (tenths + 9) / 10)
            .filter(|bound| *bound < MINUTES[0])
            .chain(MINUTES)
            .collect();
        bounds.dedup();
        let from = bounds.partition_point(|bound| *bound < least);
        let upto = bounds.partition_point(|bound| *bound < most);
        let mut bounds: Vec<i64> = bounds.into_iter().take(upto + 1).skip(from).collect();
        // Longer than all of them: whole hours.
        if bounds.last().is_none_or(|last| *last < most) {
            bounds.push((most / 3_600_000 + 1) * 3_600_000);
        }
        bounds
    };
    let fine = series(&FINE);
    if i64::try_from(fine.len()).is_ok_and(|bars| bars <= MOST_BARS) {
        fine
    } else {
        series(&COARSE)
    }
}

/// The bars of a chart: the number of create requests, and the number of devices. Empty if no device needed more than one.
pub(crate) fn attempts(facts: &Facts) -> Vec<(String, u64)> {
    if facts.rows.iter().all(|row| row.attempts < 2) {
        return Vec::new();
    }
    let mut bars: Vec<(String, u64)> = (1..=SINGLE_ATTEMPTS)
        .map(|attempts| (attempts.to_string(), 0))
        .collect();
    bars.push((format!("{}+", SINGLE_ATTEMPTS + 1), 0));
    for row in facts.rows.iter().filter(|row| row.attempts > 0) {
        let bar = (row.attempts - 1).min(SINGLE_ATTEMPTS) as usize;
        if let Some((_, count)) = bars.get_mut(bar) {
            *count += 1;
        }
    }
    let last = bars.iter().rposition(|(_, count)| *count > 0).unwrap_or(0);
    bars.truncate(last + 1);
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(times: &[i64]) -> Option<Distribution> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        Times { sorted }.distribution()
    }

    fn names(times: &[i64]) -> Vec<String> {
        let bars = bars(times).unwrap().bars;
        bars.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_bars_have_the_scale_of_the_times() {
        assert_eq!(names(&[81, 82, 82, 84]), ["81", "82", "83", "84"]);
        assert_eq!(names(&[70, 121]), names(&[70, 119, 121]));
        assert_eq!(names(&[70, 121])[..3], ["70", "75", "80"]);
        let wide = names(&[80, 82, 525]);
        assert_eq!(
            wide,
            [
                "80 ms", "100 ms", "150 ms", "200 ms", "300 ms", "400 ms", "500 ms", "600 ms"
            ]
        );
        assert_eq!(names(&[3, 200_000]).last().unwrap(), "5 min");
        assert_eq!(names(&[0, 1_500]).last().unwrap(), "2 s");
        assert_eq!(names(&[3_000, 90_000_000]).last().unwrap(), "26 h");
        let all: u64 = bars(&[1, 80, 82, 525, 70_000])
            .unwrap()
            .bars
            .iter()
            .map(|bar| bar.1)
            .sum();
        assert_eq!(all, 5);
    }

    #[test]
    fn a_single_bar_is_no_chart() {
        assert_eq!(bars(&[]), None);
        assert_eq!(bars(&[82, 82]), None);
        assert_eq!(bars(&[0]), None);
        assert!(bars(&[0, i64::MAX / 2]).is_some());
    }
}
