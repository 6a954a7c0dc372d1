//! The chart of the rate over the last minutes.

use maud::{Markup, html};
use plotters::prelude::*;

use crate::domain::format;
use crate::live::history::{History, Sample};
use crate::live::run::Snapshot;
use crate::output::html::chart::{
    BLUE, Chart, DrawnIn, INK, MESH, ORANGE, Size, TimeChart, VERMILION, chart, clock, dashed,
    draw, font, top,
};
use crate::output::progress::Subject;

/// A bar is so many seconds wide that there are at most this many.
const MOST_BARS: usize = 100;

/// Rates above this value are not shown as they are in the label of an axis.
const MANY: f64 = 10.0;

/// The rate, the grant and the ceiling, and what was throttled.
pub(super) fn rate(history: &History, subject: Subject) -> Chart {
    let bars = bars(history);
    let what = match subject {
        Subject::Devices => "channels a second",
        Subject::Deletions => "deletions a second",
        Subject::Answers => "answers a second",
    };
    chart(Size::Full, |size| drawn(size, &bars, what))
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
        let sum: f64 = samples
            .iter()
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

fn drawn(size: Size, bars: &[Sample], what: &str) -> crate::output::html::chart::Drawn {
    let from = bars.first().map_or(0.0, |bar| bar.from);
    let to = bars.last().map_or(1.0, |bar| bar.to);
    let each = bars.iter().flat_map(|bar| {
        let limits = [bar.ceiling, bar.grant].into_iter().flatten();
        limits.chain([bar.done_per_second, bar.throttled_per_second])
    });
    let highest = top(each.fold(0.0, f64::max));
    draw(size, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(from..to, 0.0..highest)?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(MESH)
            .light_line_style(TRANSPARENT)
            .label_style(font())
            .x_labels(if size == Size::Narrow { 4 } else { 11 })
            .y_labels(6)
            .x_label_formatter(&|at| clock(*at))
            .y_label_formatter(&|rate| label(*rate))
            .x_desc("time since the run began")
            .y_desc(what)
            .draw()?;
        rectangles(&mut chart, bars)?;
        let highest = |limit: fn(&Sample) -> Option<f64>| lines(bars, limit);
        limit(&mut chart, highest(|bar| bar.ceiling), INK, "ceiling")?;
        limit(&mut chart, highest(|bar| bar.grant), ORANGE, "granted")?;
        Ok(())
    })
}

/// What was done as wide bars, and what was throttled as narrow ones in front of them.
fn rectangles<'b>(chart: &mut TimeChart<'_, 'b>, bars: &[Sample]) -> DrawnIn<'b> {
    let done = bars.iter().map(|bar| {
        let (from, to) = (bar.from, bar.to);
        Rectangle::new([(from, 0.0), (to, bar.done_per_second)], BLUE.filled())
    });
    chart.draw_series(done)?;
    let throttled = bars.iter().filter(|bar| bar.throttled_per_second > 0.0);
    let throttled = throttled.map(|bar| {
        let (from, to) = (bar.from, bar.to);
        let inset = (to - from) * 0.3;
        let corners = [(from + inset, 0.0), (to - inset, bar.throttled_per_second)];
        Rectangle::new(corners, VERMILION.filled())
    });
    chart.draw_series(throttled)?;
    Ok(())
}

/// The stretches over which a limit is known, as lines.
fn lines(bars: &[Sample], limit: fn(&Sample) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let known = bars.chunk_by(|one, other| limit(one).is_some() == limit(other).is_some());
    let points = known.map(|bars| {
        let steps = bars.iter().filter_map(|bar| {
            let limit = limit(bar)?;
            let (from, to) = (bar.from, bar.to);
            Some([(from, limit), (to, limit)])
        });
        steps.flatten().collect()
    });
    points
        .filter(|points: &Vec<_>| !points.is_empty())
        .collect()
}

/// Draws a limit as a dashed line with its name at its end.
fn limit<'b>(
    chart: &mut TimeChart<'_, 'b>,
    lines: Vec<Vec<(f64, f64)>>,
    colour: RGBColor,
    name: &str,
) -> DrawnIn<'b> {
    let end = lines.last().and_then(|line| line.last()).copied();
    for line in lines {
        chart.draw_series(std::iter::once(dashed(line, colour)))?;
    }
    if let Some((at, rate)) = end {
        let text = format!("{name} {}", format::rate(rate));
        let style = font()
            .color(&colour)
            .pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Bottom,
            ));
        let element = EmptyElement::at((at, rate)) + Text::new(text, (-4, -3), style);
        chart.draw_series(std::iter::once(element))?;
    }
    Ok(())
}

fn label(rate: f64) -> String {
    if rate >= MANY || rate.fract() == 0.0 {
        format!("{rate:.0}")
    } else {
        format::about(rate)
    }
}

/// The chart in words, also for those who do not see it.
pub(super) fn caption(now: &Snapshot) -> Markup {
    let done = match now.subject {
        Subject::Devices => "channels a second",
        Subject::Deletions => "deletions a second",
        Subject::Answers => "answers a second",
    };
    let throttled = now
        .history
        .samples()
        .any(|sample| sample.throttled_per_second > 0.0);
    html! {
        span.key.blue { (done) ", now " (format::rate(now.per_second)) }
        @if throttled { span.key.vermilion { "throttled requests a second: they are sent again" } }
        @if let Some(ceiling) = now.pace.ceiling { "The ceiling is " (format::rate(ceiling)) "/s (dashed). " }
        @if let Some(grant) = now.grant() { "The service grants " (format::rate(grant)) "/s (dashed). " }
    }
}
