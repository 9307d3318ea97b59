//! The sink against real exports over both protocols.
use std::net::Ipv4Addr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as traces;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1 as log;
use opentelemetry_proto::tonic::metrics::v1 as metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Kind, MetricKind, Reading, Received, Sink, Status, Temporality, Value};

const DEADLINE: Duration = Duration::from_secs(10);

fn sink() -> Sink {
    Sink::start((Ipv4Addr::LOCALHOST, 0).into()).expect("a sink")
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) })
}

fn pair(key: &str, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource() -> Option<Resource> {
    let attributes = vec![pair("service.name", text("api"))];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("gamesched".to_owned(), "0.1.0".to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

fn span(name: &str) -> trace::Span {
    let link = trace::span::Link {
        trace_id: vec![0xaa; 16],
        span_id: vec![0xbb; 8],
        attributes: vec![pair("gamesched.link.kind", text("created_by"))],
        flags: 0x301,
        ..Default::default()
    };
    let list = ArrayValue { values: text("a").into_iter().chain(text("b")).collect() };
    let list = Some(AnyValue { value: Some(any_value::Value::ArrayValue(list)) });
    trace::Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        trace_state: "k=v".to_owned(),
        flags: 0x101,
        name: name.to_owned(),
        kind: trace::span::SpanKind::Consumer.into(),
        start_time_unix_nano: 5,
        end_time_unix_nano: 9,
        attributes: vec![pair("k", text("first")), pair("k", text("second")), pair("list", list)],
        dropped_attributes_count: 4,
        events: vec![trace::span::Event { name: "cut".to_owned(), ..Default::default() }],
        links: vec![link],
        status: Some(trace::Status { code: 2, message: String::new() }),
        ..Default::default()
    }
}

fn spans(name: &str) -> traces::ExportTraceServiceRequest {
    let scope_spans = vec![trace::ScopeSpans {
        scope: scope(),
        spans: vec![span(name)],
        schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
    }];
    traces::ExportTraceServiceRequest {
        resource_spans: vec![trace::ResourceSpans { resource: resource(), scope_spans, ..Default::default() }],
    }
}

fn logs() -> logs::ExportLogsServiceRequest {
    let record = log::LogRecord {
        severity_text: "INFO".to_owned(),
        severity_number: 9,
        body: text("reminded 3 players"),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: vec![pair("gamesched.game.id", text("G"))],
        ..Default::default()
    };
    let scope_logs = vec![log::ScopeLogs { scope: scope(), log_records: vec![record], ..Default::default() }];
    logs::ExportLogsServiceRequest {
        resource_logs: vec![log::ResourceLogs { resource: resource(), scope_logs, ..Default::default() }],
    }
}

fn metrics() -> metrics::ExportMetricsServiceRequest {
    let point = metric::NumberDataPoint {
        attributes: vec![pair("gamesched.outcome", text("done"))],
        value: Some(metric::number_data_point::Value::AsInt(7)),
        ..Default::default()
    };
    let sum = metric::Sum {
        data_points: vec![point],
        aggregation_temporality: metric::AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    };
    let sum = metric::Metric {
        name: "gamesched.game.changes".to_owned(),
        unit: "{change}".to_owned(),
        data: Some(metric::metric::Data::Sum(sum)),
        ..Default::default()
    };
    let scope_metrics = vec![metric::ScopeMetrics { scope: scope(), metrics: vec![sum], ..Default::default() }];
    metrics::ExportMetricsServiceRequest {
        resource_metrics: vec![metric::ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() }],
    }
}

/// Posts without a client crate, so nothing here needs a TLS provider.
async fn post(sink: &Sink, path: &str, body: Vec<u8>) -> String {
    let address = sink.http_url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the head is written");
    stream.write_all(&body).await.expect("the body is written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn complete(received: &Received) -> bool {
    !received.spans.is_empty() && !received.logs.is_empty() && !received.metrics.is_empty()
}

fn assert_all_is_kept(received: &Received) {
    let span = &received.spans[0];
    assert_eq!((span.service().as_str(), span.name.as_str()), ("api", "process"));
    assert_eq!((span.scope.name.as_str(), span.scope.version.as_str()), ("gamesched", "0.1.0"));
    assert_eq!(span.scope.schema_url, "https://opentelemetry.io/schemas/1.44.0");
    assert_eq!(span.trace_id, "01".repeat(16));
    assert_eq!(span.parent_id.as_deref(), Some("0303030303030303"));
    assert_eq!((span.kind, span.flags, span.start, span.end), (Kind::Consumer, 0x101, 5, 9));
    assert_eq!((span.trace_state.as_str(), span.events[0].name.as_str()), ("k=v", "cut"));
    assert_eq!(span.status, Status::Error(String::new()));
    assert_eq!(span.attribute("k").as_deref(), Some("first"));
    assert_eq!(span.attribute("k#2").as_deref(), Some("second"));
    assert_eq!(span.attribute("list").as_deref(), Some("[a, b]"));
    assert_eq!(span.dropped.attributes, 4);
    let link = &span.links[0];
    assert_eq!((link.trace_id.clone(), link.span_id.clone()), ("aa".repeat(16), "bb".repeat(8)));
    assert_eq!((link.flags, &link.attributes["gamesched.link.kind"]), (0x301, &"created_by".into()));
    assert_log_and_metric_are_kept(received);
}

fn assert_log_and_metric_are_kept(received: &Received) {
    let log = &received.logs[0];
    assert_eq!((log.severity.as_str(), log.target()), ("INFO", "gamesched"));
    assert_eq!(log.body, Value::from("reminded 3 players"));
    assert_eq!(log.span_id, Some("02".repeat(8)));

    let metric = &received.metrics[0];
    assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("gamesched.game.changes", "{change}"));
    let temporality = Temporality::Cumulative;
    assert_eq!(metric.kind, MetricKind::Sum { monotonic: true, temporality });
    assert_eq!(metric.points[0].reading, Reading::Int(7));
    assert_eq!(metric.points[0].attributes["gamesched.outcome"], "done".into());
}

#[tokio::test]
async fn what_comes_over_http_is_kept_whole() {
    let sink = sink();
    for (path, body) in [
        ("/v1/traces", spans("process").encode_to_vec()),
        ("/v1/logs", logs().encode_to_vec()),
        ("/v1/metrics", metrics().encode_to_vec()),
    ] {
        let answer = post(&sink, path, body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-type: application/x-protobuf"), "{answer}");
    }
    assert_all_is_kept(&sink.wait("all three signals", DEADLINE, complete).await.expect("all"));
    sink.clear();
    assert!(sink.spans().is_empty() && sink.logs().is_empty() && sink.metrics().is_empty());
}

#[tokio::test]
async fn what_comes_over_grpc_is_kept_whole() {
    let sink = sink();
    let channel = tonic::transport::Endpoint::from_shared(sink.grpc_url()).expect("a URL");
    let channel = channel.connect().await.expect("a connection");
    let mut to_traces = traces::trace_service_client::TraceServiceClient::new(channel.clone());
    to_traces.export(spans("process")).await.expect("spans are taken");
    let mut to_logs = logs::logs_service_client::LogsServiceClient::new(channel.clone());
    to_logs.export(logs()).await.expect("logs are taken");
    let mut to_metrics = metrics::metrics_service_client::MetricsServiceClient::new(channel);
    to_metrics.export(metrics()).await.expect("metrics are taken");
    assert_all_is_kept(&sink.wait("all three signals", DEADLINE, complete).await.expect("all"));
}

#[tokio::test]
async fn a_batch_of_many_megabytes_is_taken() {
    let sink = sink();
    let name = "x".repeat(8 << 20);
    let answer = post(&sink, "/v1/traces", spans(&name).encode_to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(sink.spans()[0].name.len(), 8 << 20);
}

#[tokio::test]
async fn an_arrival_ends_the_wait() {
    let sink = sink();
    let sender = sink.clone();
    let sending = async move { post(&sender, "/v1/traces", spans("late").encode_to_vec()).await };
    let waiting = sink.wait("a span", DEADLINE, |received| !received.spans.is_empty());
    let (received, _) = tokio::join!(waiting, sending);
    assert_eq!(received.expect("the span").spans[0].name, "late");
}

#[tokio::test]
async fn past_the_deadline_the_error_shows_what_did_arrive() {
    let sink = sink();
    post(&sink, "/v1/traces", spans("process").encode_to_vec()).await;
    let answer = post(&sink, "/v1/logs", b"not protobuf".to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let fault = sink.wait("the reminder", Duration::ZERO, |_| false).await.expect_err("nothing");
    let fault = fault.to_string();
    assert!(fault.starts_with("the reminder did not arrive within 0ns; 1 spans, 0 log"), "{fault}");
    assert!(fault.contains("A  (orphan) api consumer process !error ~?"), "{fault}");
    assert!(fault.contains("unreadable: /v1/logs: "), "{fault}");
}

#[test]
fn the_ports_stay_below_those_the_system_hands_out() {
    let sink = sink();
    assert!(sink.http.port() < 32_768 && sink.grpc.port() == sink.http.port() + 1);
}
