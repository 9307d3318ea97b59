//! OpenTelemetry: the three providers, their guard, and the edges that use them.

pub mod carry;
mod environment;
mod export;
mod exporters;
pub mod http;
pub mod instruments;
pub mod job;
pub mod live;
mod log;
mod names;
pub mod operator;
pub mod span;
pub mod users;

use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use environment::Environment;
pub use log::{Format, Level};
pub use opentelemetry::KeyValue as Attribute;

/// Of the semantic conventions that our names follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
/// What all is told within at the end, or it is lost.
const SHUTDOWN: Duration = Duration::from_secs(3);
/// Namespace of `service.instance.id`, as the conventions give it.
const INSTANCE: uuid::Uuid = uuid::uuid!("4d63009a-8d0f-11ee-aad7-4c796ed8e320");

/// How a process tells what it does.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `service.name`.
    pub service: &'static str,
    /// Part of `service.instance.id`, so that replicas on one host differ.
    pub port: u16,
    /// Of our own log records.
    pub level: Level,
    /// Of its log lines.
    pub format: Format,
    /// Where log lines go.
    pub lines: Lines,
}

/// Where log lines go.
#[derive(Clone, Copy, Debug)]
pub enum Lines {
    /// Of services, whose stdout is their log.
    Stdout,
    /// Of commands, whose stdout is their answer.
    Stderr,
}

/// Ends the telemetry of the process. Must outlive the runtime and be finished by `shutdown`.
#[derive(Debug)]
pub struct Guard {
    providers: Option<Providers>,
    /// Lines that did not fit, because nobody took those before them.
    unwritten: tracing_appender::non_blocking::ErrorCounter,
    _lines: tracing_appender::non_blocking::WorkerGuard,
}

#[derive(Clone, Debug)]
struct Providers {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
    /// Only for gRPC, whose client needs a runtime that nothing else uses.
    _runtime: Option<std::sync::Arc<tokio::runtime::Runtime>>,
}

/// Sets up traces, metrics and logs. Call it before the runtime is built: the exporter's client blocks.
///
/// # Errors
/// When an `OTEL_*` variable cannot be honoured; the message names it.
pub fn init(settings: Settings) -> anyhow::Result<Guard> {
    let environment = Environment::read()?;
    if !environment.carries {
        carry::stop();
    }
    let resource = resource(settings);
    let providers = exporters::providers(&resource, &environment).context("setting up the OTLP exporters")?;
    let levels = Levels { ours: settings.level.filter(), sdk: environment.sdk_level };
    let writer = tracing_appender::non_blocking::NonBlockingBuilder::default().lossy(true).buffered_lines_limit(65_536);
    let (writer, worker) = match settings.lines {
        Lines::Stdout => writer.finish(std::io::stdout()),
        Lines::Stderr => writer.finish(std::io::stderr()),
    };
    let unwritten = writer.error_counter();
    let lines = log::lines(settings, writer).with_filter(filter_fn(move |meta| told(meta, levels)));
    let registry = Registry::default().with(lines);
    match &providers {
        None => registry.init(),
        Some(providers) => {
            let scope = scope();
            instruments::install(&providers.metrics.meter_with_scope(scope.clone()));
            let tracer = providers.traces.tracer_with_scope(scope);
            span::install(tracer.clone());
            let bridge = OpenTelemetryTracingBridge::new(&providers.logs)
                .with_filter(filter_fn(move |meta| told(meta, levels)).and(filter_fn(exported)));
            registry.with(bridge).with(actions(tracer)).init();
        }
    }
    log::panics();
    if !environment.idle.is_empty() {
        tracing::warn!("set, and without effect here: {}", environment.idle.join(", "));
    }
    Ok(Guard { providers, unwritten, _lines: worker })
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("gamesched")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

/// `tracing` spans become OpenTelemetry spans for actions only; every edge makes its own.
fn actions<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false)
        .with_filter(filter_fn(|meta| meta.is_span() && meta.target().starts_with("shared::actions")))
}

/// The least important records that are still told.
#[derive(Clone, Copy)]
struct Levels {
    ours: LevelFilter,
    /// On stdout only: what the exporter itself says would feed itself.
    sdk: LevelFilter,
}

/// Ours at the level asked for; of libraries what an operator needs and nothing that may hold a token.
fn told(meta: &Metadata<'_>, levels: Levels) -> bool {
    let target = meta.target();
    let root = target.split("::").next().unwrap_or(target);
    let limit = match root {
        "shared" | "api" | "bot" | "notification_daemon" | "status_daemon" => levels.ours,
        "twilight_http" | "twilight_http_ratelimiting" => LevelFilter::ERROR,
        // Statements are spans; of the broker the relay and the consumers tell, without the messages' content.
        "sqlx" | "sqlx_core" | "sqlx_postgres" | "lapin" => LevelFilter::OFF,
        sdk if sdk.starts_with("opentelemetry") => levels.sdk,
        _ => LevelFilter::WARN,
    };
    meta.is_event() && *meta.level() <= limit
}

/// What the exporter itself says would feed itself.
fn exported(meta: &Metadata<'_>) -> bool {
    let root = meta.target().split("::").next().unwrap_or_default();
    !(root.starts_with("opentelemetry")
        || matches!(root, "hyper" | "hyper_util" | "h2" | "tonic" | "tower" | "reqwest" | "rustls"))
}

fn resource(settings: Settings) -> Resource {
    let host = host_name();
    let instance = uuid::Uuid::new_v5(&INSTANCE, format!("{}@{host}:{}", settings.service, settings.port).as_bytes());
    let defaults = [
        KeyValue::new("service.namespace", "gamesched"),
        KeyValue::new("service.version", version()),
        KeyValue::new("service.instance.id", instance.to_string()),
        KeyValue::new("deployment.environment.name", "development"),
    ];
    let given = Resource::builder().build();
    let named = environment::variable("OTEL_SERVICE_NAME").unwrap_or_else(|| settings.service.to_owned());
    let mut builder = Resource::builder().with_service_name(named);
    for default in defaults {
        if given.get(&default.key).is_none() {
            builder = builder.with_attribute(default);
        }
    }
    builder.build()
}

/// The crate's version, and the commit when the build was told it.
#[must_use]
pub fn version() -> String {
    match option_env!("GAMESCHED_COMMIT") {
        Some(commit) => format!("{}+{commit}", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The host's name, which only goes into a hash.
fn host_name() -> String {
    environment::variable("HOSTNAME")
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

impl Guard {
    /// Sends what is left of all three signals, in parallel and within 3 s; then the process ends anyway.
    pub fn shutdown(mut self) {
        let unwritten = self.unwritten.dropped_lines();
        if unwritten > 0 {
            tracing::warn!("{unwritten} log lines were not written: whoever reads them is too slow");
        }
        let Some(providers) = self.providers.take() else { return };
        let (done, all) = mpsc::channel();
        let mut left = 0;
        let ends: [Box<dyn FnOnce() + Send>; 3] = [
            Box::new({
                let traces = providers.traces.clone();
                move || drop(traces.shutdown_with_timeout(Duration::from_secs(2)))
            }),
            Box::new({
                let logs = providers.logs.clone();
                move || drop(logs.shutdown_with_timeout(Duration::from_secs(2)))
            }),
            Box::new({
                let metrics = providers.metrics.clone();
                move || drop(metrics.shutdown())
            }),
        ];
        for end in ends {
            let done = done.clone();
            left += 1;
            let _ = std::thread::Builder::new().name("telemetry-end".into()).spawn(move || {
                end();
                let _ = done.send(());
            });
        }
        let until = std::time::Instant::now() + SHUTDOWN;
        while left > 0 && all.recv_timeout(until.saturating_duration_since(std::time::Instant::now())).is_ok() {
            left -= 1;
        }
    }
}
