//! How fast a cost grows: a power of the size, by least squares where both are logarithms.

/// How far from a whole exponent one may be found and still be it. A cost that doubles over a hundredfold size has 0.15,
/// and so has the logarithm in `n log n`.
pub(super) const TOLERANCE: f64 = 0.15;
/// The largest sizes are fitted once more by themselves: what begins late is hidden by all that was cheap before.
const LARGEST: usize = 3;

/// How a cost grows with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    SubLinear,
    Linear,
    SuperLinear,
}

impl Verdict {
    /// As in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SubLinear => "sub-linear",
            Self::Linear => "linear",
            Self::SuperLinear => "SUPER-LINEAR",
        }
    }
}

/// What has to be done for the size, whatever it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The same for every size.
    Constant,
    /// As much more as the size is larger.
    Linear,
}

impl Work {
    /// As in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Constant => "n^0",
            Self::Linear => "n^1",
        }
    }

    const fn exponent(self) -> f64 {
        match self {
            Self::Constant => 0.0,
            Self::Linear => 1.0,
        }
    }
}

/// The exponents of a cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Over all sizes.
    pub(super) all: f64,
    /// Over the largest ones.
    pub(super) largest: f64,
}

impl Fit {
    /// Of points of size and cost; none where fewer than two lie above zero.
    pub(super) fn of(points: &[(f64, f64)]) -> Option<Self> {
        let logarithms: Vec<(f64, f64)> = points
            .iter()
            .filter(|(size, cost)| *size > 0.0 && *cost > 0.0)
            .map(|(size, cost)| (size.ln(), cost.ln()))
            .collect();
        let largest = &logarithms[logarithms.len().saturating_sub(LARGEST)..];
        Some(Self { all: slope(&logarithms)?, largest: slope(largest)? })
    }

    fn worst(self) -> f64 {
        self.all.max(self.largest)
    }

    pub(super) fn verdict(self) -> Verdict {
        match self.worst() {
            steep if steep > 1.0 + TOLERANCE => Verdict::SuperLinear,
            flat if flat < 1.0 - TOLERANCE => Verdict::SubLinear,
            _ => Verdict::Linear,
        }
    }

    /// Whether it costs more than there is to do.
    pub(super) fn outgrows(self, work: Work) -> bool {
        self.worst() > work.exponent() + TOLERANCE
    }
}

fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (mut together, mut alone) = (0.0, 0.0);
    for point in points {
        together += (point.0 - x) * (point.1 - y);
        alone += (point.0 - x).powi(2);
    }
    (points.len() > 1 && alone > 0.0).then(|| together / alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(cost: impl Fn(f64) -> f64) -> Fit {
        let points: Vec<_> = [100.0, 1_000.0, 10_000.0, 100_000.0].map(|size| (size, cost(size))).to_vec();
        Fit::of(&points).unwrap()
    }

    #[test]
    fn a_power_is_found_whatever_it_is_multiplied_with() {
        for power in [0.0, 0.5, 1.0, 2.0] {
            let fit = fit(|size| 3e-6 * size.powf(power));
            assert!((fit.all - power).abs() < 1e-9 && (fit.largest - power).abs() < 1e-9, "{fit:?}");
        }
    }

    #[test]
    fn a_verdict_tells_flat_from_straight_from_steep() {
        assert_eq!(fit(f64::ln).verdict(), Verdict::SubLinear);
        assert_eq!(fit(|size| size).verdict(), Verdict::Linear);
        assert_eq!(fit(|size| size * size.ln()).verdict(), Verdict::Linear, "sorting is no reproach");
        assert_eq!(fit(|size| size.powf(1.3)).verdict(), Verdict::SuperLinear);
    }

    #[test]
    fn what_begins_late_is_seen() {
        let late = fit(|size| 1.0 + (size / 15_000.0).powi(3));
        assert!(late.all < 1.0, "{late:?}");
        assert_eq!(late.verdict(), Verdict::SuperLinear);
    }

    #[test]
    fn constant_work_that_costs_more_with_size_is_outgrown_long_before_it_is_linear() {
        let root = fit(f64::sqrt);
        assert!(root.outgrows(Work::Constant) && !root.outgrows(Work::Linear));
        assert!(!fit(|size| 1.0 + size.log10() / 100.0).outgrows(Work::Constant));
    }

    #[test]
    fn nothing_is_said_of_one_point_or_of_none_above_zero() {
        assert_eq!(Fit::of(&[(1.0, 2.0)]), None);
        assert_eq!(Fit::of(&[(0.0, 2.0), (1.0, 2.0), (2.0, 0.0)]), None);
    }
}
