//! Spans of edges: `start` names, `run` runs, ends, and marks faults. Only edges start spans.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context as Task, Poll};

use opentelemetry::trace::{Link, Span as _, SpanBuilder, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use pin_project_lite::pin_project;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use opentelemetry::trace::SpanKind;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Set once by `telemetry::init`. Concrete, because a boxed tracer costs an allocation and a lock a span.
pub(super) fn install(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// A span that is under way. Dropping it unfinished ends it as `cancelled`.
#[must_use]
#[derive(Debug)]
pub struct Span {
    context: Context,
    recording: bool,
    ended: bool,
}

/// A client span that is never the current one, since nothing of ours runs inside it: of what a `Span` allocates it needs
/// a third. Dropping it unfinished ends it as `cancelled`.
#[must_use]
#[derive(Debug)]
pub struct Leaf(Option<SdkSpan>);

/// Starts a span below the current context.
pub fn start(kind: SpanKind, name: impl Into<Cow<'static, str>>, attributes: Vec<KeyValue>) -> Span {
    begin(kind, name, || attributes, Vec::new(), &Context::current())
}

/// Starts a client span, but only below a recording span: polls stay silent, an unsampled request costs nothing.
pub fn client(name: impl Into<Cow<'static, str>>, attributes: impl FnOnce() -> Vec<KeyValue>) -> Span {
    let parent = Context::current();
    if !parent.span().is_recording() {
        return Span { context: parent, recording: false, ended: true };
    }
    begin(SpanKind::Client, name, attributes, Vec::new(), &parent)
}

/// Starts a leaf, but only below a recording span, as `client` does.
pub fn leaf(name: impl Into<Cow<'static, str>>, attributes: impl FnOnce() -> Vec<KeyValue>) -> Leaf {
    Context::map_current(|parent| {
        let tracer = TRACER.get().filter(|_| parent.span().is_recording());
        Leaf(tracer.map(|tracer| {
            let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes());
            tracer.build_with_context(builder, parent)
        }))
    })
}

/// Starts a span with links below `parent`; an empty context makes a new root. Where nothing is told nobody asks for
/// the attributes.
pub fn begin(
    kind: SpanKind,
    name: impl Into<Cow<'static, str>>,
    attributes: impl FnOnce() -> Vec<KeyValue>,
    links: Vec<Link>,
    parent: &Context,
) -> Span {
    let Some(tracer) = TRACER.get() else {
        return Span { context: parent.clone(), recording: false, ended: true };
    };
    let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes()).with_links(links);
    let span = tracer.build_with_context(builder, parent);
    let context = parent.with_span(span);
    let recording = context.span().is_recording();
    Span { context, recording, ended: false }
}

impl Span {
    /// The context with this span as the current one.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Adds what became known.
    pub fn set(&self, attribute: KeyValue) {
        if self.recording {
            self.context.span().set_attribute(attribute);
        }
    }

    /// Marks the span failed: status ERROR without a description, and the class in `error.type`.
    pub fn fail(&self, error_type: impl Into<StringValue>) {
        if self.recording {
            let span = self.context.span();
            span.set_attribute(KeyValue::new("error.type", error_type.into()));
            span.set_status(Status::error(""));
        }
    }

    /// Ends the span now.
    pub fn end(mut self) {
        self.finish();
    }

    /// Runs a future inside the span; the span goes on.
    pub fn inside<F: Future>(&self, future: F) -> Inside<F> {
        Inside { future, context: self.context.clone() }
    }

    fn finish(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.context.span().end();
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.recording && !self.ended {
            self.set(KeyValue::new("error.type", "cancelled"));
        }
        self.finish();
    }
}

impl Leaf {
    /// Adds what became known.
    pub fn set(&mut self, attribute: KeyValue) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(attribute);
        }
    }

    /// Marks the span failed, as `Span::fail` does.
    pub fn fail(&mut self, error_type: impl Into<StringValue>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new("error.type", error_type.into()));
            span.set_status(Status::error(""));
        }
    }

    /// Ends the span now.
    pub fn end(mut self) {
        if let Some(mut span) = self.0.take() {
            span.end();
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.set(KeyValue::new("error.type", "cancelled"));
    }
}

/// Runs a future inside the span, then ends it. `mark` says what the result means to the span.
pub async fn run<T>(span: Span, future: impl Future<Output = T>, mark: impl FnOnce(&Span, &T)) -> T {
    let result = span.inside(future).await;
    mark(&span, &result);
    span.end();
    result
}

/// Runs an action inside a span of `tracing`, and ends it. Unlike `#[instrument]` it enters the span nowhere: its context
/// is the current one, which is all that spans and lines inside it ask for. sqlx carries the span that is entered into
/// every poll of a statement, and to enter one costs as much as telling of it.
pub async fn action<T>(span: tracing::Span, future: impl Future<Output = T>) -> T {
    let own = span.context();
    let context = if own.has_active_span() { own } else { Context::current() };
    Inside { future, context }.await
}

/// Adds to the current span, from an extractor, a handler or an action.
pub fn note(key: &'static str, value: impl Into<opentelemetry::Value>) {
    Context::map_current(|context| context.span().set_attribute(KeyValue::new(key, value)));
}

/// Runs a future without any span around it, so that what it does is not told.
pub fn silent<F: Future>(future: F) -> Inside<F> {
    Inside { future, context: Context::new() }
}

pin_project! {
    /// A future that sees a context as the current one each time it is polled.
    #[derive(Debug)]
    pub struct Inside<F> {
        #[pin]
        future: F,
        context: Context,
    }
}

impl<F: Future> Inside<F> {
    pub(super) fn new(future: F, context: Context) -> Self {
        Self { future, context }
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.context.clone().attach();
        this.future.poll(task)
    }
}
