//! The pace of a run that has ended, in lines for the person: what was achieved, what was in force, what the service
//! granted, and what follows from that.

use crate::figures;
use crate::tally::{LaneTotals, Requests, Totals};

/// A grant that is off the ceiling by less than this share of it is the ceiling: measurements are not exact.
const SAME_RATE: f64 = 0.05;

/// What there is to say about the pace.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    pub(super) created: u64,
    pub(super) creates: Requests,
    pub(super) totals: &'a Totals,
    pub(super) ceiling: Option<f64>,
}

impl Pace<'_> {
    /// The lines: one for all, one for each Region where there are several, and a hint where there is one to give.
    pub(super) fn lines(&self) -> Vec<String> {
        let lanes: Vec<&LaneTotals> = self.with_creates().collect();
        let mut parts = vec![self.achieved()];
        match lanes.as_slice() {
            [one] => {
                parts.extend(rates(one));
                parts.extend(self.ceiling.map(|ceiling| format!("at most {ceiling}")));
            }
            many => {
                parts.push(format!("in {} Regions", many.len()));
                parts.extend(
                    self.ceiling
                        .map(|ceiling| format!("at most {ceiling} in each")),
                );
            }
        }
        let all = format!("  {}; {}", parts.join(", "), throttled(&self.creates));
        let each = lanes.iter().filter(|_| lanes.len() > 1);
        let hint = self.hint().map(|hint| format!("  {hint}"));
        std::iter::once(all)
            .chain(each.map(|lane| region_line(lane)))
            .chain(hint)
            .collect()
    }

    fn with_creates(&self) -> impl Iterator<Item = &LaneTotals> {
        let lanes = self.totals.lanes.iter();
        lanes.filter(|lane| lane.creates.sent > 0)
    }

    /// A burst is no rate: it is said as what it was.
    fn achieved(&self) -> String {
        match self.totals.achieved {
            Some(achieved) => format!("{} channels a second", figures::rate(achieved)),
            None => format!(
                "{} created in {}",
                self.created,
                figures::took(self.totals.creating)
            ),
        }
    }

    /// What follows from a grant below what `--rate` allows. Where nothing was throttled nothing is known; and a service
    /// that throttles at the ceiling cannot have granted more.
    fn hint(&self) -> Option<String> {
        let ceiling = self.ceiling?;
        let low = ceiling * (1.0 - SAME_RATE);
        // A rate that has climbed back to the ceiling since has shown that there is more.
        let less = self.with_creates().filter_map(|lane| {
            let grant = lane.grant.filter(|grant| *grant < low && lane.rate < low)?;
            Some((lane.region.as_str(), figures::about(grant)))
        });
        let less: Vec<_> = less.collect();
        let one_region = self.with_creates().nth(1).is_none();
        (!less.is_empty()).then(|| {
            format!(
                "the service granted {} of the {ceiling}/s allowed: others share this quota, or it is lower",
                listed(&less, one_region)
            )
        })
    }
}

/// `about 37/s`, or with several Regions `about 37/s in eu-central-1, 20/s in us-east-1`.
fn listed(grants: &[(&str, String)], one_region: bool) -> String {
    let each = grants.iter().map(|(region, grant)| {
        if one_region {
            format!("{grant}/s")
        } else {
            format!("{grant}/s in {region}")
        }
    });
    format!("about {}", each.collect::<Vec<_>>().join(", "))
}

fn region_line(lane: &LaneTotals) -> String {
    let achieved = lane
        .achieved
        .map(|achieved| format!("{}/s achieved", figures::rate(achieved)));
    let parts: Vec<String> = achieved.into_iter().chain(rates(lane)).collect();
    format!(
        "    {}: {}; {}",
        lane.region,
        parts.join(", "),
        throttled(&lane.creates)
    )
}

fn rates(lane: &LaneTotals) -> impl Iterator<Item = String> {
    let in_force = format!("{}/s in force at the end", figures::rate(lane.rate));
    let granted = lane
        .grant
        .map(|grant| format!("{}/s granted", figures::rate(grant)));
    std::iter::once(in_force).chain(granted)
}

fn throttled(creates: &Requests) -> String {
    let share = figures::percent(creates.throttled_share());
    format!("{share} of creates throttled")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::device::Region;

    fn lane(region: &str, achieved: Option<f64>, rate: f64, grant: Option<f64>) -> LaneTotals {
        LaneTotals {
            region: Region::parse(region).unwrap(),
            creates: Requests {
                sent: 1_000,
                throttled: if grant.is_some() { 5 } else { 0 },
            },
            achieved,
            rate,
            grant,
        }
    }

    fn lines(ceiling: Option<f64>, lanes: Vec<LaneTotals>) -> String {
        let totals = Totals {
            creating: Duration::from_secs(20),
            achieved: lanes.iter().map(|lane| lane.achieved).sum(),
            lanes,
        };
        let pace = Pace {
            created: 12,
            creates: Requests {
                sent: 1_000,
                throttled: 5,
            },
            totals: &totals,
            ceiling,
        };
        pace.lines().join("\n")
    }

    #[test]
    fn one_region_needs_one_line() {
        let region = |rate, grant| vec![lane("eu-central-1", Some(49.87), rate, grant)];
        assert_eq!(
            lines(Some(50.0), region(50.0, None)),
            "  49.9 channels a second, 50.0/s in force at the end, at most 50; 0.50 % of creates throttled"
        );
        assert_eq!(
            lines(None, region(198.0, Some(201.2))),
            "  49.9 channels a second, 198/s in force at the end, 201/s granted; 0.50 % of creates throttled"
        );
    }

    #[test]
    fn several_regions_have_a_line_each() {
        let lanes = vec![
            lane("eu-central-1", Some(49.9), 50.0, None),
            lane("us-east-1", Some(36.8), 36.1, Some(37.2)),
        ];
        assert_eq!(
            lines(Some(50.0), lanes),
            "  86.7 channels a second, in 2 Regions, at most 50 in each; 0.50 % of creates throttled\n    \
             eu-central-1: 49.9/s achieved, 50.0/s in force at the end; 0 % of creates throttled\n    \
             us-east-1: 36.8/s achieved, 36.1/s in force at the end, 37.2/s granted; 0.50 % of creates throttled\n  \
             the service granted about 37/s in us-east-1 of the 50/s allowed: others share this quota, or it is lower"
        );
    }

    #[test]
    fn a_burst_has_no_rate() {
        let all = lines(Some(50.0), vec![lane("eu-central-1", None, 50.0, None)]);
        assert!(
            all.starts_with("  12 created in 20.0 s, 50.0/s in force"),
            "{all}"
        );
    }

    #[test]
    fn a_hint_is_given_where_the_grant_is_below_the_ceiling() {
        let hint = |ceiling, rate, grant| {
            let lanes = vec![lane("eu-central-1", Some(30.0), rate, grant)];
            lines(ceiling, lanes).lines().nth(1).map(str::to_owned)
        };
        assert_eq!(
            hint(Some(50.0), 36.1, Some(37.2)).as_deref(),
            Some(
                "  the service granted about 37/s of the 50/s allowed: others share this quota, or it is lower"
            )
        );
        for (ceiling, rate, grant) in [
            // Nothing was throttled.
            (Some(50.0), 50.0, None),
            // As much as is allowed, as far as can be measured.
            (Some(50.0), 48.5, Some(49.3)),
            // Low once, and back at the ceiling.
            (Some(50.0), 50.0, Some(20.0)),
            // No ceiling.
            (None, 36.1, Some(37.2)),
        ] {
            assert_eq!(hint(ceiling, rate, grant), None, "{ceiling:?} {grant:?}");
        }
    }
}
