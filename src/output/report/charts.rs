//! The charts of a batch as SVG.

use plotters::coord::ranged1d::{SegmentValue, SegmentedCoord};
use plotters::coord::types::{RangedCoordf64, RangedCoordusize};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::limits::{Level, Limits};
use super::timeline::{Bar, Timeline};
use crate::output::html::chart::{
    BLUE, Drawn, DrawnIn, INK, MESH, ORANGE, OverTime, Size, TimeChart, VERMILION, count, dashed,
    draw, font, rate_label, seconds, stack, top, whole,
};
use crate::output::html::parts::took;

/// The most points of a line; more are not visible.
const MOST_POINTS: usize = 600;

/// The most pauses that are labelled in a wide chart.
const LABELLED: usize = 4;

type StackChart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<SegmentedCoord<RangedCoordusize>, RangedCoordf64>>;

/// Finished devices over working time, and what the quota would have allowed.
pub(super) fn done(timeline: &Timeline, limits: &Limits, size: Size) -> Drawn {
    let highest = count(timeline.done.len());
    over_time(timeline, size, highest, "devices done", &whole, |chart| {
        for line in allowed(timeline, limits, top(highest)) {
            chart.draw_series(std::iter::once(dashed(line, ORANGE)))?;
        }
        chart.draw_series(LineSeries::new(steps(timeline), BLUE.stroke_width(2)))?;
        Ok(())
    })
}

/// For each stretch of working time, the devices that the quotas allowed, up to a limit.
fn allowed(timeline: &Timeline, limits: &Limits, most: f64) -> Vec<Vec<(f64, f64)>> {
    let mut lines = Vec::new();
    for stretch in &timeline.stretches {
        let end = stretch.before + (stretch.to - stretch.from);
        let levels = limits.quotas.iter();
        let mut levels = levels
            .filter(|level| level.from >= stretch.before && level.to <= end)
            .peekable();
        let Some(first) = levels.peek() else { continue };
        let mut at = count(timeline.done.partition_point(|done| *done < first.from));
        let mut line = vec![(seconds(first.from), at)];
        for level in levels {
            let reached = at + level.per_second * seconds(level.to - level.from);
            if reached > most {
                let full = seconds(level.from) + (most - at) / level.per_second;
                line.push((full, most));
                break;
            }
            at = reached;
            line.push((seconds(level.to), at));
        }
        lines.push(line);
    }
    lines
}

/// Created channels and throttled creates per second, with the quota, what the service granted, and the pauses.
pub(super) fn pace(timeline: &Timeline, limits: &Limits, size: Size) -> Drawn {
    let bars = timeline.bars();
    let bars: Vec<(Bar, f64)> = bars
        .into_iter()
        .map(|bar| (bar, limits.throttled_in(&bar)))
        .collect();
    let levels = limits.quotas.iter().chain(&limits.grants);
    let highest = bars
        .iter()
        .map(|(bar, throttled)| bar.per_second + throttled)
        .chain(levels.map(|level| level.per_second))
        .fold(0.0, f64::max);
    // With room for labels.
    over_time(
        timeline,
        size,
        1.12 * highest,
        "per second",
        &rate_label,
        |chart| {
            for (bar, throttled) in &bars {
                let time = (seconds(bar.from), seconds(bar.to));
                stack(chart, time, bar.per_second, *throttled)?;
            }
            for level in &limits.quotas {
                chart.draw_series(std::iter::once(dashed(line(level), ORANGE)))?;
            }
            for level in &limits.grants {
                let solid = PathElement::new(line(level), INK.stroke_width(2));
                chart.draw_series(std::iter::once(solid))?;
            }
            label_levels(chart, timeline, limits)?;
            label_stretches(chart, timeline, limits, highest, size)?;
            Ok(())
        },
    )
}

fn line(level: &Level) -> Vec<(f64, f64)> {
    let (from, to) = (seconds(level.from), seconds(level.to));
    vec![(from, level.per_second), (to, level.per_second)]
}

/// Writes the quota at the start of its line where there is room, and the last grant at its end.
fn label_levels<'b>(
    chart: &mut TimeChart<'_, 'b>,
    timeline: &Timeline,
    limits: &Limits,
) -> DrawnIn<'b> {
    let room = timeline.length() / 6;
    let mut last = None;
    for level in &limits.quotas {
        if level.to - level.from < room || last == Some(level.per_second.to_bits()) {
            continue;
        }
        last = Some(level.per_second.to_bits());
        let text = format!("quota {}", rate_label(&level.per_second));
        let at = (seconds(level.from), level.per_second);
        let style = font()
            .color(&ORANGE)
            .pos(Pos::new(HPos::Left, VPos::Bottom));
        label(chart, at, (5, -3), text, style)?;
    }
    if let Some(level) = limits.grants.last() {
        let text = format!("granted {}", rate_label(&level.per_second));
        let at = (seconds(level.to), level.per_second);
        // Beside the line, where the rate is below it; at the chart's end above it.
        let has_room = timeline.length() - level.to > room;
        let (offset, anchor) = if has_room {
            ((5, 0), Pos::new(HPos::Left, VPos::Center))
        } else {
            ((-5, -3), Pos::new(HPos::Right, VPos::Bottom))
        };
        label(chart, at, offset, text, font().pos(anchor))?;
    }
    Ok(())
}

/// Writes the throttles whose time is unknown above their stretch, and the length of each pause beside its line.
fn label_stretches<'b>(
    chart: &mut TimeChart<'_, 'b>,
    timeline: &Timeline,
    limits: &Limits,
    highest: f64,
    size: Size,
) -> DrawnIn<'b> {
    let above = top(1.12 * highest);
    let pauses: Vec<(i64, i64)> = timeline.pauses().collect();
    let most = if size == Size::Narrow { 1 } else { LABELLED };
    for (at, length) in pauses.iter().filter(|_| pauses.len() <= most) {
        let style = font().pos(Pos::new(HPos::Left, VPos::Top));
        let text = format!("pause {}", took(*length));
        label(chart, (seconds(*at), above), (5, 2), text, style)?;
    }
    for (stretch, throttled) in timeline.stretches.iter().zip(&limits.untimed) {
        if *throttled == 0 {
            continue;
        }
        let end = stretch.before + (stretch.to - stretch.from);
        let text = format!("{throttled} throttled");
        let style = font()
            .color(&VERMILION)
            .pos(Pos::new(HPos::Right, VPos::Top));
        label(chart, (seconds(end), above), (-5, 2), text, style)?;
    }
    Ok(())
}

fn label<'b>(
    chart: &mut TimeChart<'_, 'b>,
    at: (f64, f64),
    offset: (i32, i32),
    text: String,
    style: TextStyle<'static>,
) -> DrawnIn<'b> {
    let text = EmptyElement::at(at) + Text::new(text, offset, style);
    chart.draw_series(std::iter::once(text))?;
    Ok(())
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
    let pauses: Vec<f64> = timeline.pauses().map(|(at, _)| seconds(at)).collect();
    let axes = OverTime {
        time: "working time",
        from: 0.0,
        to: seconds(timeline.length()).max(1.0),
        highest,
        what,
        label,
        pauses: &pauses,
    };
    axes.draw(size, lines)
}

/// Counts of devices by name as a bar chart.
pub(super) fn bars(bars: &[(String, u64)], what: &str, size: Size) -> Drawn {
    let counts = bars.iter().map(|(_, devices)| devices);
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let highest = counts.copied().max().unwrap_or(0) as f64;
    draw(size, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(
                (0..bars.len().saturating_sub(1)).into_segmented(),
                0.0..top(1.04 * highest),
            )?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .disable_x_mesh()
            .bold_line_style(MESH)
            .light_line_style(TRANSPARENT)
            .label_style(font())
            .x_labels(named(bars, size))
            .y_labels(6)
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
        let shapes = bars.iter().enumerate().map(|(bar, (_, devices))| {
            #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
            let height = *devices as f64;
            let corners = [
                (SegmentValue::Exact(bar), 0.0),
                (SegmentValue::Exact(bar + 1), height),
            ];
            let mut shape = Rectangle::new(corners, BLUE.filled());
            shape.set_margin(0, 0, 2, 2);
            shape
        });
        chart.draw_series(shapes)?;
        label_bars(&mut chart, bars, size)?;
        Ok(())
    })
}

/// How many of the bars have their name below them: as many as there is room for.
fn named(bars: &[(String, u64)], size: Size) -> usize {
    let longest = bars.iter().map(|(name, _)| name.chars().count()).max();
    let width = 12 + 8 * longest.unwrap_or(0);
    let room = usize::try_from(size.pixels().0).unwrap_or(usize::MAX);
    (room.saturating_sub(80) / width).clamp(2, bars.len().max(2))
}

/// Writes the number of devices above each bar that has some, where there is room.
fn label_bars<'b>(
    chart: &mut StackChart<'_, 'b>,
    bars: &[(String, u64)],
    size: Size,
) -> DrawnIn<'b> {
    let digits = bars
        .iter()
        .map(|(_, devices)| devices.to_string().len())
        .max();
    let width = usize::try_from(size.pixels().0)
        .unwrap_or(usize::MAX)
        .saturating_sub(80);
    if bars.len() * (9 * digits.unwrap_or(0) + 2) > width {
        return Ok(());
    }
    let labels = bars
        .iter()
        .enumerate()
        .filter(|(_, (_, devices))| *devices > 0);
    let labels = labels.map(|(bar, (_, devices))| {
        #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
        let at = (SegmentValue::CenterOf(bar), *devices as f64);
        let style = font().pos(Pos::new(HPos::Center, VPos::Bottom));
        EmptyElement::at(at) + Text::new(devices.to_string(), (0, -2), style)
    });
    chart.draw_series(labels)?;
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
