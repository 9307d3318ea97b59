//! Carrying the trace context through headers, rows and tasks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Link, SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use super::span::{Inside, silent};

/// Work that follows its cause within this time continues its trace; later work starts its own and links back.
pub const PROMPT: Duration = Duration::from_secs(60);

/// Headers of a message, or the `trace_context` column of a row: `traceparent` and, if any, `tracestate` (W3C).
pub type Headers = HashMap<String, String>;

/// Whether contexts are written and read at all.
static CARRIES: AtomicBool = AtomicBool::new(true);

/// From now on nothing is written and nothing is read, as `OTEL_PROPAGATORS=none` asks.
pub(super) fn stop() {
    CARRIES.store(false, Ordering::Relaxed);
}

/// The current context as headers; empty outside every span.
#[must_use]
pub fn headers(context: &Context) -> Headers {
    let mut headers = Headers::new();
    if !CARRIES.load(Ordering::Relaxed) {
        return headers;
    }
    TraceContextPropagator::new().inject_context(context, &mut headers);
    headers.retain(|_, value| !value.is_empty());
    headers
}

/// The current context as the `trace_context` of a row.
#[must_use]
pub fn row() -> Value {
    let headers = headers(&Context::current());
    Value::Object(headers.into_iter().map(|(key, value)| (key, Value::String(value))).collect::<Map<_, _>>())
}

/// The current trace id as 32 hexadecimal digits, if there is a span.
#[must_use]
pub fn trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Reads headers; missing or broken ones give an invalid context, never an error.
#[must_use]
pub fn extract(headers: &dyn Extractor) -> SpanContext {
    if !CARRIES.load(Ordering::Relaxed) {
        return SpanContext::NONE;
    }
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), headers);
    context.span().span_context().clone()
}

/// Reads the `trace_context` of a row.
#[must_use]
pub fn extract_row(row: &Value) -> SpanContext {
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    extract(&row.as_object().map(|fields| fields.iter().filter_map(text).collect::<Headers>()).unwrap_or_default())
}

/// Where a span hangs: below its cause, or at the root, and what it links to.
#[derive(Debug)]
pub struct Place {
    /// The parent; an empty context makes a root.
    pub parent: Context,
    /// The links to give to the builder, so that samplers see them.
    pub links: Vec<Link>,
}

/// A new root that links to its cause.
#[must_use]
pub fn root_linked(cause: SpanContext, kind: &'static str) -> Place {
    Place { parent: Context::new(), links: link(cause, kind) }
}

/// Below its cause without a link: what a process publishes promptly after a commit.
#[must_use]
pub fn below(cause: SpanContext) -> Place {
    let parent = if cause.is_valid() { Context::new().with_remote_span_context(cause) } else { Context::new() };
    Place { parent, links: Vec::new() }
}

/// Below its cause and linked to it: the first, prompt delivery of a message.
#[must_use]
pub fn below_linked(cause: SpanContext, kind: &'static str) -> Place {
    Place { links: link(cause.clone(), kind), ..below(cause) }
}

/// A link that says what kind it is, or none when there is nothing to link to.
#[must_use]
pub fn link(cause: SpanContext, kind: &'static str) -> Vec<Link> {
    if !cause.is_valid() {
        return Vec::new();
    }
    vec![Link::new(cause, vec![KeyValue::new("gamesched.link.kind", kind)], 0)]
}

/// Runs a task that keeps the current context. A bare spawn would lose the trace.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn<F>(tasks: &TaskTracker, future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let context = Context::current();
    tasks.spawn(Inside::new(future, context))
}

/// Runs a long-lived task with an empty context, or all it does would belong to the span that started it.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn root<F>(tasks: &TaskTracker, future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tasks.spawn(silent(future))
}
