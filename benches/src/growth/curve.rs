//! Curves: what something costs at each size.

use super::fit::{Fit, Work};
use crate::output;

/// What a cost is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
    /// A number of something.
    Times,
}

impl Unit {
    pub(super) fn tell(self, cost: f64) -> String {
        match self {
            Self::Seconds => output::time(1e9 * cost),
            Self::Bytes if cost.abs() < f64::from(1 << 20) => format!("{:.1} KiB", cost / f64::from(1 << 10)),
            Self::Bytes => format!("{:.2} MiB", cost / f64::from(1 << 20)),
            Self::Times if cost.abs() < 100.0 => format!("{cost:.1}"),
            Self::Times => format!("{cost:.0}"),
        }
    }
}

/// One cost at all sizes.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// What costs.
    pub(super) name: &'static str,
    /// How much more there is to do where the size is larger.
    pub(super) work: Work,
    /// Sizes and costs, the smallest size first.
    pub(super) points: Vec<(f64, f64)>,
}

impl Series {
    pub(super) const fn new(name: &'static str, work: Work) -> Self {
        Self { name, work, points: Vec::new() }
    }

    pub(super) fn fit(&self) -> Option<Fit> {
        Fit::of(&self.points)
    }
}

/// What was measured together, at the same sizes and in the same unit.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// What was done.
    pub(super) name: String,
    /// What there is more of.
    pub(super) of: &'static str,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series>,
    /// How it was measured, and what else was seen.
    pub(super) notes: String,
}

impl Curve {
    pub(super) fn new(name: impl Into<String>, of: &'static str, unit: Unit, series: Vec<Series>, notes: &str) -> Self {
        Self { name: name.into(), of, unit, series, notes: notes.to_owned() }
    }

    /// What it cost at one more size, in the order of the series.
    pub(super) fn add(&mut self, size: usize, costs: &[f64]) {
        let told: Vec<_> = costs.iter().map(|cost| self.unit.tell(*cost)).collect();
        eprintln!("growth: {}, {size} {}: {}", self.name, self.of, told.join(", "));
        for (series, cost) in self.series.iter_mut().zip(costs) {
            series.points.push((size as f64, *cost));
        }
    }

    /// Says one more thing that was seen.
    pub(super) fn note(&mut self, more: &str) {
        self.notes += " ";
        self.notes += more;
    }
}
