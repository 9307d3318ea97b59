//! What reaches the wire of what was made.

use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, Value};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::*;

/// Keeps what it is given.
#[derive(Clone, Debug, Default)]
struct Wire {
    spans: Arc<Mutex<Vec<SpanData>>>,
    logs: Arc<Mutex<Vec<SdkLogRecord>>>,
}

impl SpanExporter for Wire {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl LogExporter for Wire {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.logs.lock().unwrap().extend(batch.iter().map(|(record, _)| record.clone()));
        Ok(())
    }
}

fn span(attributes: Vec<KeyValue>) -> SpanData {
    SpanData {
        span_context: SpanContext::NONE,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Client,
        name: "GET".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

async fn sent(limit: Option<usize>, made: SpanData) -> SpanData {
    let wire = Wire::default();
    Spans::new(wire.clone(), false, limit).export(vec![made]).await.unwrap();
    wire.spans.lock().unwrap().remove(0)
}

fn texts(span: &SpanData) -> Vec<(String, String)> {
    span.attributes.iter().map(|one| (one.key.to_string(), one.value.to_string())).collect()
}

#[tokio::test]
async fn t_14_an_attribute_that_nobody_declared_is_not_sent_and_leaves_a_count() {
    let mut made = span(vec![KeyValue::new("gamesched.token", "x"), KeyValue::new("db.namespace", "0")]);
    let planted = vec![KeyValue::new("http.request.header.cookie", "x"), KeyValue::new("gamesched.link.kind", "batch")];
    made.links.links = vec![Link::new(SpanContext::NONE, planted, 0)];
    let sent = sent(None, made).await;
    assert_eq!(texts(&sent), [("db.namespace".to_owned(), "0".to_owned())]);
    assert_eq!(sent.dropped_attributes_count, 1);
    let link = &sent.links.links[0];
    assert_eq!((link.attributes.len(), link.dropped_attributes_count), (1, 1));
}

#[tokio::test]
async fn t_14_every_attribute_that_is_declared_is_sent_and_none_that_only_looks_like_one() {
    let declared = crate::telemetry::names::ATTRIBUTES;
    let all = declared.iter().map(|key| KeyValue::new(*key, 1)).collect();
    assert_eq!(sent(None, span(all)).await.attributes.len(), declared.len());
    let like = |key: &str| [format!("{key}s"), key[1..].to_owned(), key.to_uppercase(), key.replace('.', "_")];
    let others = declared.iter().flat_map(|key| like(key)).filter(|key| !declared.contains(&&**key));
    let others = others.chain([String::new(), "x".to_owned()]).map(|key| KeyValue::new(key, 1)).collect();
    assert_eq!(texts(&sent(None, span(others)).await), []);
}

#[tokio::test]
async fn t_14_long_values_are_cut_between_characters_statements_later() {
    let long = "ä".repeat(2_000);
    let made = || {
        span(vec![
            KeyValue::new("db.query.text", long.clone()),
            KeyValue::new("url.path", long[..400].to_owned() + "b"),
        ])
    };
    let lengths = |span: SpanData| span.attributes.iter().map(|one| one.value.as_str().len()).collect::<Vec<_>>();
    assert_eq!(lengths(sent(None, made()).await), [2_048, 256]);
    assert_eq!(lengths(sent(Some(33), made()).await), [32, 32]);
    assert_eq!(lengths(sent(Some(9_000), made()).await), [4_000, 401]);
}

#[tokio::test]
async fn t_14_a_secret_in_a_value_is_replaced_also_in_a_list() {
    let secret = "https://dm:hunter2@host/";
    let list = Value::Array(opentelemetry::Array::String(vec!["a".into(), secret.into()]));
    let sent = sent(None, span(vec![KeyValue::new("url.full", secret), KeyValue::new("url.path", list)])).await;
    let told = texts(&sent);
    assert!(told[0].1 == "https://dm:REDACTED@host/" && told[1].1.contains("dm:REDACTED@host"), "{told:?}");
}

fn record(logger: &SdkLogger, body: &str, attributes: &[(&'static str, &str)]) -> SdkLogRecord {
    let mut record = logger.create_log_record();
    record.set_body(body.to_owned().into());
    record.set_target("shared::actions");
    record.set_severity_text("INFO");
    record.set_timestamp(SystemTime::UNIX_EPOCH);
    for (key, value) in attributes {
        record.add_attribute(*key, (*value).to_owned());
    }
    record
}

#[tokio::test]
async fn t_14_a_record_is_sent_as_it_is_or_without_what_may_not_leave() {
    let wire = Wire::default();
    let logs = Logs::new(wire.clone(), true, None);
    let good = record(&logs.logger, "reminded 3 players", &[("gamesched.game.id", "g")]);
    let bad = record(&logs.logger, "ada@example.org asked", &[("title", "Dune"), ("error.type", "timeout")]);
    let scope = InstrumentationScope::default();
    logs.export(LogBatch::new(&[(&good, &scope), (&bad, &scope)])).await.unwrap();
    let sent = wire.logs.lock().unwrap().clone();
    assert_eq!(sent[0], good);
    let body = sent[1].body().cloned();
    assert_eq!(body, Some(AnyValue::from("REDACTED asked")));
    let keys: Vec<_> = sent[1].attributes_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, ["error.type"]);
    assert_eq!(
        (sent[1].target(), sent[1].severity_text(), sent[1].timestamp()),
        (bad.target(), Some("INFO"), bad.timestamp())
    );
}

#[test]
fn t_11_a_failed_export_has_a_class() {
    let internal = |text: &str| class(&OTelSdkError::InternalFailure(text.to_owned()));
    assert_eq!(internal("HTTP export failed with status code: 503"), "503");
    assert_eq!(
        internal("TonicTracesClient export failed with gRPC code: Unavailable: tcp connect error"),
        "Unavailable"
    );
    assert_eq!(internal("HTTP export failed: network error"), "network");
    assert_eq!(internal("something new"), "_OTHER");
    assert_eq!(class(&OTelSdkError::AlreadyShutdown), "already_shutdown");
}

/// Not a measurement to rely on, but one to see when somebody makes the guard a hundred times slower.
#[tokio::test]
async fn t_10_a_batch_in_which_nothing_must_change_costs_little() {
    let statement = "explain select g.id, g.title from games g where g.id = $1 ".repeat(8);
    let attributes = vec![
        KeyValue::new("db.system.name", "postgresql"),
        KeyValue::new("db.namespace", "games"),
        KeyValue::new("db.query.summary", "SELECT games participants"),
        KeyValue::new("db.query.text", statement),
        KeyValue::new("server.address", "postgres"),
    ];
    let exporter = Spans::new(Wire::default(), false, None);
    let batch = vec![span(attributes); 512];
    let since = Instant::now();
    exporter.export(batch).await.unwrap();
    let each = since.elapsed() / 512;
    eprintln!("{each:?} a span");
    assert!(each < Duration::from_micros(500), "{each:?} a span");
}
