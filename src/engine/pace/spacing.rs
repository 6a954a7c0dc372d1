//! How long after its turn a request leaves, as a share of the longest delay. Pure but for its own random numbers.
//!
//! Usually a new share is drawn for each request, since hosts that share a quota must not lock into its refill. If another
//! client sends evenly spaced requests and ignores throttles, it can lock into the refill; a token is then available only
//! until its next request. While throttles are ignored, the share of the last granted request is therefore used again.

/// A share is dropped after this many throttled requests in a row.
const MISSES: u32 = 3;

#[derive(Debug)]
pub(super) struct Spacing {
    random: fastrand::Rng,
    kept: Option<Kept>,
}

/// A share that was granted.
#[derive(Debug, Clone, Copy)]
struct Kept {
    share: f64,
    misses: u32,
}

impl Default for Spacing {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Spacing {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            kept: None,
        }
    }

    /// The next request's share, from 0 to 1.
    pub(super) fn next(&mut self) -> f64 {
        match self.kept {
            Some(kept) => kept.share,
            None => self.random.f64(),
        }
    }

    /// A request with this share was granted: it is used again.
    pub(super) fn keep(&mut self, share: f64) {
        self.kept = Some(Kept { share, misses: 0 });
    }

    /// A request with this share was throttled.
    #[expect(
        clippy::float_cmp,
        reason = "the very share that was handed out, or another"
    )]
    pub(super) fn miss(&mut self, share: f64) {
        self.kept = self.kept.and_then(|mut kept| {
            kept.misses += u32::from(kept.share == share);
            (kept.misses < MISSES).then_some(kept)
        });
    }

    /// From here on each request gets a new share.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_granted_is_used_until_it_has_missed_three_times() {
        let mut spacing = Spacing::new(1);
        let drawn = [spacing.next(), spacing.next()];
        assert!((drawn[0] - drawn[1]).abs() > 1e-9);
        spacing.keep(0.25);
        for _ in 1..MISSES {
            assert!((spacing.next() - 0.25).abs() < 1e-9);
            spacing.miss(0.25);
            spacing.miss(0.75);
        }
        spacing.miss(0.25);
        assert!((spacing.next() - 0.25).abs() > 1e-9);
        spacing.keep(0.5);
        spacing.forget();
        assert!((spacing.next() - 0.5).abs() > 1e-9);
    }
}
