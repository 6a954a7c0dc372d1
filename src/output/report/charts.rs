//! The charts as SVG. The colours are those of Okabe and Ito, which colour-blind people can distinguish; lines and text
//! have two colours that the page's style sheet replaces in dark mode.

use std::error::Error;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::ranged1d::SegmentValue;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::timeline::Timeline;
use crate::domain::format;

/// Width and height, in pixels at full size.
const SIZE: (u32, u32) = (640, 290);

/// Text and axes. The style sheet refers to this colour.
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Grid lines. The style sheet refers to this colour.
const MESH: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);

pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
pub(super) const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);

/// The most points of a line; more are not visible.
const MOST_POINTS: usize = 600;

type Drawn = Result<String, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

type TimeChart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type DrawnIn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// Finished devices over working time, and what the quota would have allowed.
pub(super) fn done(timeline: &Timeline) -> Drawn {
    let highest = count(timeline.done.len());
    over_time(timeline, highest, "devices done", &whole, |chart| {
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
pub(super) fn rate(timeline: &Timeline) -> Drawn {
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
    over_time(timeline, highest, "devices a second", &name, |chart| {
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
    })
}

/// A chart over working time, with a line for each pause that was cut out.
fn over_time(
    timeline: &Timeline,
    highest: f64,
    what: &str,
    name: &dyn Fn(&f64) -> String,
    lines: impl for<'a, 'b> FnOnce(&mut TimeChart<'a, 'b>) -> DrawnIn<'b>,
) -> Drawn {
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(32)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..axis(timeline), 0.0..top(highest))?;
        chart
            .configure_mesh()
            .axis_style(INK)
            .bold_line_style(MESH)
            .light_line_style(TRANSPARENT)
            .label_style(font())
            .x_label_formatter(&|at| clock(*at))
            .y_label_formatter(name)
            .x_desc("working time")
            .y_desc(what)
            .draw()?;
        lines(&mut chart)?;
        for stretch in timeline.stretches.iter().skip(1) {
            let at = seconds(stretch.before);
            let line = vec![(at, 0.0), (at, top(highest))];
            chart.draw_series(std::iter::once(dashed(line, INK)))?;
        }
        Ok(())
    })
}

/// The length of the axis of working time.
fn axis(timeline: &Timeline) -> f64 {
    seconds(timeline.length()).max(1.0)
}

/// Counts by name as a bar chart.
pub(super) fn bars(bars: &[(String, u64)], what: &str) -> Drawn {
    let stacked: Vec<(String, Vec<u64>)> = bars
        .iter()
        .map(|(name, count)| (name.clone(), vec![*count]))
        .collect();
    stacks(&stacked, &[BLUE], what)
}

/// Counts by name and kind as stacked bars, with a colour for each kind.
pub(super) fn stacks(bars: &[(String, Vec<u64>)], colours: &[RGBColor], what: &str) -> Drawn {
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
    draw(|area| {
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
        let bars_at = bars.iter().enumerate();
        let all = bars_at.flat_map(|(bar, (_, counts))| parts(bar, counts, colours));
        chart.draw_series(all)?;
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
    })
}

/// The parts of one bar, from the axis upwards.
fn parts(
    bar: usize,
    counts: &[u64],
    colours: &[RGBColor],
) -> Vec<Rectangle<(SegmentValue<usize>, f64)>> {
    let mut below = 0.0;
    let parts = counts.iter().zip(colours).map(|(many, colour)| {
        #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
        let above = below + *many as f64;
        let corners = [
            (SegmentValue::Exact(bar), below),
            (SegmentValue::Exact(bar + 1), above),
        ];
        below = above;
        let mut part = Rectangle::new(corners, colour.filled());
        part.set_margin(0, 0, 6, 6);
        part
    });
    parts.collect()
}

fn draw(on: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> Drawn {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        on(&area)?;
        area.present()?;
    }
    Ok(svg)
}

fn font() -> TextStyle<'static> {
    ("sans-serif", 15).into_font().color(&INK)
}

fn dashed(
    line: Vec<(f64, f64)>,
    colour: RGBColor,
) -> DashedPathElement<std::vec::IntoIter<(f64, f64)>, u32> {
    DashedPathElement::new(line, 6, 4, colour.stroke_width(2))
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

/// The upper end of an axis: slightly above the highest value, and above zero.
fn top(highest: f64) -> f64 {
    (highest * 1.08).max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a count of devices")]
fn count(many: usize) -> f64 {
    many as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a batch")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

/// The label of a count. An axis may have labels between two counts.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what plotters calls")]
fn whole(value: &f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        String::new()
    }
}

/// The label of a working time.
fn clock(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    match whole.as_secs() {
        0..60 if seconds.fract() != 0.0 => format!("{seconds:.1} s"),
        0..60 => format!("{seconds:.0} s"),
        _ => format::ahead(whole),
    }
}
