//! The section of the page that holds the charts: only those that say something about this batch.

use maud::{Markup, html};

use crate::domain::format;
use crate::output::html::chart::{Size, chart, count, seconds};
use crate::output::html::parts::{figure, grouped, took};
use crate::output::report::charts;
use crate::output::report::facts::Facts;
use crate::output::report::limits::Limits;
use crate::output::report::spread::{self, Times};
use crate::output::report::timeline::Timeline;

/// A shorter batch, in milliseconds, or one of fewer devices, has no rate worth a chart.
const BURST: i64 = 2_000;
const FEW: usize = 20;

/// So far from a straight line, as a share of the whole, no device of a batch is that was done evenly.
const STRAIGHT: f64 = 0.03;

pub(super) fn drawings(facts: &Facts) -> Markup {
    let (timeline, times) = (Timeline::new(facts), Times::new(facts));
    let mut limits = Limits::new(facts, &timeline);
    let far = limits.take_far_quotas(&timeline);
    let drawn: Vec<Markup> = [
        pace(&timeline, &limits, far),
        done(&timeline, &limits),
        spread(&times),
        attempts(facts),
    ]
    .into_iter()
    .flatten()
    .collect();
    if drawn.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="charts" {
            h2 id="charts" { "Charts" }
            div.charts { @for figure in &drawn { (figure) } }
        }
    }
}

fn is_burst(timeline: &Timeline, devices: usize) -> bool {
    timeline.length() < BURST || devices < FEW
}

/// Whether the devices were done so evenly that their line is straight: then the rate says all.
fn is_straight(timeline: &Timeline) -> bool {
    let (length, total) = (seconds(timeline.length()), count(timeline.done.len()));
    let mut done = timeline.done.iter().enumerate();
    done.all(|(before, at)| (count(before) / total - seconds(*at) / length).abs() < STRAIGHT)
}

/// The rate, what limited it, and the throttles.
fn pace(timeline: &Timeline, limits: &Limits, far: Option<f64>) -> Option<Markup> {
    if is_burst(timeline, timeline.sent.len()) {
        return None;
    }
    let drawing = chart(Size::Full, |size| charts::pace(timeline, limits, size));
    let is_one = limits
        .quotas
        .windows(2)
        .all(|pair| pair[0].per_second.to_bits() == pair[1].per_second.to_bits());
    let untimed: u64 = limits.untimed.iter().sum();
    let caption = html! {
        span.key.blue { "devices done" }
        @if !limits.throttled.is_empty() { span.key.vermilion { "throttled requests, on top of them" } }
        @if let Some(far) = far {
            "The quota of " (format::about(far)) " a second is far above. "
        } @else if limits.quotas.is_empty() {
            "The quota is unknown. "
        } @else {
            span.line.orange { @if is_one { "quota" } @else { "quota of the accounts and Regions that still create" } }
        }
        @if !limits.grants.is_empty() { span.line.ink { "what the service granted, measured when it throttled" } }
        @if untimed > 0 { (format::count(untimed, "request")) " throttled at a time that the runs log does not have. " }
        @if timeline.stretches.len() > 1 { "Pauses of more than a minute are cut out (dashed vertical lines)." }
    };
    Some(figure("Rate", &drawing, true, &caption))
}

fn done(timeline: &Timeline, limits: &Limits) -> Option<Markup> {
    if is_burst(timeline, timeline.done.len()) || is_straight(timeline) {
        return None;
    }
    let drawing = chart(Size::Half, |size| charts::done(timeline, limits, size));
    let caption = html! {
        span.key.blue { "devices done" }
        @if !limits.quotas.is_empty() { span.line.orange { "what the quota allows" } }
        (grouped(timeline.done.len() as u64)) " devices in " (took(timeline.length())) " of working time."
    };
    Some(figure("Devices done", &drawing, false, &caption))
}

fn spread(times: &Times) -> Option<Markup> {
    let distribution = times.distribution()?;
    let drawing = chart(Size::Half, |size| {
        charts::bars(&distribution.bars, &distribution.axis, size)
    });
    let caption = html! {
        "From its first attempt to its outcome: "
        @for (percent, name) in [(50, "median"), (90, "90 %"), (99, "99 %"), (100, "longest")] {
            @if let Some(at) = times.percentile(percent) { (name) " " (took(at)) @if percent < 100 { ", " } }
        }
        ", of " (format::count(times.len() as u64, "device")) "."
    };
    Some(figure("Time a device took", &drawing, false, &caption))
}

fn attempts(facts: &Facts) -> Option<Markup> {
    let attempts = spread::attempts(facts);
    if attempts.is_empty() {
        return None;
    }
    let drawing = chart(Size::Half, |size| {
        charts::bars(&attempts, "create requests", size)
    });
    let caption = html! {
        "Create requests sent for a device in the run that finished it, throttled ones included."
    };
    Some(figure("Attempts a device", &drawing, false, &caption))
}
