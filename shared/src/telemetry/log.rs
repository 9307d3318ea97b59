//! Lines on stdout: one fact a line, with the ids of the current span and no span fields.

use std::fmt::{self, Write as _};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use opentelemetry::logs::LogRecord as _;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Settings;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Format {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// For people.
    Pretty,
}

/// The least important records that are still told.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Level {
    /// Someone must look.
    Error,
    /// Degraded and healing.
    Warn,
    /// Process life and business facts.
    #[default]
    Info,
    /// Refusals, retries of single rows, decisions.
    Debug,
}

impl Level {
    pub(super) fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

/// Our records are no events in the sense of the conventions. The bridge would name each after the line of source that
/// wrote it, so that every backend had an event that nobody declared, and another one after each edit.
#[derive(Debug)]
pub(super) struct NoEvents;

impl LogProcessor for NoEvents {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        record.set_event_name("");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

pub(super) fn lines<S>(settings: Settings, stdout: NonBlocking) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(Line { service: settings.service, format: settings.format })
        .with_writer(stdout)
}

struct Line {
    service: &'static str,
    format: Format,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        #[expect(clippy::disallowed_methods, reason = "a log line tells when it was written, not when a rule says")]
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let context = Context::current();
        let span = context.span().span_context().clone();
        let ids = span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()));
        match self.format {
            Format::Json => {
                let mut line = Map::new();
                line.insert("ts".into(), at.into());
                line.insert("level".into(), meta.level().as_str().into());
                line.insert("service".into(), self.service.into());
                line.insert("target".into(), meta.target().into());
                line.insert("message".into(), fields.message.into());
                line.extend(fields.others);
                if let Some((trace, span)) = ids {
                    line.insert("trace_id".into(), trace.into());
                    line.insert("span_id".into(), span.into());
                }
                writeln!(writer, "{}", Value::Object(line))
            }
            Format::Pretty => {
                let message = fields.message.replace(char::is_control, " ");
                write!(writer, "{at} {:5} {:20} {message}", meta.level().as_str(), self.service)?;
                for (key, value) in fields.others {
                    write!(writer, " {key}={value}")?;
                }
                if let Some((trace, _)) = ids {
                    write!(writer, " trace_id={trace}")?;
                }
                writeln!(writer)
            }
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.put(field, text.into());
    }
}

/// One record a panic, with its place and never its values.
pub(super) fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(error.type = "panic", "thread {thread} panicked at {place}");
    }));
}
