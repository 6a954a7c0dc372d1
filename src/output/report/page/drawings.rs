//! The section of the page that holds the charts.

use maud::{Markup, html};
use plotters::style::RGBColor;

use crate::domain::format;
use crate::output::html::chart::{BLUE, ORANGE, Size, VERMILION, chart};
use crate::output::html::parts::{figure, grouped, took};
use crate::output::report::charts;
use crate::output::report::facts::Facts;
use crate::output::report::outcomes;
use crate::output::report::spread::{self, Times};
use crate::output::report::timeline::Timeline;

pub(super) fn drawings(facts: &Facts) -> Markup {
    let (timeline, times) = (Timeline::new(facts), Times::new(facts));
    let has_quota = timeline
        .stretches
        .iter()
        .any(|stretch| stretch.quota.is_some());
    let pauses = timeline.stretches.len().saturating_sub(1) as u64;
    if timeline.done.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="charts" {
            h2 id="charts" { "Charts" }
            div.charts {
                (figure("Devices done over time", &chart(Size::Half, |size| charts::done(&timeline, size)), false, &html! {
                    span.key.blue { "devices done" }
                    @if has_quota { span.key.orange { "what the quota allows (dashed)" } }
                    (grouped(timeline.done.len() as u64)) " devices in " (took(timeline.length())) " of working time"
                    @if pauses > 0 { "; " (format::count(pauses, "pause")) " of more than a minute cut out (dashed vertical lines)" }
                    "."
                }))
                (figure("Rate by second", &chart(Size::Full, |size| charts::rate(&timeline, size)), true, &html! {
                    @let (width, _) = timeline.rates();
                    span.key.blue { "devices a second" }
                    @if has_quota { span.key.orange { "quota (dashed)" } }
                    "A bar is " (took(width)) "."
                    @if !has_quota { " The quota is unknown." }
                }))
                @if !times.is_empty() {
                    (figure("Time a device took", &chart(Size::Half, |size| charts::bars(&times.bars(), "from its first attempt to its outcome", size)), false, &html! {
                        @for (percent, name) in [(50, "median"), (90, "90 %"), (99, "99 %"), (100, "longest")] {
                            @if let Some(at) = times.percentile(percent) { (name) " " (took(at)) @if percent < 100 { ", " } }
                        }
                        ", of " (format::count(times.len() as u64, "device")) "."
                    }))
                    (figure("Attempts a device", &chart(Size::Half, |size| charts::bars(&spread::attempts(facts), "create requests", size)), false, &html! {
                        "Create requests sent for a device in the run that finished it, throttled ones included."
                    }))
                }
                @if !facts.has_several_accounts() { (regions(facts)) }
            }
        }
    }
}

/// The outcomes by Region.
fn regions(facts: &Facts) -> Markup {
    let regions = outcomes::by_region(facts);
    let stacked: Vec<_> = regions
        .iter()
        .map(|(name, [created, exists, failed, _])| {
            ((*name).to_owned(), vec![*created, *exists, *failed])
        })
        .collect();
    let colours: [RGBColor; 3] = [BLUE, ORANGE, VERMILION];
    figure(
        "Regions",
        &chart(Size::Half, |size| {
            charts::stacks(&stacked, &colours, "Region", size)
        }),
        false,
        &html! {
            span.key.blue { "created" } span.key.orange { "exists" } span.key.vermilion { "failed" }
            @for (name, [created, exists, failed, _]) in &regions {
                " " (name) ": " (created) " created, " (exists) " exist, " (failed) " failed."
            }
        },
    )
}
