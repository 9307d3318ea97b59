//! The three providers: which exporters run, over which transport, with our defaults where no variable says otherwise.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::Key;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatch, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::{self, BatchConfigBuilder as SpanBatch, BatchSpanProcessor, SdkTracerProvider};

use super::environment::{Environment, Wire, variable};
use super::{Providers, export, log, names};

/// Spans and log records that may wait.
const QUEUE: usize = 4_096;
/// Sets of attributes an instrument may have.
const CARDINALITY: usize = 500;

/// The providers, or `None` when telemetry is disabled.
pub(super) fn providers(resource: &Resource, environment: &Environment) -> anyhow::Result<Option<Providers>> {
    if environment.disabled {
        return Ok(None);
    }
    let wires = [environment.traces, environment.metrics, environment.logs];
    let runtime = if wires.iter().any(|wire| wire.grpc) { Some(Arc::new(grpc_runtime()?)) } else { None };
    let _entered = runtime.as_ref().map(|runtime| runtime.enter());
    // The meter provider comes first: the SDK's own instruments are taken from the global one.
    let metrics = metrics(resource, environment.metrics)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    let traces = traces(resource, environment.traces, environment.value_limit)?;
    let logs = logs(resource, environment.logs, environment.value_limit)?;
    Ok(Some(Providers { traces, logs, metrics, _runtime: runtime }))
}

fn grpc_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // More than one thread, or a flush dead-locks; not the application's, or they would compete.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("telemetry")
        .enable_all()
        .build()
        .context("starting the runtime of the gRPC exporter")
}

/// For addresses that begin with https; without roots every certificate would be refused.
fn tls() -> ClientTlsConfig {
    ClientTlsConfig::new().with_enabled_roots()
}

/// When what a collector could not take is sent again, until the export's time-out is over. Upstream tries all it tries
/// within a second, which costs us more and helps nobody: a collector that restarts is away for longer.
pub(super) fn retries() -> RetryPolicy {
    RetryPolicy::recommended()
        .with_initial_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(5))
        .with_max_retries(usize::MAX)
}

fn traces(resource: &Resource, wire: Wire, limit: Option<usize>) -> anyhow::Result<SdkTracerProvider> {
    let mut builder = SdkTracerProvider::builder().with_resource(resource.clone());
    // What code sets beats the environment.
    if variable("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT").is_none() {
        builder = builder.with_max_attributes_per_span(32);
    }
    if variable("OTEL_SPAN_EVENT_COUNT_LIMIT").is_none() {
        builder = builder.with_max_events_per_span(32);
    }
    if !wire.wanted {
        return Ok(builder.build());
    }
    let processor = if wire.grpc {
        let exporter = SpanExporter::builder().with_tonic().with_tls_config(tls());
        let exporter = exporter.with_retry_policy(retries()).with_timeout(wire.timeout).build()?;
        batches(export::Spans::new(exporter, true, limit))
    } else {
        batches(export::Spans::new(export::Direct::new(wire.timeout)?, false, limit))
    };
    Ok(builder.with_span_processor(processor).build())
}

fn batches(exporter: impl trace::SpanExporter + 'static) -> BatchSpanProcessor {
    let mut batch = SpanBatch::default();
    if variable("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
        batch = batch.with_max_queue_size(QUEUE);
    }
    if variable("OTEL_BSP_SCHEDULE_DELAY").is_none() {
        batch = batch.with_scheduled_delay(Duration::from_secs(1));
    }
    BatchSpanProcessor::builder(exporter).with_batch_config(batch.build()).build()
}

fn logs(resource: &Resource, wire: Wire, limit: Option<usize>) -> anyhow::Result<SdkLoggerProvider> {
    let builder = SdkLoggerProvider::builder().with_resource(resource.clone());
    if !wire.wanted {
        return Ok(builder.build());
    }
    let exporter = LogExporter::builder();
    let exporter = if wire.grpc {
        let exporter = exporter.with_tonic().with_tls_config(tls()).with_retry_policy(retries());
        exporter.with_timeout(wire.timeout).build()?
    } else {
        let exporter = exporter.with_http().with_protocol(Protocol::HttpBinary).with_retry_policy(retries());
        exporter.with_timeout(wire.timeout).build()?
    };
    let mut batch = LogBatch::default();
    if variable("OTEL_BLRP_MAX_QUEUE_SIZE").is_none() {
        batch = batch.with_max_queue_size(QUEUE);
    }
    if variable("OTEL_BLRP_SCHEDULE_DELAY").is_none() {
        batch = batch.with_scheduled_delay(Duration::from_secs(1));
    }
    let exporter = export::Logs::new(exporter, wire.grpc, limit);
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(batch.build()).build();
    Ok(builder.with_log_processor(log::NoEvents).with_log_processor(processor).build())
}

fn metrics(resource: &Resource, wire: Wire) -> anyhow::Result<SdkMeterProvider> {
    let builder = SdkMeterProvider::builder().with_resource(resource.clone()).with_view(declared);
    if !wire.wanted {
        return Ok(builder.build());
    }
    let exporter = MetricExporter::builder();
    let exporter = if wire.grpc {
        let exporter = exporter.with_tonic().with_tls_config(tls()).with_retry_policy(retries());
        exporter.with_timeout(wire.timeout).build()?
    } else {
        let exporter = exporter.with_http().with_protocol(Protocol::HttpBinary).with_retry_policy(retries());
        exporter.with_timeout(wire.timeout).build()?
    };
    let exporter = export::Points::new(exporter, wire.grpc);
    Ok(builder.with_reader(PeriodicReader::builder(exporter).build()).build())
}

/// A metric has the labels that the registry gives it and no others; what it does not know has none at all.
fn declared(instrument: &Instrument) -> Option<Stream> {
    let found = names::LABELS.binary_search_by_key(&instrument.name(), |(name, _)| name);
    let labels = found.map_or(&[] as &[&str], |at| names::LABELS[at].1);
    let keys = labels.iter().copied().map(Key::from_static_str);
    Stream::builder().with_allowed_attribute_keys(keys).with_cardinality_limit(CARDINALITY).build().ok()
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
    use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
    use std::sync::Mutex;

    use super::*;

    /// Keeps the label sets of counters.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<(String, u64)>>>);

    impl PushMetricExporter for Seen {
        async fn export(&self, metrics: &ResourceMetrics) -> opentelemetry_sdk::error::OTelSdkResult {
            for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
                if let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() {
                    self.0.lock().unwrap().extend(sum.data_points().map(|point| {
                        let mut labels: Vec<_> = point.attributes().map(|label| label.key.to_string()).collect();
                        labels.sort();
                        (format!("{} {}", metric.name(), labels.join(" ")), point.value())
                    }));
                }
            }
            Ok(())
        }

        fn force_flush(&self) -> opentelemetry_sdk::error::OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> opentelemetry_sdk::error::OTelSdkResult {
            Ok(())
        }

        fn temporality(&self) -> opentelemetry_sdk::metrics::Temporality {
            opentelemetry_sdk::metrics::Temporality::Cumulative
        }
    }

    #[test]
    fn t_14_labels_that_nobody_declared_are_taken_away_and_their_series_added_up() {
        let seen = Seen::default();
        let reader = PeriodicReader::builder(seen.clone()).build();
        let provider = SdkMeterProvider::builder().with_view(declared).with_reader(reader).build();
        let meter = provider.meter("gamesched");
        let reads = meter.u64_counter("gamesched.projection.reads").build();
        for user in ["1", "2"] {
            reads.add(1, &[KeyValue::new("gamesched.outcome", "hit"), KeyValue::new("gamesched.user.id", user)]);
        }
        meter.u64_counter("gamesched.nobody.knows").build().add(1, &[KeyValue::new("gamesched.outcome", "hit")]);
        provider.shutdown().unwrap();
        let mut seen = seen.0.lock().unwrap().clone();
        seen.sort();
        let expected = [("gamesched.nobody.knows ", 1), ("gamesched.projection.reads gamesched.outcome", 2)];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn t_16_an_instrument_has_five_hundred_series_and_one_for_the_rest() {
        let seen = Seen::default();
        let reader = PeriodicReader::builder(seen.clone()).build();
        let provider = SdkMeterProvider::builder().with_view(declared).with_reader(reader).build();
        let reads = provider.meter("gamesched").u64_counter("gamesched.projection.reads").build();
        for number in 0..700 {
            reads.add(1, &[KeyValue::new("gamesched.outcome", number)]);
        }
        provider.shutdown().unwrap();
        let series = seen.0.lock().unwrap().clone();
        let with = |label: &str| series.iter().filter(|(name, _)| name.ends_with(label)).count();
        assert_eq!((with("gamesched.outcome"), with("otel.metric.overflow")), (500, 1));
        assert_eq!(series.iter().map(|(_, count)| count).sum::<u64>(), 700, "nothing is uncounted");
    }
}
