//! The section of the page that holds the charts.

use maud::{Markup, PreEscaped, html};
use plotters::style::RGBColor;

use super::{grouped, took};
use crate::domain::format;
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
                (figure("Devices done over time", charts::done(&timeline), &html! {
                    span.key.done { "devices done" }
                    @if has_quota { span.key.quota { "what the quota allows (dashed)" } }
                    (grouped(timeline.done.len() as u64)) " devices in " (took(timeline.length())) " of working time"
                    @if pauses > 0 { "; " (format::count(pauses, "pause")) " of more than a minute cut out (dashed vertical lines)" }
                    "."
                }))
                (figure("Rate by second", charts::rate(&timeline), &html! {
                    @let (width, _) = timeline.rates();
                    span.key.done { "devices a second" }
                    @if has_quota { span.key.quota { "quota (dashed)" } }
                    "A bar is " (took(width)) "."
                    @if !has_quota { " The quota is unknown." }
                }))
                @if !times.is_empty() {
                    (figure("Time a device took", charts::bars(&times.bars(), "from its first attempt to its outcome"), &html! {
                        @for (percent, name) in [(50, "median"), (90, "90 %"), (99, "99 %"), (100, "longest")] {
                            @if let Some(at) = times.percentile(percent) { (name) " " (took(at)) @if percent < 100 { ", " } }
                        }
                        ", of " (format::count(times.len() as u64, "device")) "."
                    }))
                    (figure("Attempts a device", charts::bars(&spread::attempts(facts), "create requests"), &html! {
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
    let colours: [RGBColor; 3] = [charts::BLUE, charts::ORANGE, charts::VERMILION];
    figure(
        "Regions",
        charts::stacks(&stacked, &colours, "Region"),
        &html! {
            span.key.created { "created" } span.key.exists { "exists" } span.key.failed { "failed" }
            @for (name, [created, exists, failed, _]) in &regions {
                " " (name) ": " (created) " created, " (exists) " exist, " (failed) " failed."
            }
        },
    )
}

fn figure(
    title: &str,
    drawing: Result<String, Box<dyn std::error::Error>>,
    caption: &Markup,
) -> Markup {
    html! {
        figure {
            h3 { (title) }
            @match drawing {
                Ok(svg) => div.drawing role="img" aria-label=(title) { (PreEscaped(svg)) },
                Err(error) => p.note { "This chart could not be drawn: " (error.to_string()) },
            }
            figcaption { (caption) }
        }
    }
}
