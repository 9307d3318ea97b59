//! Between the SDK and the wire, on the exporter's thread: guards what leaves, counts what became of it.

mod direct;
mod guard;
mod mask;
mod otlp;
#[cfg(test)]
mod tests;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::logs::{LoggerProvider as _, Severity};
use opentelemetry::metrics::Counter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::instruments::{self, Instruments};
pub(super) use direct::Direct;
use guard::Guard;

/// Counts what became of exports. The SDK counts what it hands to an exporter and never what failed.
#[derive(Debug)]
struct Outcome {
    component: [KeyValue; 2],
    counter: fn(&Instruments) -> &Counter<u64>,
}

impl Outcome {
    fn new(component: &'static str, counter: fn(&Instruments) -> &Counter<u64>) -> Self {
        let name = KeyValue::new("otel.component.name", format!("{component}/0"));
        Self { component: [name, KeyValue::new("otel.component.type", component)], counter }
    }

    fn tell(&self, count: usize, result: &OTelSdkResult) {
        // An export can run before the instruments are built; asking for them then would make them no-ops for ever.
        let Some(instruments) = instruments::installed() else { return };
        let mut labels = self.component.to_vec();
        labels.extend(result.as_ref().err().map(|fault| KeyValue::new("error.type", class(fault))));
        (self.counter)(instruments).add(count as u64, &labels);
    }
}

/// `503`, `Unavailable`, `network`: the exporter tells the class in its message and nowhere else.
fn class(fault: &OTelSdkError) -> String {
    match fault {
        OTelSdkError::AlreadyShutdown => "already_shutdown".to_owned(),
        OTelSdkError::Timeout(_) => "timeout".to_owned(),
        OTelSdkError::InternalFailure(message) => match message.split_once("code: ") {
            Some((_, code)) => code.chars().take_while(char::is_ascii_alphanumeric).collect(),
            None if message.contains("network error") => "network".to_owned(),
            None => "_OTHER".to_owned(),
        },
    }
}

/// Guards and counts spans.
#[derive(Debug)]
pub(super) struct Spans<E> {
    inner: E,
    guard: Guard,
    outcome: Outcome,
}

impl<E: SpanExporter> Spans<E> {
    /// `limit` is the longest value in bytes, if the environment says.
    pub(super) fn new(inner: E, grpc: bool, limit: Option<usize>) -> Self {
        let component = if grpc { "otlp_grpc_span_exporter" } else { "otlp_http_span_exporter" };
        let outcome = Outcome::new(component, |instruments| &instruments.exports.spans);
        Self { inner, guard: Guard { signal: "span", limit }, outcome }
    }
}

impl<E: SpanExporter> SpanExporter for Spans<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        batch.iter_mut().for_each(|span| self.guard.span(span));
        let result = self.inner.export(batch).await;
        self.outcome.tell(count, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Guards and counts log records.
#[derive(Debug)]
pub(super) struct Logs<E> {
    inner: E,
    guard: Guard,
    outcome: Outcome,
    /// Only makes records.
    logger: SdkLogger,
}

impl<E: LogExporter> Logs<E> {
    /// As for spans.
    pub(super) fn new(inner: E, grpc: bool, limit: Option<usize>) -> Self {
        let component = if grpc { "otlp_grpc_log_exporter" } else { "otlp_http_log_exporter" };
        let outcome = Outcome::new(component, |instruments| &instruments.exports.logs);
        let logger = SdkLoggerProvider::builder().build().logger("gamesched");
        Self { inner, guard: Guard { signal: "log", limit }, outcome, logger }
    }
}

impl<E: LogExporter> LogExporter for Logs<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let better = batch.iter().map(|(record, _)| self.guard.log(record, &self.logger).map(Box::new));
        let better: Vec<_> = better.collect();
        let count = better.len();
        let result = if better.iter().all(Option::is_none) {
            self.inner.export(batch).await
        } else {
            let pairs = better.iter().zip(batch.iter());
            let records = pairs.map(|(better, (record, scope))| (better.as_deref().unwrap_or(record), scope));
            let records: Vec<_> = records.collect();
            self.inner.export(LogBatch::new(&records)).await
        };
        self.outcome.tell(count, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.inner.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts measurements. Their labels are guarded by a view, where series with fewer labels are still added up.
#[derive(Debug)]
pub(super) struct Points<E> {
    inner: E,
    outcome: Outcome,
}

impl<E: PushMetricExporter> Points<E> {
    /// As for spans, but that no value is shortened.
    pub(super) fn new(inner: E, grpc: bool) -> Self {
        let component = if grpc { "otlp_grpc_metric_exporter" } else { "otlp_http_metric_exporter" };
        Self { inner, outcome: Outcome::new(component, |instruments| &instruments.exports.points) }
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Points<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.inner.export(metrics).await;
        let all = metrics.scope_metrics().flat_map(|scope| scope.metrics());
        let count = all.map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => points(data),
            AggregatedMetrics::U64(data) => points(data),
            AggregatedMetrics::I64(data) => points(data),
        });
        self.outcome.tell(count.sum(), &result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

fn points<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().count(),
        MetricData::Sum(sum) => sum.data_points().count(),
        MetricData::Histogram(histogram) => histogram.data_points().count(),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
    }
}
