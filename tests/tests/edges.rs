//! What enters and leaves a process is told as the conventions say: each edge, attribute by attribute.

mod broker;
mod discord;
mod gateway;
mod people;
mod web;

use std::time::Duration;

use tests::otlp::{Attributes, Received, Span, Value};
use tests::world::World;

const ARRIVAL: Duration = Duration::from_secs(30);
const SEATS: [(&str, &str); 1] = [("max_players", "3")];

/// What a series says last: its value, or how often it was measured. `labels` are all that it has.
fn reading(received: &Received, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let exact = |attributes: &Attributes| {
        let has = |(key, value): &(&str, &str)| attributes.get(*key).is_some_and(|told| told.to_string() == *value);
        attributes.len() == labels.len() && labels.iter().all(has)
    };
    let exports = received.metrics.iter().rev().filter(|told| told.name == metric);
    let mut points = exports.flat_map(|told| &told.points).filter(|point| exact(&point.attributes));
    points.next().map(|point| point.reading.number())
}

/// Waits until a series says this.
async fn reads(world: &World, metric: &str, labels: &[(&str, &str)], wanted: f64) {
    let there = |received: &Received| reading(received, metric, labels) == Some(wanted);
    if world.sink.wait(metric, ARRIVAL, there).await.is_err() {
        let received = world.sink.received();
        let told = received.metrics.iter().rev().find(|told| told.name == metric);
        panic!("{metric} {labels:?} never reads {wanted}; at last {:#?}", told.map(|told| &told.points));
    }
}

/// Waits for the spans that fit.
async fn spans(world: &World, what: &str, fits: impl Fn(&Span) -> bool) -> Vec<Span> {
    let told = world.sink.wait(what, ARRIVAL, |received| received.spans.iter().any(&fits)).await;
    let told = told.unwrap_or_else(|fault| panic!("{fault:#}\n{}", world.all_lines()));
    told.spans.into_iter().filter(fits).collect()
}

/// Waits for the one span with this name.
async fn span(world: &World, name: &str) -> Span {
    let mut found = spans(world, name, |span| span.name == name).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn keys(span: &Span) -> Vec<&str> {
    span.attributes.keys().map(String::as_str).collect()
}

/// Everything that was told, values of attributes, names and bodies, as one text.
fn all_that_was_told(received: &Received) -> String {
    let values = |attributes: &Attributes| attributes.values().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let mut text = String::new();
    for span in &received.spans {
        text.push_str(&format!("{}\n{}\n", span.name, values(&span.attributes)));
        span.links.iter().for_each(|link| text.push_str(&values(&link.attributes)));
    }
    for log in &received.logs {
        text.push_str(&format!("{}\n{}\n", log.body, values(&log.attributes)));
    }
    for point in received.metrics.iter().flat_map(|metric| &metric.points) {
        text.push_str(&format!("{}\n", values(&point.attributes)));
    }
    text
}
