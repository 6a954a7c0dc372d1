//! The figures that miss a scenario's goals.

use crate::goals::Goals;
use crate::measure::{Bad, Figures, Spread};

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

/// The figures that miss their bounds. In every scenario, no device may be left without its channel.
pub(crate) fn misses(goals: &Goals, runs: &[(u64, Figures)]) -> Vec<Miss> {
    let at_most = |figure, bound: Option<f64>, of: fn(&Figures) -> Option<f64>| {
        let spread = Spread::of(runs, of, Bad::High)?;
        miss(figure, &spread, bound?, |value, bound| value > bound)
    };
    let at_least = |figure, bound: Option<f64>, of: fn(&Figures) -> Option<f64>| {
        let spread = Spread::of(runs, of, Bad::Low)?;
        miss(figure, &spread, bound?, |value, bound| value < bound)
    };
    let misses = [
        at_most(Figure::Makespan, goals.makespan, |f| f.makespan),
        at_most(Figure::WorstMakespan, goals.worst_makespan, |f| f.makespan),
        at_most(Figure::Throttled, goals.throttled, |f| Some(f.throttled)),
        at_least(Figure::Jain, goals.jain, |f| f.jain),
        at_most(Figure::Reclaim, goals.reclaim, |f| f.reclaim),
        at_least(Figure::Utilisation, goals.utilisation, |f| f.utilisation),
        at_most(Figure::Lost, Some(0.0), |f| f.lost),
    ];
    misses.into_iter().flatten().collect()
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
