//! The section of the page with all rows: the frame of the table, which the script fills, and its tools.

use maud::{Markup, html};

use crate::output::html::parts::{grouped, note};
use crate::output::report::facts::{Facts, STATUSES};
use crate::results::record::Status;

/// A column of the table: its name, whether it is a number, and its share of the width.
type Column = (&'static str, bool, u32);

/// The columns. The script knows them by their place.
const COLUMNS: [Column; 11] = [
    ("device", false, 15),
    ("channel", false, 13),
    ("account", false, 15),
    ("Region", false, 12),
    ("status", false, 9),
    ("attempts", true, 9),
    ("started", false, 19),
    ("took", true, 8),
    ("error", false, 16),
    ("message", false, 20),
    ("ARN", false, 34),
];

/// Whether a column says something that the page's head does not say for all rows.
fn is_needed(facts: &Facts, name: &str) -> bool {
    match name {
        "channel" => facts.rows.iter().any(|row| {
            let name = row.channel_name.as_deref();
            row.status != Status::Invalid && name.is_some()
        }),
        "account" => facts.account_names().len() > 1,
        "Region" => facts.region_names().len() > 1,
        "attempts" => facts.rows.iter().any(|row| row.attempts > 1),
        "error" | "message" => facts.rows.iter().any(|row| row.code > 0 || row.message > 0),
        "ARN" => facts.rows.iter().any(|row| !row.arn.is_empty()),
        _ => true,
    }
}

pub(super) fn devices(facts: &Facts) -> Markup {
    let columns = COLUMNS.iter().enumerate();
    let columns: Vec<(usize, &Column)> = columns
        .filter(|(_, (name, ..))| is_needed(facts, name))
        .collect();
    let all: u32 = columns.iter().map(|(_, (.., width))| width).sum();
    html! {
        section aria-labelledby="devices" {
            h2 id="devices" { "Devices" }
            noscript { (note(&html! { "The table needs JavaScript; totals and failures above are complete without it." })) }
            div.tools {
                input id="search" type="search" placeholder="Search: ID, channel, account, Region, error, ARN…" aria-label="Search the rows" autocomplete="off" spellcheck="false";
                select id="status" aria-label="Status" {
                    option value="" { "all statuses" }
                    @for (place, status) in STATUSES.iter().enumerate() {
                        @if facts.count(*status) > 0 { option value=(place) { (status.as_str()) } }
                    }
                }
                button id="download" type="button" { "Download these rows (CSV)" }
                span.faint id="count" role="status" { (grouped(facts.rows.len() as u64)) }
            }
            div id="rows" tabindex="0" role="region" aria-label="Rows" {
                table style={ "min-width:" (all * 7 / 10 + 6) "rem" } {
                    colgroup {
                        @for (_, (.., width)) in &columns { col style={ "width:" (width * 100 / all) "%" }; }
                        col.act;
                    }
                    thead { tr {
                        @for (place, (name, is_number, _)) in &columns {
                            th.number[*is_number] scope="col" data-column=(place) { button type="button" title="Sort" { (name) } }
                        }
                        th.act scope="col" { span.spoken { "copy" } }
                    } }
                    tbody {}
                }
            }
            p.spoken id="said" role="status" {}
            p.faint.screen { "Arrow keys move between the rows' copy buttons. Printed, the table holds its first 5,000 rows: search to choose them." }
        }
    }
}
