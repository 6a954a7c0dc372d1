//! The section of the page on rows without a channel: what to do, and for which devices.

use indexmap::IndexMap;
use maud::{Markup, html};

use crate::domain::device::visible;
use crate::domain::error_codes;
use crate::domain::format;
use crate::output::html::parts::{grouped, scrolling, upper};
use crate::output::report::facts::{Fact, Facts};

/// The most devices of an error code that are listed outside of the table.
const LISTED: usize = 200;

/// Error codes with at most this many devices list them without a click.
const FEW: usize = 20;

pub(super) fn failures(facts: &Facts) -> Markup {
    let failures = facts.failures();
    html! {
        section aria-labelledby="failures" {
            h2 id="failures" { "Failures" }
            @if failures.is_empty() {
                p { "None: every valid row has its channel, or a rollback deleted it." }
            }
            @for (place, (code, rows)) in failures.iter().enumerate() { (failure(facts, place, code, rows)) }
            @if !failures.is_empty() { (correction(facts)) }
        }
    }
}

fn failure(facts: &Facts, place: usize, code: &str, rows: &[&Fact]) -> Markup {
    let id = format!("failure-{place}");
    let name = if code.is_empty() {
        "without a code".to_owned()
    } else {
        visible(code)
    };
    html! {
        div.failure {
            h3 id=(id) { code { (name) } " – " (format::count(rows.len() as u64, "row")) }
            p { strong { "What to do: " } (upper(error_codes::hint(code))) "." }
            div.tools hidden {
                button type="button" data-show=(code) { "Show in the table" }
                button type="button" data-ids=(code) { "Copy the device IDs" }
            }
            details open[rows.len() <= FEW] {
                summary { "Devices" }
                (scrolling(&format!("devices with {name}"), true, &devices(facts, rows)))
                @if rows.len() > LISTED {
                    p.faint { "and " (grouped((rows.len() - LISTED) as u64)) " more in the table below" }
                }
            }
        }
    }
}

/// The devices by message, in the file's order.
fn devices(facts: &Facts, rows: &[&Fact]) -> Markup {
    let mut by_message: IndexMap<&str, Vec<&Fact>> = IndexMap::new();
    for row in rows.iter().take(LISTED) {
        by_message.entry(facts.message(row)).or_default().push(row);
    }
    html! {
        table {
            thead { tr { th scope="col" { "devices" } th scope="col" { "message" } } }
            tbody { @for (message, rows) in by_message { tr {
                td.ids { @for row in rows { (device(row)) " " } }
                td.message { bdi { (visible(message)) } }
            } } }
        }
    }
}

fn device(row: &Fact) -> Markup {
    let id = if row.device_id.is_empty() {
        "(no device ID)".to_owned()
    } else {
        visible(&row.device_id)
    };
    html! { bdi.mono { (id) } }
}

/// The command that writes a manifest of these rows.
fn correction(facts: &Facts) -> Markup {
    let mut manifests = facts
        .provisioning()
        .filter_map(|run| run.start.manifest.as_deref());
    let manifest = manifests.next_back().filter(|manifest| *manifest != "-");
    let manifest = manifest.map_or_else(|| "MANIFEST".to_owned(), visible);
    let results = visible(&facts.results.display().to_string());
    html! {
        p.faint { "To correct these rows, write a manifest of them: "
            code { "kvs-fleet report " (results) " --failed corrected.csv --manifest " (manifest) }
        }
    }
}
