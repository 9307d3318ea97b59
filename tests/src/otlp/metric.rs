//! What a metric says, with every point of every export.
use std::sync::Arc;

use super::model::{Attributes, Resource, Scope};

/// One export of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Which instrumentation made it.
    pub scope: Arc<Scope>,
    /// Its name.
    pub name: String,
    /// What it measures.
    pub description: String,
    /// Its unit.
    pub unit: String,
    /// Its kind.
    pub kind: MetricKind,
    /// One point a series.
    pub points: Vec<Point>,
    /// Anything said about the metric itself.
    pub metadata: Attributes,
}

impl Metric {
    /// The service that measured it.
    pub fn service(&self) -> String {
        self.resource.service()
    }
}

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricKind {
    /// No data was sent.
    #[default]
    Empty,
    /// A value now.
    Gauge,
    /// A counter (monotonic) or an up-down counter.
    Sum {
        /// Never falls.
        monotonic: bool,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// A histogram with explicit bounds.
    Histogram(Temporality),
    /// A histogram with exponential bounds.
    ExponentialHistogram(Temporality),
    /// Quantiles.
    Summary,
}

/// Since when a metric counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Not told.
    #[default]
    Unspecified,
    /// Since the last export.
    Delta,
    /// Since the start.
    Cumulative,
}

/// A series' value in one export.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// The series.
    pub attributes: Attributes,
    /// Since when, in nanoseconds since 1970.
    pub start: u64,
    /// When it was read.
    pub time: u64,
    /// Data point flags.
    pub flags: u32,
    /// What was read.
    pub reading: Reading,
    /// Measurements that lead to traces.
    pub exemplars: Vec<Exemplar>,
}

/// What a point reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reading {
    /// Nothing.
    #[default]
    Absent,
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A distribution.
    Histogram(Histogram),
    /// Quantiles and the values at them.
    Summary {
        /// How many measurements.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Quantile and value.
        quantiles: Vec<(f64, f64)>,
    },
}

impl Reading {
    /// The number of a gauge or sum, the count of a distribution.
    pub fn number(&self) -> f64 {
        match self {
            Reading::Absent => 0.0,
            Reading::Int(value) => *value as f64,
            Reading::Double(value) => *value,
            Reading::Histogram(histogram) => histogram.count as f64,
            Reading::Summary { count, .. } => *count as f64,
        }
    }
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many measurements.
    pub count: u64,
    /// Their sum, where it has a meaning.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// How they spread.
    pub buckets: Buckets,
}

/// A distribution's buckets.
#[derive(Clone, Debug, PartialEq)]
pub enum Buckets {
    /// Counts between explicit bounds; one count more than bounds.
    Explicit {
        /// Upper bounds.
        bounds: Vec<f64>,
        /// Counts.
        counts: Vec<u64>,
    },
    /// Counts between powers of a base.
    Exponential {
        /// The base is 2^(2^-scale).
        scale: i32,
        /// Measurements near zero.
        zero_count: u64,
        /// How near.
        zero_threshold: f64,
        /// Offset and counts above zero.
        positive: (i32, Vec<u64>),
        /// Offset and counts below zero.
        negative: (i32, Vec<u64>),
    },
}

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets::Explicit { bounds: Vec::new(), counts: Vec::new() }
    }
}

/// A single measurement, with the span it was taken in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar {
    /// Attributes the metric does not keep.
    pub attributes: Attributes,
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// What was measured.
    pub reading: Reading,
    /// The trace, when taken within one.
    pub trace_id: Option<String>,
    /// The span, when taken within one.
    pub span_id: Option<String>,
}
