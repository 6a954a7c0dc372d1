//! The section of the page on accounts and Regions, where there are several.

use maud::{Markup, html};

use crate::domain::format;
use crate::output::html::parts::{grouped, scrolling};
use crate::output::report::facts::Facts;
use crate::output::report::outcomes::{self, OF_DEVICES, Outcomes};
use crate::output::report::rates;
use crate::results::record::Status;

/// The colours of the statuses, as classes.
const COLOURS: [&str; OF_DEVICES.len()] = ["blue", "orange", "vermilion", "grey"];

pub(super) fn places(facts: &Facts) -> Markup {
    let outcomes = outcomes::by_account_region(facts);
    if outcomes.len() < 2 {
        return html! {};
    }
    let rates = rates::by_account_region(facts);
    let has_accounts = facts.has_several_accounts();
    let title = if has_accounts {
        "Accounts and Regions"
    } else {
        "Regions"
    };
    let most: u64 = outcomes
        .values()
        .map(|counts| counts.iter().sum())
        .max()
        .unwrap_or(1);
    let used: Vec<usize> = (0..OF_DEVICES.len())
        .filter(|status| *status == 0 || outcomes.values().any(|counts| counts[*status] > 0))
        .collect();
    html! {
        section aria-labelledby="places" {
            h2 id="places" { (title) }
            (scrolling("places", true, &html! { table.places {
                thead { tr {
                    @if has_accounts { th scope="col" { "account" } }
                    th scope="col" { "Region" }
                    @for status in &used { th.number scope="col" { (OF_DEVICES[*status].as_str()) } }
                    th.bar aria-hidden="true" {
                        @for status in &used { span class={ "key " (COLOURS[*status]) } { (OF_DEVICES[*status].as_str()) } }
                    }
                    @if !rates.is_empty() { th.number scope="col" { "a second" } th.number scope="col" { "of the quota" } }
                } }
                tbody { @for ((account, region), counts) in &outcomes { tr {
                    @if has_accounts { td.mono { @if account.is_empty() { "unknown" } @else { (account) } } }
                    td { (region) }
                    @for status in &used {
                        @let count = counts[*status];
                        td.number.bad[OF_DEVICES[*status] == Status::Failed && count > 0] { (grouped(count)) }
                    }
                    td.bar aria-hidden="true" { (bar(counts, most)) }
                    @if !rates.is_empty() {
                        @let rate = rates.get(&((*account).to_owned(), (*region).to_owned()));
                        td.number { @if let Some(rate) = rate { (format::rate(rate.per_second())) } }
                        td.number { @if let Some(share) = rate.and_then(rates::Rate::of_quota) { (format::percent(share)) } }
                    }
                } } }
            } }))
        }
    }
}

/// A bar with a part for each status. Its numbers are beside it.
fn bar(counts: &Outcomes, most: u64) -> Markup {
    let parts = counts.iter().zip(COLOURS).filter(|(count, _)| **count > 0);
    html! {
        div { @for (count, colour) in parts {
            span class=(colour) style={ "width:" (format!("{:.2}", share(*count, most) * 100.0)) "%" } {}
        } }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of devices")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
