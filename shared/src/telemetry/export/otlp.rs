//! Spans as an OTLP request in protobuf, written straight from what the SDK hands over: `trace/v1/trace.proto` and what
//! it imports of opentelemetry-proto 1.
//!
//! Upstream copies every span into messages, each key and each value an allocation of its own, and then measures each
//! message once for every message around it (docs/decisions/0037).

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

/// Wire types of protobuf, <https://protobuf.dev/programming-guides/encoding/#structure>.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const DELIMITED: u32 = 2;
const FIXED32: u32 = 5;
/// What one byte of a varint holds.
const LOW: u64 = 0x7f;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`.
const KNOWS_REMOTE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
const IS_REMOTE: u32 = 0x200;

/// Appends an `ExportTraceServiceRequest` with all of a batch, under the `resource` that was encoded before.
pub(super) fn request(out: &mut Vec<u8>, resource: &Encoded, batch: &[SpanData]) {
    message(out, 1, |out| {
        message(out, 1, |out| out.extend_from_slice(&resource.attributes));
        let mut scopes: Vec<&InstrumentationScope> = Vec::new();
        for span in batch {
            if !scopes.contains(&&span.instrumentation_scope) {
                scopes.push(&span.instrumentation_scope);
                scope(out, &span.instrumentation_scope, batch);
            }
        }
        bytes(out, 3, resource.schema_url.as_bytes());
    });
}

/// What is the same in every request.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    attributes: Vec<u8>,
    schema_url: String,
}

impl Encoded {
    pub(super) fn new(resource: &Resource) -> Self {
        let mut encoded = Self::default();
        encoded.schema_url.push_str(resource.schema_url().unwrap_or_default());
        resource.iter().for_each(|(key, value)| attribute(&mut encoded.attributes, 1, key.as_str(), value));
        encoded
    }
}

/// `ScopeSpans` with those of the batch that are of this scope.
fn scope(out: &mut Vec<u8>, scope: &InstrumentationScope, batch: &[SpanData]) {
    message(out, 2, |out| {
        message(out, 1, |out| {
            bytes(out, 1, scope.name().as_bytes());
            bytes(out, 2, scope.version().unwrap_or_default().as_bytes());
            scope.attributes().for_each(|one| attribute(out, 3, one.key.as_str(), &one.value));
        });
        batch.iter().filter(|span| span.instrumentation_scope == *scope).for_each(|one| span(out, one));
        bytes(out, 3, scope.schema_url().unwrap_or_default().as_bytes());
    });
}

fn span(out: &mut Vec<u8>, span: &SpanData) {
    message(out, 2, |out| {
        context(out, &span.span_context);
        if span.parent_span_id != SpanId::INVALID {
            bytes(out, 4, &span.parent_span_id.to_bytes());
        }
        bytes(out, 5, span.name.as_bytes());
        number(out, 6, kind(&span.span_kind));
        time(out, 7, span.start_time);
        time(out, 8, span.end_time);
        attributes(out, 9, &span.attributes);
        number(out, 10, span.dropped_attributes_count.into());
        span.events.iter().for_each(|one| event(out, one));
        number(out, 12, span.events.dropped_count.into());
        span.links.iter().for_each(|one| link(out, one));
        number(out, 14, span.links.dropped_count.into());
        message(out, 15, |out| status(out, &span.status));
        flags(out, 16, &span.span_context, span.parent_span_is_remote);
    });
}

fn event(out: &mut Vec<u8>, event: &Event) {
    message(out, 11, |out| {
        time(out, 1, event.timestamp);
        bytes(out, 2, event.name.as_bytes());
        attributes(out, 3, &event.attributes);
        number(out, 4, event.dropped_attributes_count.into());
    });
}

fn link(out: &mut Vec<u8>, link: &Link) {
    message(out, 13, |out| {
        context(out, &link.span_context);
        attributes(out, 4, &link.attributes);
        number(out, 5, link.dropped_attributes_count.into());
        flags(out, 6, &link.span_context, link.span_context.is_remote());
    });
}

/// Ids and state have the same numbers in spans and in links.
fn context(out: &mut Vec<u8>, context: &SpanContext) {
    // Not by `bytes`: what is empty is left out, and an id of zeros is not empty.
    delimited(out, 1, &context.trace_id().to_bytes());
    delimited(out, 2, &context.span_id().to_bytes());
    bytes(out, 3, context.trace_state().header().as_bytes());
}

fn flags(out: &mut Vec<u8>, field: u32, context: &SpanContext, remote: bool) {
    tag(out, field, FIXED32);
    let remote = if remote { IS_REMOTE } else { 0 };
    out.extend_from_slice(&(u32::from(context.trace_flags().to_u8()) | KNOWS_REMOTE | remote).to_le_bytes());
}

const fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn status(out: &mut Vec<u8>, status: &Status) {
    match status {
        Status::Unset => {}
        Status::Ok => number(out, 3, 1),
        Status::Error { description } => {
            bytes(out, 2, description.as_bytes());
            number(out, 3, 2);
        }
    }
}

/// Nanoseconds since the epoch; a time before it is the epoch.
fn time(out: &mut Vec<u8>, field: u32, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    if nanoseconds > 0 {
        tag(out, field, FIXED64);
        out.extend_from_slice(&nanoseconds.to_le_bytes());
    }
}

fn attributes(out: &mut Vec<u8>, field: u32, attributes: &[KeyValue]) {
    attributes.iter().for_each(|one| attribute(out, field, one.key.as_str(), &one.value));
}

/// A `KeyValue`.
fn attribute(out: &mut Vec<u8>, field: u32, key: &str, of: &Value) {
    message(out, field, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, |out| value(out, of));
    });
}

/// An `AnyValue`. It is one of several, so that zeros and empty texts are written too.
fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => delimited(out, 1, text.as_str().as_bytes()),
        Value::Bool(yes) => boolean(out, *yes),
        Value::I64(number) => integer(out, *number),
        Value::F64(number) => double(out, *number),
        Value::Array(array) => message(out, 5, |out| match array {
            Array::String(texts) => {
                texts.iter().for_each(|text| message(out, 1, |out| delimited(out, 1, text.as_str().as_bytes())));
            }
            Array::Bool(all) => all.iter().for_each(|yes| message(out, 1, |out| boolean(out, *yes))),
            Array::I64(all) => all.iter().for_each(|number| message(out, 1, |out| integer(out, *number))),
            Array::F64(all) => all.iter().for_each(|number| message(out, 1, |out| double(out, *number))),
            // What the API does not have yet arrives without a value.
            _ => {}
        }),
        _ => {}
    }
}

fn boolean(out: &mut Vec<u8>, yes: bool) {
    tag(out, 2, VARINT);
    varint(out, yes.into());
}

fn integer(out: &mut Vec<u8>, number: i64) {
    tag(out, 3, VARINT);
    varint(out, number.cast_unsigned());
}

fn double(out: &mut Vec<u8>, number: f64) {
    tag(out, 4, FIXED64);
    out.extend_from_slice(&number.to_le_bytes());
}

/// A number; 0 is what a missing one means.
fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number > 0 {
        tag(out, field, VARINT);
        varint(out, number);
    }
}

/// Bytes or text; empty is what missing means.
fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        delimited(out, field, bytes);
    }
}

fn delimited(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    tag(out, field, DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message in a message. Its length goes before it and is known after it: what takes more than a byte moves it.
fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, DELIMITED);
    out.push(0);
    let start = out.len();
    write(out);
    let end = out.len();
    let length = (end - start) as u64;
    out[start - 1] = low(length);
    if length > LOW {
        varint(out, length >> 7);
        let more = out.len() - end;
        out[start..].rotate_right(more);
    }
}

fn tag(out: &mut Vec<u8>, field: u32, wire: u32) {
    varint(out, (field << 3 | wire).into());
}

/// Seven bits to a byte, the lowest first.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > LOW {
        out.push(low(value));
        value >>= 7;
    }
    out.push(low(value));
}

/// The lowest seven bits, and whether there are more.
const fn low(value: u64) -> u8 {
    let more = if value > LOW { 0x80 } else { 0 };
    (value & LOW) as u8 | more
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn context(number: u64, remote: bool) -> SpanContext {
        let state = TraceState::from_key_value([("vendor", "a;b"), ("other", "1")]).unwrap();
        let ids = (TraceId::from(u128::from(number)), SpanId::from(number));
        SpanContext::new(ids.0, ids.1, TraceFlags::new(number as u8 & 1), remote, state)
    }

    fn span(number: u64, attributes: Vec<KeyValue>, status: Status) -> SpanData {
        let mut links = SpanLinks::default();
        links.links =
            vec![Link::new(context(number, true), attributes.clone(), 3), Link::new(SpanContext::NONE, Vec::new(), 0)];
        let mut events = SpanEvents::default();
        events.events = vec![Event::new("exception", UNIX_EPOCH, attributes.clone(), 2)];
        (links.dropped_count, events.dropped_count) = (4, 5);
        SpanData {
            span_context: context(number, false),
            parent_span_id: SpanId::from(number / 2),
            parent_span_is_remote: number % 2 == 1,
            span_kind: [SpanKind::Client, SpanKind::Server, SpanKind::Internal, SpanKind::Producer, SpanKind::Consumer]
                [number as usize % 5]
                .clone(),
            name: format!("span {number}").into(),
            start_time: UNIX_EPOCH + Duration::from_nanos(number),
            end_time: UNIX_EPOCH - Duration::from_secs(1),
            attributes,
            dropped_attributes_count: 1,
            events,
            links,
            status,
            instrumentation_scope: InstrumentationScope::builder(["gamesched", "another"][number as usize % 2])
                .with_version("1")
                .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
                .with_attributes([KeyValue::new("scope", true)])
                .build(),
        }
    }

    /// What we write is read as what upstream makes of the same spans.
    fn is_as_upstream(batch: Vec<SpanData>) {
        let resource = Resource::builder_empty()
            .with_schema_url([KeyValue::new("service.name", "api"), KeyValue::new("host.id", 7)], "https://schema/1")
            .build();
        let mut ours = Vec::new();
        request(&mut ours, &Encoded::new(&resource), &batch);
        let theirs = group_spans_by_resource_and_scope(batch, &(&resource).into());
        let read = ExportTraceServiceRequest::decode(&ours[..]).unwrap();
        assert_eq!(read, ExportTraceServiceRequest { resource_spans: theirs });
    }

    #[test]
    fn t_10_spans_of_every_shape_are_written_as_upstream_would() {
        let statuses = [Status::Unset, Status::Ok, Status::error("timeout"), Status::error("")];
        let batch = statuses.into_iter().cycle().zip(0..40).map(|(status, number)| span(number, Vec::new(), status));
        is_as_upstream(batch.collect());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            ".{0,300}".prop_map(Value::from),
            (0..20_000_usize).prop_map(|length| Value::from("ä".repeat(length))),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            proptest::collection::vec(".{0,9}", 0..4)
                .prop_map(|texts| Value::Array(Array::String(texts.into_iter().map(Into::into).collect()))),
            proptest::collection::vec(any::<bool>(), 0..4).prop_map(|all| Value::Array(Array::Bool(all))),
            proptest::collection::vec(any::<i64>(), 0..4).prop_map(|all| Value::Array(Array::I64(all))),
            proptest::collection::vec(-1.0..1.0, 0..4).prop_map(|all| Value::Array(Array::F64(all))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn t_10_values_of_every_kind_and_length_are_written_as_upstream_would(
            values in proptest::collection::vec((any::<u64>(), any_value()), 0..12)
        ) {
            let attributes = values.iter().map(|(number, value)| KeyValue::new(number.to_string(), value.clone()));
            is_as_upstream(vec![span(values.len() as u64, attributes.collect(), Status::Unset)]);
        }
    }
}
