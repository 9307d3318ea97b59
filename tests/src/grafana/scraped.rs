//! What a store makes of series that are not ours: scraped by Alloy, or derived by it from traces.

use std::collections::{BTreeMap, BTreeSet};

use crate::otlp::{Metric, MetricKind, Received, Temporality};

use super::known::underscored;

/// Labels of a series by its name.
pub type Series = BTreeMap<String, BTreeSet<String>>;

/// The series that came from others than the services, by who they are about.
#[must_use]
pub fn scraped(received: &Received) -> BTreeMap<String, Series> {
    let mut about = BTreeMap::<String, Series>::new();
    for metric in &received.metrics {
        let service = metric.service();
        let about = match service.strip_prefix("integrations/") {
            Some(job) => about.entry(job.to_owned()).or_default(),
            None if metric.name.starts_with("traces") => about.entry("traces".to_owned()).or_default(),
            None => continue,
        };
        let keys = metric.points.iter().flat_map(|point| point.attributes.keys());
        let labels: BTreeSet<String> = keys.map(|key| underscored(key)).collect();
        for (name, own) in parts(metric) {
            about.entry(name).or_default().extend(labels.iter().cloned().chain(own.map(str::to_owned)));
        }
    }
    about
}

/// A series a line, as `Known` reads it.
#[must_use]
pub fn listed(series: &Series) -> String {
    let line = |(name, labels): (&String, &BTreeSet<String>)| {
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        format!("{name}{{{}}}\n", labels.join(" "))
    };
    series.iter().map(line).collect()
}

/// The series of a metric, each with a label of its own.
fn parts(metric: &Metric) -> Vec<(String, Option<&'static str>)> {
    let unit = match metric.unit.as_str() {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    };
    let mut name = underscored(&metric.name);
    if !name.trim_end_matches("_total").ends_with(unit) {
        name.push_str(unit);
    }
    match metric.kind {
        MetricKind::Histogram(_) => {
            let part = |part: &str, label| (format!("{name}_{part}"), label);
            vec![part("bucket", Some("le")), part("count", None), part("sum", None)]
        }
        MetricKind::Summary => {
            vec![(name.clone(), Some("quantile")), (format!("{name}_count"), None), (format!("{name}_sum"), None)]
        }
        MetricKind::Sum { monotonic: true, temporality: Temporality::Cumulative } if !name.ends_with("_total") => {
            vec![(format!("{name}_total"), None)]
        }
        _ => vec![(name, None)],
    }
}
