//! The goals of a scenario's figures, and the figures that miss them.

use crate::measure::{Bad, Figures, Spread};

/// Bounds. Those without "worst" are for the median of the seeds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Goals {
    /// Makespan divided by the ideal.
    pub(crate) makespan: Option<f64>,
    pub(crate) worst_makespan: Option<f64>,
    /// In percent of the hosts' creates.
    pub(crate) throttled: Option<f64>,
    /// Jain's index at the first finish, at least.
    pub(crate) jain: Option<f64>,
    /// In seconds.
    pub(crate) reclaim: Option<f64>,
    /// In percent, at least.
    pub(crate) utilisation: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Makespan,
    WorstMakespan,
    Throttled,
    Jain,
    Reclaim,
    Utilisation,
    Lost,
}

/// A figure that misses its bound.
#[derive(Debug, Clone)]
pub(crate) struct Miss {
    pub(crate) figure: Figure,
    /// The figure and the bound as text.
    pub(crate) text: String,
}

impl Goals {
    pub(crate) fn makespan(median: f64) -> Self {
        Self {
            makespan: Some(median),
            ..Self::default()
        }
    }

    pub(crate) fn utilisation(percent: f64) -> Self {
        Self {
            utilisation: Some(percent),
            ..Self::default()
        }
    }

    pub(crate) fn worst(self, makespan: f64) -> Self {
        Self {
            worst_makespan: Some(makespan),
            ..self
        }
    }

    pub(crate) fn throttled(self, percent: f64) -> Self {
        Self {
            throttled: Some(percent),
            ..self
        }
    }

    pub(crate) fn jain(self, least: f64) -> Self {
        Self {
            jain: Some(least),
            ..self
        }
    }

    pub(crate) fn reclaim(self, seconds: f64) -> Self {
        Self {
            reclaim: Some(seconds),
            ..self
        }
    }

    pub(crate) fn are_any(&self) -> bool {
        !self.show().is_empty()
    }

    /// Bounds for fewer seeds, whose medians vary more.
    pub(crate) fn widened(self) -> Self {
        let ratio = |bound: f64| 1.0 + 1.25 * (bound - 1.0) + 0.01;
        Self {
            makespan: self.makespan.map(ratio),
            worst_makespan: self.worst_makespan.map(ratio),
            throttled: self.throttled.map(|bound| 1.25 * bound),
            jain: self.jain.map(|bound| 1.0 - 1.25 * (1.0 - bound)),
            reclaim: self.reclaim.map(|bound| 1.25 * bound),
            utilisation: self.utilisation.map(|bound| bound - 0.1),
        }
    }

    /// The goals as a cell of the table.
    pub(crate) fn show(&self) -> String {
        let makespan = self.makespan.map(|median| match self.worst_makespan {
            Some(worst) => format!("≤ {median:.2} (≤ {worst:.2})"),
            None => format!("≤ {median:.2}"),
        });
        let parts = [
            makespan,
            self.utilisation.map(|b| format!("util. ≥ {b:.1} %")),
            self.throttled.map(|b| format!("thr. ≤ {b:.1} %")),
            self.jain.map(|b| format!("Jain ≥ {b:.2}")),
            self.reclaim.map(|b| format!("reclaim ≤ {b:.1} s")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }

    /// The figures that miss their bounds. In every scenario, no device may be left without its channel.
    pub(crate) fn misses(&self, runs: &[(u64, Figures)]) -> Vec<Miss> {
        let at_most = |figure, bound: Option<f64>, of: fn(&Figures) -> Option<f64>| {
            let spread = Spread::of(runs, of, Bad::High)?;
            miss(figure, &spread, bound?, |value, bound| value > bound)
        };
        let at_least = |figure, bound: Option<f64>, of: fn(&Figures) -> Option<f64>| {
            let spread = Spread::of(runs, of, Bad::Low)?;
            miss(figure, &spread, bound?, |value, bound| value < bound)
        };
        let misses = [
            at_most(Figure::Makespan, self.makespan, |f| f.makespan),
            at_most(Figure::WorstMakespan, self.worst_makespan, |f| f.makespan),
            at_most(Figure::Throttled, self.throttled, |f| Some(f.throttled)),
            at_least(Figure::Jain, self.jain, |f| f.jain),
            at_most(Figure::Reclaim, self.reclaim, |f| f.reclaim),
            at_least(Figure::Utilisation, self.utilisation, |f| f.utilisation),
            at_most(Figure::Lost, Some(0.0), |f| f.lost),
        ];
        misses.into_iter().flatten().collect()
    }
}

fn miss(
    figure: Figure,
    spread: &Spread,
    bound: f64,
    is_beyond: fn(f64, f64) -> bool,
) -> Option<Miss> {
    // `None` means that no run had the figure.
    let is_worst = figure == Figure::WorstMakespan || bound <= 0.0;
    let value = if is_worst {
        spread.worst
    } else {
        spread.median
    };
    is_beyond(value, bound).then(|| {
        let seed = spread.worst_seed;
        let name = match figure {
            Figure::Makespan => "median makespan",
            Figure::WorstMakespan => "worst makespan",
            Figure::Throttled => "throttled percent",
            Figure::Jain => "Jain's index",
            Figure::Reclaim => "seconds to reclaim",
            Figure::Utilisation => "utilisation percent",
            Figure::Lost => "devices without a channel",
        };
        Miss {
            figure,
            text: format!("{name} {value:.3}, bound {bound:.3} (worst seed {seed})"),
        }
    })
}
