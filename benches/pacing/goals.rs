//! The goals of a scenario's figures.

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
}
