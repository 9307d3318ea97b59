//! Ratios with their intervals as a picture: a line for each, and where nothing would be and the bounds are.

use ::tests::load::Ratio;

use super::kind::Kind;
use super::report::Statistic;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 290.0;
const LINE: f64 = 22.0;
/// The ratios at both ends, at least.
const ENDS: [f64; 2] = [0.94, 1.10];

pub(super) fn ratios(ratios: &[(Kind, Statistic, Ratio)]) -> String {
    let low = ratios.iter().map(|(_, _, ratio)| ratio.lower).fold(ENDS[0], f64::min);
    let high = ratios.iter().map(|(_, _, ratio)| ratio.upper).fold(ENDS[1], f64::max);
    let x = |ratio: f64| LEFT + (WIDTH - LEFT - 20.0) * (ratio - low) / (high - low);
    let height = LINE * (ratios.len() as f64 + 3.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, colour) in [(1.0, "#222"), (1.02, "#2a7"), (1.05, "#c33")] {
        let (x, bottom) = (x(at), height - LINE * 1.5);
        svg += &format!("<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{LINE}\" y2=\"{bottom:.1}\" stroke=\"{colour}\"/>");
        svg += &format!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at}</text>\n", height - 12.0);
    }
    for (number, (kind, statistic, ratio)) in ratios.iter().enumerate() {
        let y = LINE * (number as f64 + 1.5);
        let (from, to, at) = (x(ratio.lower), x(ratio.upper), x(ratio.measured));
        let name = format!("{}: {}", kind.name, statistic.name());
        svg += &format!("<text x=\"8\" y=\"{:.1}\">{name}</text>", y + 4.0);
        svg += &format!(
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#36c\" stroke-width=\"3\"/>"
        );
        svg += &format!("<circle cx=\"{at:.1}\" cy=\"{y}\" r=\"5\" fill=\"#36c\"><title>{ratio}</title></circle>\n");
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::super::kind::TELEMETRY;
    use super::*;

    #[test]
    fn every_ratio_has_its_line_within_the_picture() {
        let ratio = Ratio { lower: 0.9, measured: 1.01, upper: 1.3 };
        let [_, _, on, _, hole] = TELEMETRY;
        let svg = ratios(&[(on, Statistic::P99, ratio), (hole, Statistic::P50, ratio)]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("on: P99") && svg.contains("black hole: P50"));
        assert!(svg.contains("x1=\"290.0\" x2=\"740.0\""), "{svg}");
    }
}
