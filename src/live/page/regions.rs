//! The table of accounts and Regions.

use maud::{Markup, html};

use crate::domain::format;
use crate::live::run::Snapshot;
use crate::output::html::parts::grouped;
use crate::output::stats::RegionNow;

/// The most rows: those in trouble come first, then those that work.
const MOST: usize = 200;

pub(super) fn table(now: &Snapshot) -> Markup {
    if now.regions.is_empty() {
        return html! {};
    }
    let mut rows: Vec<_> = now
        .regions
        .iter()
        .map(|region| (now.recorded.regions.of(&region.account_region), region))
        .collect();
    let has_accounts = now
        .regions
        .iter()
        .any(|region| region.account_region.account.is_some());
    if rows.len() > MOST {
        rows.sort_by_key(|(state, region)| (!state.is_trouble(), region.has_ended));
    }
    let left_out = rows.len().saturating_sub(MOST);
    html! {
        table {
            thead { tr {
                @if has_accounts { th scope="col" { "account" } }
                th scope="col" { "Region" } th scope="col" { "state" }
                @for name in ["done", "of", "failed", "a second", "grant", "ceiling", "throttled"] {
                    th.number scope="col" { (name) }
                }
            } }
            tbody {
                @for (state, region) in rows.iter().take(MOST) { tr {
                    @if has_accounts {
                        td.mono { (region.account_region.account.as_ref().map_or("own", |account| account.as_str())) }
                    }
                    td { (region.account_region.region) }
                    td.bad[state.is_trouble()] { (state.name()) }
                    td.number { (grouped(region.finished)) }
                    td.number { (grouped(region.devices)) }
                    td.number.bad[region.failed > 0] { (grouped(region.failed)) }
                    (rates(region))
                } }
            }
        }
        @if left_out > 0 { p.faint { "and " (grouped(left_out as u64)) " more" } }
    }
}

fn rates(region: &RegionNow) -> Markup {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), format::rate);
    let is_working = region.has_begun && !region.has_ended;
    let working = |value: Option<f64>| rate(value.filter(|_| is_working));
    html! {
        td.number { (working(Some(region.created_per_second))) }
        td.number { (working(region.grant)) }
        td.number { (rate(region.ceiling)) }
        td.number { (format::percent(region.creates.throttled_share())) }
    }
}
