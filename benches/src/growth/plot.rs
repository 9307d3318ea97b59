//! Curves as a picture: a panel for each, both axes logarithmic, with what grew as the size would.

use super::curve::Curve;

const COLUMNS: usize = 3;
/// Of a panel with its words.
const PANEL: [f64; 2] = [330.0, 270.0];
/// Of the part with the points.
const PLOT: [f64; 2] = [240.0, 150.0];
const AT: [f64; 2] = [74.0, 78.0];
const COLOURS: [&str; 3] = ["#36c", "#d72", "#294"];
/// A level line shall look level: no panel shows less than this factor between bottom and top.
const LEAST: f64 = 10.0;
/// The part of an axis that stays free at both ends, so that no point is cut.
const MARGIN: f64 = 0.05;
/// Words need this much of an axis.
const LINE: f64 = 12.0;

/// From logarithms to places.
struct Axes {
    x: [f64; 2],
    y: [f64; 2],
}

impl Axes {
    fn around(curve: &Curve) -> Option<Self> {
        let points = || curve.series.iter().flat_map(|series| &series.points);
        let shown = |of: fn(&(f64, f64)) -> f64| {
            let all = points().map(of).filter(|value| *value > 0.0);
            let [low, high] = all.fold([f64::MAX, f64::MIN], |[low, high], one| [low.min(one), high.max(one)]);
            (low <= high).then_some([low.ln(), high.ln()])
        };
        let [mut x, mut y] = [shown(|point| point.0)?, shown(|point| point.1)?];
        for (range, least) in [(&mut x, 2.0_f64.ln()), (&mut y, LEAST.ln())] {
            let missing = (least - (range[1] - range[0])).max(0.0) / 2.0;
            let margin = MARGIN * (range[1] - range[0] + 2.0 * missing);
            *range = [range[0] - missing - margin, range[1] + missing + margin];
        }
        Some(Self { x, y })
    }

    fn place(&self, size: f64, cost: f64) -> (f64, f64) {
        let part = |value: f64, range: [f64; 2]| (value.ln() - range[0]) / (range[1] - range[0]);
        (PLOT[0] * part(size, self.x), PLOT[1] * (1.0 - part(cost, self.y)))
    }
}

pub(super) fn curves(curves: &[Curve]) -> String {
    let rows = curves.len().div_ceil(COLUMNS).max(1);
    let (width, height) = (PANEL[0] * COLUMNS as f64, PANEL[1] * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, curve) in curves.iter().enumerate() {
        let (column, row) = (number % COLUMNS, number / COLUMNS);
        svg += &format!("<g transform=\"translate({} {})\">\n", PANEL[0] * column as f64, PANEL[1] * row as f64);
        svg += &panel(curve);
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

fn panel(curve: &Curve) -> String {
    let mut svg = format!("<text x=\"10\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{}</text>\n", curve.name);
    for ((number, series), colour) in curve.series.iter().enumerate().zip(COLOURS) {
        let exponent = series.fit().map(|fit| format!(": n^{:.2}", fit.all)).unwrap_or_default();
        let y = 34 + 14 * number;
        svg += &format!("<text x=\"10\" y=\"{y}\" fill=\"{colour}\">{}{exponent}</text>\n", series.name);
    }
    let ([left, top], [width, height]) = (AT, PLOT);
    let Some(axes) = Axes::around(curve) else { return svg };
    // An svg of its own cuts off what leaves it: the line of what would be linear.
    svg += &format!("<svg x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\">\n");
    svg += &format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#f6f6f6\" stroke=\"#bbb\"/>\n");
    for (series, colour) in curve.series.iter().zip(COLOURS) {
        let places: Vec<_> = series.points.iter().filter(|(_, cost)| *cost > 0.0).collect();
        let (Some((size, cost)), Some((last, _))) = (places.first(), places.last()) else { continue };
        let ((x1, y1), (x2, y2)) = (axes.place(*size, *cost), axes.place(*last, cost * last / size));
        svg += &format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
             stroke-dasharray=\"2 4\"/>\n"
        );
        let path: Vec<_> = places.iter().map(|(size, cost)| axes.place(*size, *cost)).collect();
        let line: Vec<_> = path.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg += &format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>\n", line.join(" "));
        for (x, y) in path {
            svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>\n");
        }
    }
    svg += "</svg>\n";
    svg + &words(curve, &axes)
}

/// What the ends of the axes mean.
fn words(curve: &Curve, axes: &Axes) -> String {
    let ([left, top], [width, height]) = (AT, PLOT);
    let mut svg = String::new();
    let costs = curve.series.iter().flat_map(|series| &series.points).map(|(_, cost)| *cost).filter(|cost| *cost > 0.0);
    let [low, high] = costs.fold([f64::MAX, f64::MIN], |[low, high], cost| [low.min(cost), high.max(cost)]);
    let mut last = f64::MAX;
    for cost in [low, high] {
        let y = axes.place(1.0, cost).1 + top + 4.0;
        if last - y >= LINE {
            let (x, told) = (left - 5.0, curve.unit.tell(cost));
            svg += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{told}</text>\n");
            last = y;
        }
    }
    let sizes = curve.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
    for (size, _) in sizes {
        let (x, y) = (left + axes.place(*size, 1.0).0, top + height + 14.0);
        svg += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{size}</text>\n");
    }
    let (x, y) = (left + width / 2.0, top + height + 29.0);
    svg + &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>\n", curve.of)
}

#[cfg(test)]
mod tests {
    use super::super::curve::{Series, Unit};
    use super::super::fit::Work;
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        let mut series = Series::new("median", Work::Linear);
        series.points = points.to_vec();
        Curve::new("claim", "rows", Unit::Seconds, vec![series], "")
    }

    #[test]
    fn every_curve_has_a_panel_and_every_point_a_place_in_it() {
        let drawn = curves(&vec![curve(&[(10.0, 2e-3), (100.0, 2e-2), (1_000.0, 2e-1)]); 4]);
        assert_eq!((drawn.matches("<g ").count(), drawn.matches("<circle ").count()), (4, 12));
        assert!(drawn.contains("translate(0 270)"), "the fourth begins a row");
        assert!(drawn.contains("points=\"10.9,143.2 120.0,75.0 229.1,6.8\""), "{drawn}");
        assert!(drawn.contains(">2.00 ms<") && drawn.contains(">200.00 ms<") && drawn.contains("median: n^1.00"));
    }

    #[test]
    fn a_level_line_looks_level() {
        let drawn = curves(&[curve(&[(1.0, 1.0), (8.0, 1.1)])]);
        let heights: Vec<f64> =
            drawn.split("cy=\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
        assert!(heights.iter().all(|y| (65.0..85.0).contains(y)), "{heights:?}");
    }

    #[test]
    fn a_cost_of_nothing_has_no_place() {
        let drawn = curves(&[curve(&[(1.0, 0.0), (8.0, 0.0)]), curve(&[])]);
        assert!(!drawn.contains("<circle") && !drawn.contains("NaN"), "{drawn}");
    }
}
