//! The latency of answers: log-normal, like measured services. The caller passes the random generator.

use std::f64::consts::TAU;
use std::time::Duration;

/// A distribution of latencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    pub median: Duration,
    /// The standard deviation of the latency's logarithm: 0 for a constant latency, 0.25 for a calm network, 0.8 for
    /// one where every tenth answer takes almost three times the median.
    pub sigma: f64,
}

impl Latency {
    /// The largest spread that is accepted.
    pub(crate) const WIDEST: f64 = 3.0;
    /// The upper limit of every latency.
    const LONGEST: Duration = Duration::from_hours(1);

    /// A constant latency.
    pub fn steady(median: Duration) -> Self {
        Self { median, sigma: 0.0 }
    }

    pub fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        if self.sigma == 0.0 {
            return self.median;
        }
        // The Box-Muller transform gives a normal deviate; 1 - f64() is never 0.
        let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos();
        let seconds = self.median.as_secs_f64() * (self.sigma * normal).exp();
        Duration::try_from_secs_f64(seconds).map_or(Self::LONGEST, |drawn| drawn.min(Self::LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_the_configured_ones() {
        let median = Duration::from_millis(80);
        let latency = Latency { median, sigma: 0.8 };
        let mut random = fastrand::Rng::with_seed(1);
        let mut drawn: Vec<_> = (0..10_000).map(|_| latency.draw(&mut random)).collect();
        drawn.sort_unstable();
        let share = |percent: usize| drawn[drawn.len() * percent / 100].as_secs_f64() / 0.08;
        // A normal deviate is below 0 in 50 %, below 1.2816 in 90 %, below -1.2816 in 10 %.
        for (percent, expected) in [(10, -1.2816), (50, 0.0), (90, 1.2816)] {
            let spread = share(percent).ln() / 0.8;
            assert!((spread - expected).abs() < 0.05, "{percent} %: {spread}");
        }
    }

    #[test]
    fn a_constant_latency_draws_no_random_number() {
        let latency = Latency::steady(Duration::from_millis(80));
        let mut random = fastrand::Rng::with_seed(1);
        assert_eq!(latency.draw(&mut random), latency.median);
        assert_eq!(random.u64(..), fastrand::Rng::with_seed(1).u64(..));
    }
}
