//! The pace of a finished run as lines for the operator: the achieved rate, the rate that the service granted at the
//! end, and advice.

use super::Summary;
use crate::domain::format;
use crate::output::stats::{RegionTotals, Requests};

/// A rate within this share of the ceiling counts as the ceiling: measurements are not exact.
const SAME_RATE: f64 = 0.05;
/// A smaller share of throttled requests may be accidental,
const SERIOUS: f64 = 0.01;
/// and so may fewer throttles than this.
const SEVERAL: u64 = 5;
/// More accounts and Regions than this have no line each: the JSON and the report have them.
const MOST_LINES: usize = 8;
/// Reported if a lower rate did not reduce the throttles.
const IGNORED: &str = "a slower pace did not lower the share of throttled requests, so throttles were ignored for a while";

impl Summary {
    /// The lines: one for all Regions, one for each Region if there are several, and advice if there is any.
    pub(super) fn pace_lines(&self) -> Vec<String> {
        let regions: Vec<&RegionTotals> = self.with_creates().collect();
        let mut parts = vec![self.achieved()];
        match regions.as_slice() {
            [one] => {
                parts.extend(granted(one));
                parts.extend(self.ceiling.map(|ceiling| format!("at most {ceiling}")));
            }
            many => {
                let what = if self.accounts.is_empty() {
                    "Regions"
                } else {
                    "accounts and Regions"
                };
                parts.push(format!("in {} {what}", many.len()));
                parts.extend(
                    self.ceiling
                        .map(|ceiling| format!("at most {ceiling} in each")),
                );
            }
        }
        let all = format!(
            "  {}; {}",
            parts.join(", "),
            throttled(&self.counts.creates)
        );
        let each = regions
            .iter()
            .filter(|_| (2..=MOST_LINES).contains(&regions.len()));
        let quota_server = self.quota_server_line();
        let hint = self.hint().map(|hint| format!("  {hint}"));
        std::iter::once(all)
            .chain(each.map(|region| region_line(region)))
            .chain(quota_server)
            .chain(hint)
            .collect()
    }

    /// What the quota server said: the hosts, and the rate that they share.
    fn quota_server_line(&self) -> Option<String> {
        let address = self.quota_server.as_ref()?;
        let sharing = self.with_creates().filter_map(|region| region.sharing);
        let last = sharing
            .filter_map(|sharing| sharing.last)
            .max_by_key(|last| last.most_hosts);
        let mut parts = vec![match last {
            None => "not joined: this host was alone".to_owned(),
            Some(last) if last.most_hosts == 1 => "no other host took part".to_owned(),
            Some(last) => {
                let rate = format::rate(last.rate);
                format!("up to {} hosts shared {rate}/s", last.most_hosts)
            }
        }];
        let outages = self.counts.quota_server_outages;
        if outages > 0 {
            parts.push(format!("lost {}", format::count(outages, "time")));
        }
        Some(format!("  quota server {address}: {}", parts.join(", ")))
    }

    fn with_creates(&self) -> impl Iterator<Item = &RegionTotals> {
        let regions = self.totals.regions.iter();
        regions.filter(|region| region.creates.sent > 0)
    }

    /// A burst has no rate: its number of channels is reported.
    fn achieved(&self) -> String {
        match self.totals.achieved {
            Some(achieved) => format!("{} channels a second", format::rate(achieved)),
            None => format!(
                "{} created in {}",
                self.counts.created,
                format::took(self.totals.creating)
            ),
        }
    }

    /// Advice about throttles and a rate below `--rate`; `None` if nothing was throttled. A service that throttles at
    /// the ceiling cannot have granted more.
    fn hint(&self) -> Option<String> {
        let ignored = self
            .with_creates()
            .any(|region| region.has_ignored_throttles);
        let ignored = ignored.then(|| IGNORED.to_owned());
        let parts: Vec<String> = self.shared().into_iter().chain(ignored).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// This run's share of a quota that others use too.
    fn shared(&self) -> Option<String> {
        let ceiling = self.ceiling?;
        let low = ceiling * (1.0 - SAME_RATE);
        let ours: Vec<_> = self
            .with_creates()
            .filter(|region| is_kept_low(region, low))
            .filter_map(|region| {
                Some((
                    region.account_region.to_string(),
                    format::about(region.achieved?),
                ))
            })
            .collect();
        let one_region = self.with_creates().nth(1).is_none();
        (!ours.is_empty()).then(|| {
            format!(
                "others share this quota, or it is lower: {} of {ceiling}/s were ours",
                listed(&ours, one_region)
            )
        })
    }
}

/// Whether throttles kept a Region's rate below this one.
fn is_kept_low(region: &RegionTotals, low: f64) -> bool {
    let is_low = |rate: Option<f64>| rate.is_some_and(|rate| rate < low);
    let creates = region.creates;
    let is_serious = creates.throttled >= SEVERAL && creates.throttled_share() >= SERIOUS;
    // A rate that has returned to the ceiling after a single throttle was not kept below it.
    let stays_low = is_low(region.grant) && region.rate < low;
    region.grant.is_some() && is_low(region.achieved) && (is_serious || stays_low)
}

/// `about 37/s`, or with several Regions `about 37/s in eu-central-1, 20/s in us-east-1`.
fn listed(grants: &[(String, String)], one_region: bool) -> String {
    let each = grants.iter().map(|(region, grant)| {
        if one_region {
            format!("{grant}/s")
        } else {
            format!("{grant}/s in {region}")
        }
    });
    format!("about {}", each.collect::<Vec<_>>().join(", "))
}

fn region_line(region: &RegionTotals) -> String {
    let achieved = region
        .achieved
        .map(|achieved| format!("{}/s achieved", format::rate(achieved)));
    let rates: Vec<String> = achieved.into_iter().chain(granted(region)).collect();
    let mut parts = vec![rates.join(", "), throttled(&region.creates)];
    parts.retain(|part| !part.is_empty());
    format!("    {}: {}", region.account_region, parts.join("; "))
}

fn granted(region: &RegionTotals) -> Option<String> {
    let grant = region.grant?;
    Some(format!("{}/s granted at the end", format::rate(grant)))
}

fn throttled(creates: &Requests) -> String {
    let share = format::percent(creates.throttled_share());
    format!("{share} of creates throttled")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::device::Region;
    use crate::engine::pace::sharing::{SharedRate, Sharing};
    use crate::output::stats::{RunCounts, Totals};

    fn region(region: &str, achieved: Option<f64>, rate: f64, grant: Option<f64>) -> RegionTotals {
        RegionTotals {
            account_region: Region::parse(region).unwrap().into(),
            creates: Requests {
                sent: 1_000,
                throttled: if grant.is_some() { 5 } else { 0 },
            },
            achieved,
            rate,
            ceiling: Some(50.0),
            grant,
            sharing: None,
            has_ignored_throttles: false,
        }
    }

    fn lines(ceiling: Option<f64>, regions: Vec<RegionTotals>) -> String {
        let summary = Summary {
            counts: RunCounts {
                created: 12,
                creates: Requests {
                    sent: 1_000,
                    throttled: 5,
                },
                ..RunCounts::default()
            },
            totals: Totals {
                accounts: std::collections::BTreeMap::new(),
                creating: Duration::from_secs(20),
                achieved: regions.iter().map(|region| region.achieved).sum(),
                regions,
                throttles: None,
                left: std::collections::BTreeMap::new(),
            },
            ceiling,
            ..Summary::default()
        };
        summary.pace_lines().join("\n")
    }

    #[test]
    fn one_region_has_one_line() {
        let region = |rate, grant| vec![region("eu-central-1", Some(49.87), rate, grant)];
        assert_eq!(
            lines(Some(50.0), region(50.0, None)),
            "  49.9 channels a second, at most 50; 0.50 % of creates throttled"
        );
        assert_eq!(
            lines(None, region(198.0, Some(201.2))),
            "  49.9 channels a second, 201/s granted at the end; 0.50 % of creates throttled"
        );
    }

    #[test]
    fn the_quota_server_has_a_line() {
        let line = |last: Option<(f64, u32)>, outages| {
            let mut one = region("eu-central-1", Some(3.1), 3.1, None);
            one.sharing = Some(Sharing {
                is_joined: true,
                last: last.map(|(rate, hosts)| SharedRate {
                    rate,
                    hosts: 1,
                    most_hosts: hosts,
                    was_cut: false,
                }),
            });
            let summary = Summary {
                quota_server: Some("redis://quota:6379".to_owned()),
                counts: RunCounts {
                    quota_server_outages: outages,
                    ..RunCounts::default()
                },
                totals: Totals {
                    regions: vec![one],
                    ..Totals::default()
                },
                ..Summary::default()
            };
            summary.quota_server_line().unwrap()
        };
        let lead = "  quota server redis://quota:6379: ";
        for (last, outages, expected) in [
            (Some((50.0, 16)), 0, "up to 16 hosts shared 50.0/s"),
            (Some((50.0, 1)), 2, "no other host took part, lost 2 times"),
            (None, 0, "not joined: this host was alone"),
        ] {
            assert_eq!(line(last, outages), format!("{lead}{expected}"));
        }
    }

    #[test]
    fn several_regions_have_a_line_each() {
        let regions = vec![
            region("eu-central-1", Some(49.9), 50.0, None),
            region("us-east-1", Some(36.8), 36.1, Some(37.2)),
        ];
        assert_eq!(
            lines(Some(50.0), regions),
            "  86.7 channels a second, in 2 Regions, at most 50 in each; 0.50 % of creates throttled\n    \
             eu-central-1: 49.9/s achieved; 0 % of creates throttled\n    \
             us-east-1: 36.8/s achieved, 37.2/s granted at the end; 0.50 % of creates throttled\n  \
             others share this quota, or it is lower: about 37/s in us-east-1 of 50/s were ours"
        );
    }

    #[test]
    fn a_burst_has_no_rate() {
        let all = lines(Some(50.0), vec![region("eu-central-1", None, 50.0, None)]);
        assert!(
            all.starts_with("  12 created in 20.0 s, at most 50"),
            "{all}"
        );
    }

    fn hint(ceiling: Option<f64>, region: RegionTotals) -> Option<String> {
        let all = lines(ceiling, vec![region]);
        all.lines().nth(1).map(str::to_owned)
    }

    #[test]
    fn there_is_advice_if_throttles_kept_the_rate_below_the_ceiling() {
        let low = region("eu-central-1", Some(30.0), 36.1, Some(37.2));
        assert_eq!(
            hint(Some(50.0), low).as_deref(),
            Some("  others share this quota, or it is lower: about 30/s of 50/s were ours")
        );
        // Too short to have a rate.
        let burst = region("eu-central-1", None, 11.0, Some(12.3));
        assert_eq!(hint(Some(50.0), burst), None);
        // The other hosts have ended; their throttles were counted before.
        let mut alone = region("eu-central-1", Some(21.0), 50.0, Some(50.0));
        alone.creates.throttled = 40;
        assert_eq!(
            hint(Some(50.0), alone).as_deref(),
            Some("  others share this quota, or it is lower: about 21/s of 50/s were ours")
        );
    }

    #[test]
    fn throttles_that_were_ignored_are_reported() {
        let mut region = region("eu-central-1", Some(16.0), 50.0, Some(16.2));
        region.creates.throttled = 600;
        region.has_ignored_throttles = true;
        assert_eq!(
            hint(Some(50.0), region.clone()).as_deref(),
            Some(
                "  others share this quota, or it is lower: about 16/s of 50/s were ours; a slower pace did not lower \
                 the share of throttled requests, so throttles were ignored for a while"
            )
        );
        let no_ceiling = hint(None, region).unwrap();
        assert!(
            no_ceiling.starts_with("  a slower pace did not"),
            "{no_ceiling}"
        );
    }

    #[test]
    fn there_is_no_advice_without_throttles_below_the_ceiling() {
        for (ceiling, achieved, rate, grant) in [
            // Nothing was throttled.
            (Some(50.0), 30.0, 50.0, None),
            // The rate is the ceiling, within the measurement error.
            (Some(50.0), 48.1, 48.5, Some(49.3)),
            // The rate was low once and is back at the ceiling.
            (Some(50.0), 40.0, 50.0, Some(20.0)),
            // There is no ceiling.
            (None, 30.0, 36.1, Some(37.2)),
        ] {
            let region = region("eu-central-1", Some(achieved), rate, grant);
            assert_eq!(hint(ceiling, region), None, "{ceiling:?} {grant:?}");
        }
    }
}
