//! The base of the charts, which are SVG. The colours are those of Okabe and Ito, which colour-blind people can
//! distinguish; the style sheet replaces all of them by variables, for dark mode and for text of sufficient contrast.

use std::error::Error;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::domain::format;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Grid lines.
pub(crate) const MESH: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
pub(crate) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(crate) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
pub(crate) const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);

/// The room of a chart. Text has the same size in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// The whole width of a page
    Full,
    /// Half of it
    Half,
    /// A phone
    Narrow,
}

impl Size {
    /// Width and height, in pixels at full size.
    pub(crate) fn pixels(self) -> (u32, u32) {
        match self {
            Self::Full => (1_180, 320),
            Self::Half => (580, 290),
            Self::Narrow => (330, 270),
        }
    }

    /// How many labels fit below the axis of time.
    fn times(self) -> usize {
        match self {
            Self::Full => 11,
            Self::Half => 7,
            Self::Narrow => 4,
        }
    }
}

/// The SVG of one size.
pub(crate) type Drawn = Result<String, Box<dyn Error>>;
/// The SVG of a wide screen and of a narrow one.
pub(crate) type Chart = Result<[String; 2], Box<dyn Error>>;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type TimeChart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
pub(crate) type DrawnIn<'a> =
    Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// Draws a chart for wide screens in this size, and for narrow ones.
pub(crate) fn chart(wide: Size, draw: impl Fn(Size) -> Drawn) -> Chart {
    Ok([draw(wide)?, draw(Size::Narrow)?])
}

/// An empty drawing, filled by `on`.
pub(crate) fn draw(size: Size, on: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> Drawn {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size.pixels()).into_drawing_area();
        on(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// The axes of a chart over time.
#[derive(Clone, Copy)]
pub(crate) struct OverTime<'a> {
    /// What the time is.
    pub(crate) time: &'a str,
    /// The start and the end of the axis of time, in seconds.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// The highest value.
    pub(crate) highest: f64,
    /// What the values are.
    pub(crate) what: &'a str,
    /// The label of a value.
    pub(crate) label: &'a dyn Fn(&f64) -> String,
    /// When a pause was cut out, in seconds.
    pub(crate) pauses: &'a [f64],
}

impl OverTime<'_> {
    /// Draws the axes, then what `lines` draws, then a vertical line for each pause.
    pub(crate) fn draw(
        &self,
        size: Size,
        lines: impl for<'a, 'b> FnOnce(&mut TimeChart<'a, 'b>) -> DrawnIn<'b>,
    ) -> Drawn {
        draw(size, |area| {
            let top = top(self.highest);
            let mut chart = ChartBuilder::on(area)
                .margin(8)
                .margin_right(24)
                .x_label_area_size(42)
                .y_label_area_size(62)
                .build_cartesian_2d(self.from..self.to, 0.0..top)?;
            chart
                .configure_mesh()
                .axis_style(INK)
                .bold_line_style(MESH)
                .light_line_style(TRANSPARENT)
                .label_style(font())
                .x_labels(size.times())
                .y_labels(6)
                .x_label_formatter(&|at| clock(*at))
                .y_label_formatter(self.label)
                .x_desc(self.time)
                .y_desc(self.what)
                .draw()?;
            lines(&mut chart)?;
            for at in self.pauses {
                let line = vec![(*at, 0.0), (*at, top)];
                chart.draw_series(std::iter::once(dashed(line, INK)))?;
            }
            Ok(())
        })
    }
}

pub(crate) fn font() -> TextStyle<'static> {
    ("sans-serif", 14).into_font().color(&INK)
}

pub(crate) fn dashed(
    line: Vec<(f64, f64)>,
    colour: RGBColor,
) -> DashedPathElement<std::vec::IntoIter<(f64, f64)>, u32> {
    DashedPathElement::new(line, 6, 4, colour.stroke_width(2))
}

/// The upper end of an axis: slightly above the highest value, and above zero.
pub(crate) fn top(highest: f64) -> f64 {
    (highest * 1.08).max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "a count of devices")]
pub(crate) fn count(many: usize) -> f64 {
    many as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a batch")]
pub(crate) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

/// The label of a count. An axis may have labels between two counts.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what plotters calls")]
pub(crate) fn whole(value: &f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        String::new()
    }
}

/// The label of a rate.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what plotters calls")]
pub(crate) fn rate_label(per_second: &f64) -> String {
    if per_second.fract() == 0.0 {
        whole(per_second)
    } else {
        format::about(*per_second)
    }
}

/// Draws what was done in a time, and on top of it what was throttled, both a second.
pub(crate) fn stack<'b>(
    chart: &mut TimeChart<'_, 'b>,
    (from, to): (f64, f64),
    done: f64,
    throttled: f64,
) -> DrawnIn<'b> {
    let parts = [(0.0, done, BLUE), (done, done + throttled, VERMILION)].into_iter();
    let parts = parts.filter(|(below, above, _)| above > below);
    let parts = parts.map(|(below, above, colour)| {
        let mut part = Rectangle::new([(from, below), (to, above)], colour.filled());
        // A gap of a pixel between bars.
        part.set_margin(0, 0, 0, 1);
        part
    });
    chart.draw_series(parts)?;
    Ok(())
}

/// The label of a working time.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    match whole.as_secs() {
        0..60 if seconds.fract() != 0.0 => format!("{seconds:.1} s"),
        0..60 => format!("{seconds:.0} s"),
        _ => format::ahead(whole),
    }
}
