//! The chart of the rate over the last minutes. It looks as that of the report: what was throttled is on top of what was done,
//! the ceiling is dashed, and the grant is a solid line.

use maud::{Markup, html};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::domain::format;
use crate::live::history::{History, Sample};
use crate::live::run::Snapshot;
use crate::output::html::chart::{
    Chart, Drawn, DrawnIn, INK, ORANGE, OverTime, Size, TimeChart, chart, dashed, font, rate_label,
    stack,
};

/// There are at most this many bars.
const MOST_BARS: usize = 100;

/// What was done and throttled, the grant and the ceiling.
pub(super) fn rate(history: &History) -> Chart {
    let bars = bars(history);
    chart(Size::Full, |size| drawn(size, &bars))
}

/// The samples, so many together that the bars are not too narrow.
fn bars(history: &History) -> Vec<Sample> {
    let samples: Vec<Sample> = history.samples().copied().collect();
    let together = samples.len().div_ceil(MOST_BARS).max(1);
    samples.chunks(together).filter_map(mean).collect()
}

/// The mean of neighbouring samples, each weighted by its length.
fn mean(samples: &[Sample]) -> Option<Sample> {
    let (first, last) = (samples.first()?, samples.last()?);
    let length = last.to - first.from;
    let mean = |rate: fn(&Sample) -> f64| {
        let each = samples.iter();
        let sum: f64 = each
            .map(|sample| rate(sample) * (sample.to - sample.from))
            .sum();
        sum / length
    };
    Some(Sample {
        from: first.from,
        done_per_second: mean(|sample| sample.done_per_second),
        throttled_per_second: mean(|sample| sample.throttled_per_second),
        ..*last
    })
}

fn drawn(size: Size, bars: &[Sample]) -> Drawn {
    let heights = bars.iter().flat_map(|bar| {
        let limits = [bar.ceiling, bar.grant].into_iter().flatten();
        limits.chain([bar.done_per_second + bar.throttled_per_second])
    });
    // With room for labels.
    let highest = 1.12 * heights.fold(0.0, f64::max);
    let axes = OverTime {
        time: "time since the run began",
        from: bars.first().map_or(0.0, |bar| bar.from),
        to: bars.last().map_or(1.0, |bar| bar.to),
        highest,
        what: "per second",
        label: &rate_label,
        pauses: &[],
    };
    axes.draw(size, |chart| {
        for bar in bars {
            let time = (bar.from, bar.to);
            stack(chart, time, bar.done_per_second, bar.throttled_per_second)?;
        }
        for line in lines(bars, |bar| bar.ceiling) {
            chart.draw_series(std::iter::once(dashed(line, ORANGE)))?;
        }
        for line in lines(bars, |bar| bar.grant) {
            let solid = PathElement::new(line, INK.stroke_width(2));
            chart.draw_series(std::iter::once(solid))?;
        }
        labels(chart, bars)
    })
}

/// The stretches over which a limit is known, as lines.
fn lines(bars: &[Sample], limit: fn(&Sample) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let known = bars.chunk_by(|one, other| limit(one).is_some() == limit(other).is_some());
    let points = known.map(|bars| {
        let steps = bars.iter().filter_map(|bar| {
            let limit = limit(bar)?;
            Some([(bar.from, limit), (bar.to, limit)])
        });
        steps.flatten().collect()
    });
    points
        .filter(|points: &Vec<_>| !points.is_empty())
        .collect()
}

/// Writes the ceiling at the start of its line, and the grant at its end.
fn labels<'b>(chart: &mut TimeChart<'_, 'b>, bars: &[Sample]) -> DrawnIn<'b> {
    let ceiling = bars.iter().find_map(|bar| Some((bar.from, bar.ceiling?)));
    let grant = bars.iter().rev().find_map(|bar| Some((bar.to, bar.grant?)));
    for (limit, name, colour, (side, offset)) in [
        (ceiling, "ceiling", ORANGE, (HPos::Left, 5)),
        (grant, "granted", INK, (HPos::Right, -5)),
    ] {
        let Some((at, rate)) = limit else { continue };
        let style = font().color(&colour).pos(Pos::new(side, VPos::Bottom));
        let text = Text::new(
            format!("{name} {}", format::about(rate)),
            (offset, -3),
            style,
        );
        chart.draw_series(std::iter::once(EmptyElement::at((at, rate)) + text))?;
    }
    Ok(())
}

/// What the colours and lines are.
pub(super) fn caption(now: &Snapshot, done: &str) -> Markup {
    let samples = || now.history.samples();
    let throttled = samples().any(|sample| sample.throttled_per_second > 0.0);
    html! {
        span.key.blue { (done) }
        @if throttled { span.key.vermilion { "throttled, and sent again" } }
        @if samples().any(|sample| sample.ceiling.is_some()) { span.line.orange { "ceiling (--rate) of the Regions at work" } }
        @if samples().any(|sample| sample.grant.is_some()) { span.line.ink { "what the service grants" } }
    }
}
