//! From the wire's messages to our model, leaving nothing out.
mod metrics;

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{self as common, any_value};
use opentelemetry_proto::tonic::logs::v1 as log;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;

use super::{Attributes, Dropped, Event, Kind, Link, LogRecord, Received, Resource, Scope, Span, Status, Value};

pub(super) use metrics::metrics;

/// Adds a request's spans.
pub(super) fn spans(received: &mut Received, request: ExportTraceServiceRequest) {
    for of_resource in request.resource_spans {
        let resource = resource_of(of_resource.resource, of_resource.schema_url);
        for of_scope in of_resource.scope_spans {
            let scope = scope_of(of_scope.scope, of_scope.schema_url);
            let spans = of_scope.spans.into_iter().map(|span| span_of(&resource, &scope, span));
            received.spans.extend(spans);
        }
    }
}

/// Adds a request's log records.
pub(super) fn logs(received: &mut Received, request: ExportLogsServiceRequest) {
    for of_resource in request.resource_logs {
        let resource = resource_of(of_resource.resource, of_resource.schema_url);
        for of_scope in of_resource.scope_logs {
            let scope = scope_of(of_scope.scope, of_scope.schema_url);
            let logs = of_scope.log_records.into_iter().map(|log| log_of(&resource, &scope, log));
            received.logs.extend(logs);
        }
    }
}

fn resource_of(resource: Option<resource::Resource>, schema_url: String) -> Arc<Resource> {
    let resource = resource.unwrap_or_default();
    Arc::new(Resource {
        attributes: attributes(resource.attributes),
        schema_url,
        dropped_attributes: resource.dropped_attributes_count,
    })
}

fn scope_of(scope: Option<common::InstrumentationScope>, schema_url: String) -> Arc<Scope> {
    let scope = scope.unwrap_or_default();
    Arc::new(Scope {
        name: scope.name,
        version: scope.version,
        attributes: attributes(scope.attributes),
        schema_url,
        dropped_attributes: scope.dropped_attributes_count,
    })
}

fn span_of(resource: &Arc<Resource>, scope: &Arc<Scope>, span: trace::Span) -> Span {
    Span {
        resource: resource.clone(),
        scope: scope.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: id(&span.parent_span_id),
        trace_state: span.trace_state,
        flags: span.flags,
        kind: kind_of(span.kind),
        name: span.name,
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: attributes(span.attributes),
        events: span.events.into_iter().map(event_of).collect(),
        links: span.links.into_iter().map(link_of).collect(),
        status: status_of(span.status.unwrap_or_default()),
        dropped: Dropped {
            attributes: span.dropped_attributes_count,
            events: span.dropped_events_count,
            links: span.dropped_links_count,
        },
    }
}

fn kind_of(kind: i32) -> Kind {
    match trace::span::SpanKind::try_from(kind).unwrap_or_default() {
        trace::span::SpanKind::Unspecified => Kind::Unspecified,
        trace::span::SpanKind::Internal => Kind::Internal,
        trace::span::SpanKind::Server => Kind::Server,
        trace::span::SpanKind::Client => Kind::Client,
        trace::span::SpanKind::Producer => Kind::Producer,
        trace::span::SpanKind::Consumer => Kind::Consumer,
    }
}

fn status_of(status: trace::Status) -> Status {
    match status.code() {
        trace::status::StatusCode::Unset => Status::Unset,
        trace::status::StatusCode::Ok => Status::Ok,
        trace::status::StatusCode::Error => Status::Error(status.message),
    }
}

fn event_of(event: trace::span::Event) -> Event {
    Event {
        time: event.time_unix_nano,
        name: event.name,
        attributes: attributes(event.attributes),
        dropped_attributes: event.dropped_attributes_count,
    }
}

fn link_of(link: trace::span::Link) -> Link {
    Link {
        trace_id: hex(&link.trace_id),
        span_id: hex(&link.span_id),
        trace_state: link.trace_state,
        flags: link.flags,
        attributes: attributes(link.attributes),
        dropped_attributes: link.dropped_attributes_count,
    }
}

fn log_of(resource: &Arc<Resource>, scope: &Arc<Scope>, log: log::LogRecord) -> LogRecord {
    LogRecord {
        resource: resource.clone(),
        scope: scope.clone(),
        time: log.time_unix_nano,
        observed: log.observed_time_unix_nano,
        trace_id: id(&log.trace_id),
        span_id: id(&log.span_id),
        flags: log.flags,
        severity_number: log.severity_number,
        severity: log.severity_text,
        event_name: log.event_name,
        body: value(log.body),
        attributes: attributes(log.attributes),
        dropped_attributes: log.dropped_attributes_count,
    }
}

fn attributes(pairs: Vec<common::KeyValue>) -> Attributes {
    let mut attributes = Attributes::new();
    for pair in pairs {
        let mut key = pair.key.clone();
        let mut times = 1;
        while attributes.contains_key(&key) {
            times += 1;
            key = format!("{}#{times}", pair.key);
        }
        attributes.insert(key, value(pair.value));
    }
    attributes
}

fn value(value: Option<common::AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        None => Value::Empty,
        Some(any_value::Value::StringValue(text)) => Value::Text(text),
        Some(any_value::Value::BoolValue(value)) => Value::Bool(value),
        Some(any_value::Value::IntValue(value)) => Value::Int(value),
        Some(any_value::Value::DoubleValue(value)) => Value::Double(value),
        Some(any_value::Value::ArrayValue(list)) => {
            Value::List(list.values.into_iter().map(|item| self::value(Some(item))).collect())
        }
        Some(any_value::Value::KvlistValue(map)) => Value::Map(attributes(map.values)),
        Some(any_value::Value::BytesValue(bytes)) => Value::Bytes(bytes),
        // Belongs to profiles; shown rather than swallowed where it does not belong.
        Some(any_value::Value::StringValueStrindex(index)) => Value::Text(format!("string table entry {index}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    Value::Bytes(bytes.to_vec()).to_string()
}

fn id(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| hex(bytes))
}
