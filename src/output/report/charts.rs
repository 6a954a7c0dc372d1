//! The charts of a batch as SVG.

use plotters::coord::ranged1d::{SegmentValue, SegmentedCoord};
use plotters::coord::types::{RangedCoordf64, RangedCoordusize};
use plotters::prelude::*;

use super::timeline::Timeline;
use crate::domain::format;
use crate::output::html::chart::{
    BLUE, Drawn, DrawnIn, INK, MESH, ORANGE, OverTime, Size, TimeChart, count, dashed, draw, font,
    seconds, top, whole,
};

/// The most points of a line; more are not visible.
const MOST_POINTS: usize = 600;

type StackChart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<SegmentedCoord<RangedCoordusize>, RangedCoordf64>>;

/// Finished devices over working time, and what the quota would have allowed.
pub(super) fn done(timeline: &Timeline, size: Size) -> Drawn {
    let highest = count(timeline.done.len());
    over_time(timeline, size, highest, "devices done", &whole, |chart| {
        for stretch in &timeline.stretches {
            let Some(quota) = stretch.quota else { continue };
            let from = seconds(stretch.before);
            let before = count(timeline.done.partition_point(|at| *at < stretch.before));
            let length = seconds(stretch.to - stretch.from);
            let reached = (before + quota * length).min(top(highest));
            let full = from + (reached - before) / quota;
            let line = vec![(from, before), (full, reached)];
            chart.draw_series(std::iter::once(dashed(line, ORANGE)))?;
        }
        chart.draw_series(LineSeries::new(steps(timeline), BLUE.stroke_width(2)))?;
        Ok(())
    })
}

/// Finished devices per second, and the quota.
pub(super) fn rate(timeline: &Timeline, size: Size) -> Drawn {
    let (width, rates) = timeline.rates();
    let length = axis(timeline);
    let quotas = timeline
        .stretches
        .iter()
        .filter_map(|stretch| stretch.quota);
    let highest = rates.iter().copied().chain(quotas).fold(0.0, f64::max);
    let name = |rate: &f64| match whole(rate) {
        text if text.is_empty() => format::about(*rate),
        text => text,
    };
    over_time(
        timeline,
        size,
        highest,
        "devices a second",
        &name,
        |chart| {
            let bars = rates.iter().enumerate().map(|(bar, rate)| {
                let from = count(bar) * seconds(width);
                let until = (from + seconds(width)).min(length);
                Rectangle::new([(from, 0.0), (until, *rate)], BLUE.filled())
            });
            chart.draw_series(bars)?;
            for stretch in &timeline.stretches {
                let Some(quota) = stretch.quota else { continue };
                let from = seconds(stretch.before);
                let until = (from + seconds(stretch.to - stretch.from)).max(from + length / 100.0);
                let line = vec![(from, quota), (until, quota)];
                chart.draw_series(std::iter::once(dashed(line, ORANGE)))?;
            }
            Ok(())
        },
    )
}

/// A chart over working time, with a line for each pause that was cut out.
fn over_time(
    timeline: &Timeline,
    size: Size,
    highest: f64,
    what: &str,
    label: &dyn Fn(&f64) -> String,
    lines: impl for<'a, 'b> FnOnce(&mut TimeChart<'a, 'b>) -> DrawnIn<'b>,
) -> Drawn {
    let pauses = timeline.stretches.iter().skip(1);
    let pauses: Vec<f64> = pauses.map(|stretch| seconds(stretch.before)).collect();
    let axes = OverTime {
        length: axis(timeline),
        highest,
        what,
        label,
        pauses: &pauses,
    };
    axes.draw(size, lines)
}

/// The length of the axis of working time.
fn axis(timeline: &Timeline) -> f64 {
    seconds(timeline.length()).max(1.0)
}

/// Counts by name as a bar chart.
pub(super) fn bars(bars: &[(String, u64)], what: &str, size: Size) -> Drawn {
    let stacked: Vec<(String, Vec<u64>)> = bars
        .iter()
        .map(|(name, count)| (name.clone(), vec![*count]))
        .collect();
    stacks(&stacked, &[BLUE], what, size)
}

/// Counts by name and kind as stacked bars, with a colour for each kind.
pub(super) fn stacks(
    bars: &[(String, Vec<u64>)],
    colours: &[RGBColor],
    what: &str,
    size: Size,
) -> Drawn {
    let alone;
    let bars = match bars {
        // An axis with a single value has no width.
        [one] => {
            let blank = || (String::new(), Vec::new());
            alone = [blank(), one.clone(), blank()];
            &alone
        }
        several => several,
    };
    let sums: Vec<u64> = bars.iter().map(|(_, counts)| counts.iter().sum()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let highest = sums.iter().copied().max().unwrap_or(0) as f64;
    draw(size, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (0..bars.len().saturating_sub(1)).into_segmented(),
                0.0..top(highest),
            )?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .disable_x_mesh()
            .bold_line_style(MESH)
            .light_line_style(TRANSPARENT)
            .label_style(font())
            .x_labels(bars.len())
            .x_label_formatter(&|segment| match segment {
                SegmentValue::CenterOf(bar) => bars
                    .get(*bar)
                    .map_or_else(String::new, |(name, _)| name.clone()),
                SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
            })
            .y_label_formatter(&whole)
            .x_desc(what)
            .y_desc("devices")
            .draw()?;
        fill_stacks(&mut chart, bars, colours)?;
        label_sums(&mut chart, bars, &sums)?;
        Ok(())
    })
}

fn fill_stacks<'b>(
    chart: &mut StackChart<'_, 'b>,
    bars: &[(String, Vec<u64>)],
    colours: &[RGBColor],
) -> DrawnIn<'b> {
    for (bar, (_, counts)) in bars.iter().enumerate() {
        let mut below = 0.0;
        for (many, colour) in counts.iter().zip(colours) {
            #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
            let above = below + *many as f64;
            let corners = [
                (SegmentValue::Exact(bar), below),
                (SegmentValue::Exact(bar + 1), above),
            ];
            let mut part = Rectangle::new(corners, colour.filled());
            part.set_margin(0, 0, 6, 6);
            chart.draw_series(std::iter::once(part))?;
            below = above;
        }
    }
    Ok(())
}

/// Writes the sum of each bar with a name above the bar.
fn label_sums<'b>(
    chart: &mut StackChart<'_, 'b>,
    bars: &[(String, Vec<u64>)],
    sums: &[u64],
) -> DrawnIn<'b> {
    let named = bars.iter().map(|(name, _)| !name.is_empty());
    let sums = sums.iter().enumerate().zip(named);
    let sums = sums.filter_map(|((bar, sum), is_named)| is_named.then_some((bar, sum)));
    let sums = sums.map(|(bar, sum)| {
        #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
        let at = (SegmentValue::CenterOf(bar), *sum as f64);
        EmptyElement::at(at) + Text::new(sum.to_string(), (-8, -16), font())
    });
    chart.draw_series(sums)?;
    Ok(())
}

/// The line of finished devices.
fn steps(timeline: &Timeline) -> Vec<(f64, f64)> {
    let total = timeline.done.len();
    let every = (total / MOST_POINTS).max(1);
    let mut points = vec![(0.0, 0.0)];
    for (before, at) in timeline.done.iter().enumerate() {
        if (before + 1) % every == 0 || before + 1 == total {
            points.push((seconds(*at), count(before + 1)));
        }
    }
    points
}
