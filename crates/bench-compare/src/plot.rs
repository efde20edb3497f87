//! Pictures of figures: lines over a number, drawn as SVG.

use crate::Outcome;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

/// One subject's points, by x.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What a picture shows.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// Both axes logarithmic, or the vertical one only.
    pub(crate) log_x: bool,
    pub(crate) log_y: bool,
    pub(crate) lines: Vec<Line>,
}

/// The subjects' colours; the first eight are told apart by people who see colours differently (after Okabe and Ito).
const COLOURS: [RGBColor; 13] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(140, 140, 60),
    RGBColor(120, 60, 160),
    RGBColor(120, 120, 120),
    RGBColor(150, 75, 0),
    RGBColor(0, 180, 180),
    RGBColor(220, 60, 120),
];

const SIZE: (u32, u32) = (900, 480);

fn span(values: impl Iterator<Item = f64>, log: bool) -> Range<f64> {
    let (mut least, mut most) = (f64::MAX, f64::MIN);
    for value in values.filter(|value| value.is_finite() && (!log || *value > 0.0)) {
        (least, most) = (least.min(value), most.max(value));
    }
    if least > most {
        return 1.0..2.0;
    }
    if log { least * 0.8..most * 1.4 } else { 0.0..(most * 1.1).max(f64::MIN_POSITIVE) }
}

/// `12.5M` for people.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{:.0}G", value / 1e9),
        v if v >= 1e6 => format!("{:.0}M", value / 1e6),
        v if v >= 1e3 => format!("{:.0}k", value / 1e3),
        v if v >= 10.0 || v == v.trunc() => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

impl Plot {
    /// Writes the picture to `path`.
    pub(crate) fn write(&self, path: &Path) -> Outcome {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = span(points().map(|point| point.0), self.log_x);
        let y = span(points().map(|point| point.1), self.log_y);
        let drawn = match (self.log_x, self.log_y) {
            (true, true) => self.draw(path, x.log_scale(), y.log_scale()),
            (true, false) => self.draw(path, x.log_scale(), y),
            (false, true) => self.draw(path, x, y.log_scale()),
            (false, false) => self.draw(path, x, y),
        };
        drawn.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn draw<X, Y>(&self, path: &Path, x: X, y: Y) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(SIZE.0 - 210);
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, ("sans-serif", 17))
            .margin(8)
            .x_label_area_size(38)
            .y_label_area_size(62)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE.mix(0.0))
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        for (at, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            // Ours are drawn thick.
            let width = if line.name.starts_with("stillpoint") { 3 } else { 1 };
            let style = colour.stroke_width(width);
            let shown = |point: &&(f64, f64)| !self.log_y || point.1 > 0.0;
            let points: Vec<_> = line.points.iter().filter(shown).copied().collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            if points.len() <= 12 {
                let marks = points.iter().map(|&point| Circle::new(point, 3, colour.filled()));
                chart.draw_series(marks)?;
            }
            let y = 48 + 19 * at as i32;
            right.draw(&PathElement::new(vec![(4, y), (26, y)], style))?;
            right.draw(&Text::new(line.name.clone(), (32, y - 7), ("sans-serif", 13)))?;
        }
        left.present()?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_line_and_a_name_a_subject() {
        let path = std::env::temp_dir().join(format!("plot-{}.svg", std::process::id()));
        let line = |name: &str, up: f64| Line {
            name: name.to_owned(),
            points: (1..5).map(|x| (f64::from(x), up * f64::from(x))).collect(),
        };
        let plot = Plot {
            title: "garbage".to_owned(),
            x: "seconds",
            y: "nodes",
            log_x: false,
            log_y: true,
            lines: vec![line("stillpoint-leased", 1.0), line("seize", 1e6)],
        };
        plot.write(&path).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(svg.contains("seize") && svg.contains("stillpoint-leased"), "{svg}");
        assert!(svg.matches("<polyline").count() >= 2);
    }

    #[test]
    fn spans_hold_all_points() {
        assert_eq!(span([2.0, 8.0].into_iter(), false), 0.0..8.8);
        assert!(span([0.0, 10.0].into_iter(), true).start > 0.0);
        assert_eq!(span(std::iter::empty(), false), 1.0..2.0);
    }
}
