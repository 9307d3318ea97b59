//! The checks see what they are for: each mistake is planted in an otherwise good signal.

use std::sync::Arc;

use super::*;
use crate::otlp::{
    Attributes, Kind, LogRecord, Metric, MetricKind, Point, Resource, Scope, Status, Temporality, Value,
};

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

fn resource() -> Arc<Resource> {
    let attributes = attributes(&[
        ("service.namespace", "gamesched"),
        ("service.name", "bot"),
        ("service.instance.id", "f1"),
        ("service.version", "0.1.0"),
        ("deployment.environment.name", "test"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "0.33.1"),
    ]);
    Arc::new(Resource { attributes, ..Resource::default() })
}

fn scope() -> Arc<Scope> {
    Arc::new(Scope {
        name: "gamesched".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
        ..Scope::default()
    })
}

fn gateway() -> Span {
    Span {
        resource: resource(),
        scope: scope(),
        name: "gateway GUILD_CREATE".to_owned(),
        kind: Kind::Consumer,
        attributes: attributes(&[("gamesched.gateway.event", "GUILD_CREATE"), ("gamesched.shard.id", "0")]),
        ..Span::default()
    }
}

fn metric() -> Metric {
    let labels = attributes(&[("gamesched.outcome", "hit")]);
    Metric {
        resource: resource(),
        scope: scope(),
        name: "gamesched.projection.reads".to_owned(),
        unit: "{read}".to_owned(),
        kind: MetricKind::Sum { monotonic: true, temporality: Temporality::Cumulative },
        points: vec![Point { attributes: labels, ..Point::default() }],
        ..Metric::default()
    }
}

fn log() -> LogRecord {
    LogRecord { resource: resource(), attributes: attributes(&[("gamesched.game.id", "g")]), ..LogRecord::default() }
}

/// What is found in a capture that is good but for this change.
fn found(change: impl FnOnce(&mut Received)) -> Vec<String> {
    let mut received =
        Received { spans: vec![gateway()], logs: vec![log()], metrics: vec![metric()], ..Received::default() };
    change(&mut received);
    let registry = Registry::load().expect("the registry can be read");
    registry.check(&received).iter().map(Finding::to_string).collect()
}

fn in_span(change: impl FnOnce(&mut Span)) -> Vec<String> {
    found(|received| change(&mut received.spans[0]))
}

fn in_metric(change: impl FnOnce(&mut Metric)) -> Vec<String> {
    found(|received| change(&mut received.metrics[0]))
}

const SPAN: &str = "span gateway GUILD_CREATE of bot: ";
const METRIC: &str = "metric gamesched.projection.reads of bot: ";

#[test]
fn a_capture_that_is_as_declared_has_no_finding() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn an_empty_capture_is_a_finding_for_each_signal() {
    assert_eq!(
        found(|received| *received = Received::default()),
        ["logs: none arrived", "metrics: none arrived", "spans: none arrived"]
    );
}

#[test]
fn a_planted_attribute_a_missing_one_and_one_given_twice_are_found() {
    let planted = in_span(|span| drop(span.attributes.insert("gamesched.token".to_owned(), "x".into())));
    assert_eq!(planted, [format!("{SPAN}gamesched.token is not declared here")]);
    let missing = in_span(|span| drop(span.attributes.remove("gamesched.shard.id")));
    assert_eq!(missing, [format!("{SPAN}gamesched.shard.id is missing")]);
    let twice = in_span(|span| drop(span.attributes.insert("gamesched.shard.id#2".to_owned(), "0".into())));
    assert_eq!(twice, [format!("{SPAN}gamesched.shard.id is given more than once")]);
}

#[test]
fn a_wrong_type_and_a_value_outside_its_set_are_found() {
    let number = in_span(|span| drop(span.attributes.insert("gamesched.shard.id".to_owned(), 0_i64.into())));
    assert_eq!(number, [format!("{SPAN}gamesched.shard.id is Int(0)")]);
    let strange = in_metric(|metric| {
        metric.points[0].attributes.insert("gamesched.outcome".to_owned(), "maybe".into());
    });
    assert_eq!(strange, [format!("{METRIC}gamesched.outcome is Text(\"maybe\")")]);
}

#[test]
fn an_unknown_name_and_a_wrong_kind_are_found() {
    assert_eq!(in_span(|span| span.kind = Kind::Server), [format!("{SPAN}is server, not consumer")]);
    let renamed = in_span(|span| span.name = "gateway guild".to_owned());
    assert!(renamed[0].contains("no declared name fits"), "{renamed:?}");
    let renamed = in_metric(|metric| metric.name = "gamesched.projection.read".to_owned());
    assert_eq!(renamed, ["metric gamesched.projection.read of bot: is not declared"]);
}

#[test]
fn a_wrong_unit_and_a_wrong_instrument_are_found() {
    assert_eq!(in_metric(|metric| metric.unit = "1".to_owned()), [format!("{METRIC}is in \"1\", not \"{{read}}\"")]);
    let gauge = in_metric(|metric| metric.kind = MetricKind::Gauge);
    assert_eq!(gauge, [format!("{METRIC}is Gauge, not a cumulative counter")]);
}

#[test]
fn a_service_scope_or_log_field_that_is_not_ours_is_found() {
    let other = in_span(|span| {
        let mut resource = (*span.resource).clone();
        resource.attributes.insert("service.name".to_owned(), "unknown_service".into());
        span.resource = Arc::new(resource);
    });
    assert_eq!(other, ["resource of unknown_service: service.name is Text(\"unknown_service\")"]);
    let other = in_span(|span| span.scope = Arc::new(Scope { name: "sqlx".to_owned(), ..Scope::default() }));
    assert_eq!(other, [format!("{SPAN}is in the scope (\"sqlx\", \"\", \"\")")]);
    let other = found(|received| drop(received.logs[0].attributes.insert("title".to_owned(), "Dune".into())));
    assert_eq!(other, ["log  of bot: title is not declared here"]);
}

#[test]
fn a_failure_says_its_class_and_nothing_else_and_a_cancelled_span_may_lack_its_end() {
    let told = in_span(|span| span.status = Status::Error("the database said".to_owned()));
    assert_eq!(told, [format!("{SPAN}failed with a description, or without error.type")]);
    let job = |error: &'static str| {
        in_span(move |span| {
            span.name = "job delivery".to_owned();
            span.kind = Kind::Internal;
            span.attributes = attributes(&[
                ("gamesched.job.kind", "delivery"),
                ("gamesched.job.id", "d"),
                ("gamesched.job.due_at", "2026-05-01T18:00:00Z"),
                ("error.type", error),
            ]);
            span.attributes.insert("gamesched.job.lateness".to_owned(), 0.5_f64.into());
            span.attributes.insert("gamesched.attempt".to_owned(), 1_i64.into());
        })
    };
    assert_eq!(job("cancelled"), Vec::<String>::new());
    assert_eq!(job("500"), ["span job delivery of bot: gamesched.outcome is missing"]);
}
