//! A capture as Prometheus reads it: what a store makes of OTLP, as lines of the OpenMetrics format with their times.

use std::collections::{BTreeMap, BTreeSet};

use crate::otlp::{Attributes, Buckets, Metric, Point, Reading, Received};
use crate::registry::Registry;

use super::known::{base, underscored};

/// Samples of a series are this far apart at least, in nanoseconds: services under test tell five times a second.
const APART: u64 = 5_000_000_000;

/// All metrics of a capture in the OpenMetrics format, and `target_info` of who sent them.
#[must_use]
pub fn open_metrics(received: &Received, registry: &Registry) -> String {
    let mut families: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
    for metric in &received.metrics {
        let Some(declared) = registry.metrics.get(&metric.name) else { continue };
        let kind = match declared.instrument.as_str() {
            kind @ ("histogram" | "counter") => kind,
            _ => "gauge",
        };
        let family = families.entry(base(declared)).or_insert((kind, Vec::new()));
        for point in &metric.points {
            let labels = labels(metric, point);
            let before = last.entry((metric.name.clone(), labels.clone())).or_default();
            if point.time >= *before + APART {
                *before = point.time;
                family.1.extend(lines(&base(declared), kind, &labels, point));
            }
        }
    }
    let mut text = String::new();
    for (name, (kind, lines)) in families {
        text.push_str(&format!("# TYPE {name} {kind}\n{}", lines.concat()));
    }
    text.push_str(&format!("# TYPE target_info gauge\n{}# EOF\n", targets(received).concat()));
    text
}

fn lines(name: &str, kind: &str, labels: &str, point: &Point) -> Vec<String> {
    let at = seconds(point.time);
    let Reading::Histogram(histogram) = &point.reading else {
        let total = if kind == "counter" { "_total" } else { "" };
        return vec![format!("{name}{total}{{{labels}}} {} {at}\n", point.reading.number())];
    };
    let Buckets::Explicit { bounds, counts } = &histogram.buckets else { return Vec::new() };
    let limits = bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
    let mut sum = 0;
    let buckets = limits.zip(counts).map(|(limit, count)| {
        sum += count;
        format!("{name}_bucket{{{labels},le=\"{limit}\"}} {sum} {at}\n")
    });
    let mut lines: Vec<_> = buckets.collect();
    lines.push(format!("{name}_count{{{labels}}} {} {at}\n", histogram.count));
    lines.push(format!("{name}_sum{{{labels}}} {} {at}\n", histogram.sum.unwrap_or_default()));
    lines
}

/// Every resource, at each time at which something was told of it.
fn targets(received: &Received) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for metric in &received.metrics {
        let Some(time) = metric.points.iter().map(|point| point.time).max() else { continue };
        let others = attributes(&metric.resource.attributes);
        let line = format!("target_info{{{},{others}}} 1", resource(metric));
        lines.insert((line, time / APART * APART));
    }
    lines.into_iter().map(|(line, time)| format!("{line} {}\n", seconds(time))).collect()
}

fn labels(metric: &Metric, point: &Point) -> String {
    let own = attributes(&point.attributes);
    let comma = if own.is_empty() { "" } else { "," };
    let environment = metric.resource.attributes.get("deployment.environment.name");
    let environment = environment.map(ToString::to_string).unwrap_or_default();
    format!("{},deployment_environment_name=\"{environment}\"{comma}{own}", resource(metric))
}

/// What stands for who sent it: namespace and name are the job.
fn resource(metric: &Metric) -> String {
    let of = |key: &str| metric.resource.attributes.get(key).map(ToString::to_string).unwrap_or_default();
    let job = format!("{}/{}", of("service.namespace"), of("service.name"));
    format!("job=\"{job}\",instance=\"{}\"", of("service.instance.id"))
}

fn attributes(attributes: &Attributes) -> String {
    let quoted = |text: String| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let each = attributes.iter().map(|(key, value)| format!("{}=\"{}\"", underscored(key), quoted(value.to_string())));
    each.collect::<Vec<_>>().join(",")
}

fn seconds(time: u64) -> String {
    format!("{}.{:03}", time / 1_000_000_000, time % 1_000_000_000 / 1_000_000)
}
