//! The numbers at the end.

use super::stage::Stage;
use crate::otlp::{Kind, Span};
use crate::servers::Servers;
use crate::trace::spans_per_service;
use crate::world::World;

/// What is counted over the whole session, as labels and values.
pub(super) fn of(world: &World, stage: &Stage<'_>, servers: &Servers) -> Vec<(String, String)> {
    let received = world.sink.received();
    let spans = &received.spans;
    let mut summary = vec![("servers".to_owned(), servers.describe())];
    summary.extend(
        spans_per_service(spans).into_iter().map(|(service, count)| (format!("spans of {service}"), count.to_string())),
    );
    let published = spans.iter().filter(|span| span.kind == Kind::Producer).count();
    let processed =
        spans.iter().filter(|span| span.kind == Kind::Consumer && span.name.starts_with("process ")).count();
    let lateness: Vec<f64> = spans.iter().filter_map(lateness).collect();
    let latest = lateness.iter().copied().fold(0.0, f64::max);
    let traces: usize = stage.steps().iter().map(|step| step.traces.len()).sum();
    summary.extend([
        ("messages published".to_owned(), published.to_string()),
        ("messages processed".to_owned(), processed.to_string()),
        ("due rows".to_owned(), format!("{}, the latest {latest:.3} s late", lateness.len())),
        ("traces".to_owned(), traces.to_string()),
        ("log records".to_owned(), received.logs.len().to_string()),
        ("metrics".to_owned(), metrics(world).to_string()),
        ("steps not observed".to_owned(), stage.failed().to_string()),
    ]);
    summary
}

/// The summary for a terminal.
pub(super) fn text(summary: &[(String, String)]) -> String {
    let width = summary.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let lines = summary.iter().map(|(label, value)| format!("  {label:width$}  {value}\n"));
    format!("━━ in all\n{}\n", lines.collect::<String>())
}

fn lateness(span: &Span) -> Option<f64> {
    span.attribute("gamesched.job.lateness")?.parse().ok()
}

fn metrics(world: &World) -> usize {
    let mut names: Vec<_> = world.sink.metrics().into_iter().map(|metric| metric.name).collect();
    names.sort();
    names.dedup();
    names.len()
}
