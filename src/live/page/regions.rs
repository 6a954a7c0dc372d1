//! The table of accounts and Regions.

use maud::{Markup, html};

use crate::domain::format;
use crate::live::region_states::RegionState;
use crate::live::run::Snapshot;
use crate::output::html::parts::grouped;
use crate::output::progress::Subject;
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
        .map(|region| (state(now, region), region))
        .collect();
    let working = match now.subject {
        Subject::Devices => "creating",
        Subject::Deletions => "deleting",
        Subject::Answers => "verifying",
    };
    let is_creating = matches!(now.subject, Subject::Devices);
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
                @for name in ["finished", "of", "failed"] { th.number scope="col" { (name) } }
                @if is_creating {
                    @for name in ["a second", "granted", "ceiling", "throttled"] { th.number scope="col" { (name) } }
                }
            } }
            tbody {
                @for (state, region) in rows.iter().take(MOST) { tr {
                    @if has_accounts {
                        td.mono { (region.account_region.account.as_ref().map_or("own", |account| account.as_str())) }
                    }
                    td { (region.account_region.region) }
                    td.bad[state.is_trouble()] { (state.name(working)) }
                    td.number { (grouped(region.finished)) }
                    td.number { (grouped(region.devices)) }
                    td.number.bad[region.failed > 0] { (grouped(region.failed)) }
                    @if is_creating { (rates(region)) }
                } }
            }
        }
        @if left_out > 0 { p.faint { "and " (grouped(left_out as u64)) " more" } }
    }
}

/// A Region is done when its devices are finished, and only then.
fn state(now: &Snapshot, region: &RegionNow) -> RegionState {
    let state = now.recorded.regions.of(&region.account_region);
    let is_finished = region.finished >= region.devices;
    match state {
        RegionState::Working if is_finished && region.devices > 0 => RegionState::Done,
        RegionState::Done if !is_finished => RegionState::Stopped("stopped"),
        _ => state,
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
