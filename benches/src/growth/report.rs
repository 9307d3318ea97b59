//! What a run says: verdicts first, then every curve with its numbers, then what would saturate.

use anyhow::Result;

use super::curve::{Curve, Series};
use super::fit::TOLERANCE;
use super::saturation::{self, Saturated};
use super::{Options, plot};
use crate::output::{self, machine, table};

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) servers: String,
    pub(super) curves: Vec<Curve>,
    pub(super) saturated: Vec<Saturated>,
    /// What was not measured, and why.
    pub(super) failed: Vec<(String, String)>,
}

pub(super) fn write(measured: &Measured, options: &Options) -> Result<()> {
    let mut text = format!("# How cost grows\n\n`{}`\n\n{}; {}.\n\n", options.tell(), machine(), measured.servers);
    text += &format!("## Verdict\n\n{}{}\n", verdict(&measured.curves), failed(&measured.failed));
    text += &format!("{}\n![curves](growth.svg)\n\n{}\n", overview(&measured.curves), explained());
    for curve in &measured.curves {
        text += &format!("## {}\n\n{}\n\n{}\n", curve.name, curve.notes, numbers(curve));
    }
    if !measured.saturated.is_empty() {
        text += &format!("## What saturates first\n\n{}", saturation::told(&measured.saturated)?);
    }
    output::write("growth.svg", &plot::curves(&measured.curves))?;
    eprintln!("\n{text}");
    output::report("growth", &text).map(drop)
}

fn explained() -> String {
    format!(
        "An exponent k says that the cost grows as n^k: it is the slope of a least squares fit where size and cost are \
         logarithms, over all sizes and once more over the largest three, and the greater of both is judged. Up to \
         {below:.2} is sub-linear, above {above:.2} SUPER-LINEAR, what lies between is linear. Work is what has to be \
         done by the promise of the product; a cost outgrows it when its k is more than {TOLERANCE} above that of the \
         work. Telemetry is off: it costs a request the same at every size.\n",
        below = 1.0 - TOLERANCE,
        above = 1.0 + TOLERANCE,
    )
}

fn verdict(curves: &[Curve]) -> String {
    let find = |wanted: fn(&Series) -> bool| {
        let all = curves.iter().flat_map(|curve| curve.series.iter().map(move |series| (curve, series)));
        let found: Vec<_> = all
            .filter(|(_, series)| wanted(series))
            .map(|(curve, series)| format!("{} ({})", curve.name, series.name))
            .collect();
        if found.is_empty() { "nothing".to_owned() } else { found.join("; ") }
    };
    let steep = find(|series| series.fit().is_some_and(|fit| fit.verdict() == super::fit::Verdict::SuperLinear));
    let more = find(|series| series.fit().is_some_and(|fit| fit.outgrows(series.work)));
    format!("* SUPER-LINEAR: **{steep}**.\n* grows faster than its work: **{more}**.\n")
}

fn failed(failed: &[(String, String)]) -> String {
    failed.iter().map(|(name, why)| format!("* **not measured**: {name}: {}.\n", why.trim_end_matches('.'))).collect()
}

fn overview(curves: &[Curve]) -> String {
    let mut rows = Vec::new();
    for curve in curves {
        for series in &curve.series {
            let mut cells = vec![curve.name.clone(), curve.of.to_owned(), series.name.to_owned()];
            let ends = series.points.first().zip(series.points.last());
            cells.push(ends.map_or_else(String::new, |((from, _), (to, _))| format!("{from} to {to}")));
            let told = |cost| curve.unit.tell(cost);
            cells.push(ends.map_or_else(String::new, |(from, to)| format!("{} to {}", told(from.1), told(to.1))));
            cells.extend(judged(series));
            rows.push(cells);
        }
    }
    let head = ["curve", "n", "cost", "sizes", "from, to", "k", "k, largest 3", "verdict", "work", "outgrows its work"];
    table(&head, &rows)
}

fn judged(series: &Series) -> [String; 5] {
    let work = series.work.name().to_owned();
    let Some(fit) = series.fit() else { return ["-".into(), "-".into(), "-".into(), work, "-".into()] };
    let word = if fit.outgrows(series.work) { "**yes**" } else { "no" };
    [format!("{:.2}", fit.all), format!("{:.2}", fit.largest), fit.verdict().name().to_owned(), work, word.to_owned()]
}

/// A line for each size and one for the exponents.
fn numbers(curve: &Curve) -> String {
    let head: Vec<&str> = [curve.of].into_iter().chain(curve.series.iter().map(|series| series.name)).collect();
    let sizes = curve.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
    let mut rows: Vec<Vec<String>> = sizes
        .iter()
        .enumerate()
        .map(|(at, (size, _))| {
            let costs = curve.series.iter().filter_map(|series| series.points.get(at));
            [size.to_string()].into_iter().chain(costs.map(|(_, cost)| curve.unit.tell(*cost))).collect()
        })
        .collect();
    let exponents = curve.series.iter().map(|series| {
        let [k, largest, verdict, ..] = judged(series);
        format!("{k}, {largest}: {verdict}")
    });
    rows.push(["k".to_owned()].into_iter().chain(exponents).collect());
    table(&head, &rows)
}

#[cfg(test)]
mod tests {
    use super::super::curve::Unit;
    use super::super::fit::Work;
    use super::*;

    fn curve(work: Work, cost: fn(f64) -> f64) -> Curve {
        let series = vec![Series::new("time", work)];
        let mut curve = Curve::new("get", "games", Unit::Seconds, series, "As it is.");
        for size in [10, 100, 1_000] {
            curve.add(size, &[cost(size as f64)]);
        }
        curve
    }

    #[test]
    fn what_is_steep_stands_first_and_so_does_what_costs_more_than_there_is_to_do() {
        let flat = verdict(&[curve(Work::Constant, |_| 0.001)]);
        assert_eq!(flat, "* SUPER-LINEAR: **nothing**.\n* grows faster than its work: **nothing**.\n");
        let steep = verdict(&[curve(Work::Linear, |size| size * size)]);
        assert!(steep.contains("SUPER-LINEAR: **get (time)**") && steep.contains("work: **get (time)**"), "{steep}");
        let more = verdict(&[curve(Work::Constant, |size| size.sqrt())]);
        assert!(more.contains("SUPER-LINEAR: **nothing**") && more.contains("work: **get (time)**"), "{more}");
    }

    #[test]
    fn a_curve_is_told_size_by_size_with_its_exponents() {
        let numbers = numbers(&curve(Work::Linear, |size| size / 1e6));
        let expected = "| games | time |\n| --- | ---: |\n| 10 | 10.00 µs |\n| 100 | 100.00 µs |\n| 1000 | 1.00 ms |\n\
                        | k | 1.00, 1.00: linear |\n";
        assert_eq!(numbers, expected);
    }
}
