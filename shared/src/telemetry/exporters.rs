//! The `OTEL_*` gate: which exporters run, over which transport, with our defaults where nothing is set.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatch, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{Instrument, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::{BatchConfigBuilder as SpanBatch, BatchSpanProcessor, SdkTracerProvider};

use super::Providers;

/// An export that takes longer is given up.
const EXPORT: Duration = Duration::from_secs(2);
/// Spans and log records that may wait.
const QUEUE: usize = 4_096;
/// Sets of attributes an instrument may have.
const CARDINALITY: usize = 500;

/// Reads a variable of the OpenTelemetry specification; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the OTEL_* variables are read here and nowhere else")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The providers, or `None` when telemetry is disabled.
pub(super) fn providers(resource: &Resource) -> anyhow::Result<Option<Providers>> {
    if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let protocol = variable("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap_or_else(|| "http/protobuf".to_owned());
    let runtime = match protocol.as_str() {
        "http/protobuf" => None,
        "grpc" => Some(Arc::new(grpc_runtime()?)),
        other => bail!("OTEL_EXPORTER_OTLP_PROTOCOL is {other:?}; it can be http/protobuf or grpc"),
    };
    let _entered = runtime.as_ref().map(|runtime| runtime.enter());
    let grpc = runtime.is_some();
    // The meter provider comes first: the SDK's own instruments are taken from the global one.
    let metrics = metrics(resource, grpc)?;
    opentelemetry::global::set_meter_provider(metrics.clone());
    Ok(Some(Providers { traces: traces(resource, grpc)?, logs: logs(resource, grpc)?, metrics, _runtime: runtime }))
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

/// `otlp` or `none`; anything else is refused loudly.
fn wanted(name: &'static str) -> anyhow::Result<bool> {
    match variable(name).as_deref() {
        None | Some("otlp") => Ok(true),
        Some("none") => Ok(false),
        Some(other) => bail!("{name} is {other:?}; it can be otlp or none"),
    }
}

fn traces(resource: &Resource, grpc: bool) -> anyhow::Result<SdkTracerProvider> {
    let mut builder = SdkTracerProvider::builder().with_resource(resource.clone());
    if variable("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT").is_none() {
        builder = builder.with_max_attributes_per_span(32);
    }
    if variable("OTEL_SPAN_EVENT_COUNT_LIMIT").is_none() {
        builder = builder.with_max_events_per_span(32);
    }
    if !wanted("OTEL_TRACES_EXPORTER")? {
        return Ok(builder.build());
    }
    let exporter = match grpc {
        true => SpanExporter::builder().with_tonic().with_timeout(EXPORT).build(),
        false => SpanExporter::builder().with_http().with_timeout(EXPORT).build(),
    }?;
    let mut batch = SpanBatch::default();
    if variable("OTEL_BSP_MAX_QUEUE_SIZE").is_none() {
        batch = batch.with_max_queue_size(QUEUE);
    }
    if variable("OTEL_BSP_SCHEDULE_DELAY").is_none() {
        batch = batch.with_scheduled_delay(Duration::from_secs(1));
    }
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch.build()).build();
    Ok(builder.with_span_processor(processor).build())
}

fn logs(resource: &Resource, grpc: bool) -> anyhow::Result<SdkLoggerProvider> {
    let builder = SdkLoggerProvider::builder().with_resource(resource.clone());
    if !wanted("OTEL_LOGS_EXPORTER")? {
        return Ok(builder.build());
    }
    let exporter = match grpc {
        true => LogExporter::builder().with_tonic().with_timeout(EXPORT).build(),
        false => LogExporter::builder().with_http().with_timeout(EXPORT).build(),
    }?;
    let mut batch = LogBatch::default();
    if variable("OTEL_BLRP_MAX_QUEUE_SIZE").is_none() {
        batch = batch.with_max_queue_size(QUEUE);
    }
    if variable("OTEL_BLRP_SCHEDULE_DELAY").is_none() {
        batch = batch.with_scheduled_delay(Duration::from_secs(1));
    }
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(batch.build()).build();
    Ok(builder.with_log_processor(processor).build())
}

fn metrics(resource: &Resource, grpc: bool) -> anyhow::Result<SdkMeterProvider> {
    let builder = limited().with_resource(resource.clone());
    if !wanted("OTEL_METRICS_EXPORTER")? {
        return Ok(builder.build());
    }
    let exporter = match grpc {
        true => MetricExporter::builder().with_tonic().with_timeout(EXPORT).build(),
        false => MetricExporter::builder().with_http().with_timeout(EXPORT).build(),
    }?;
    Ok(builder.with_reader(PeriodicReader::builder(exporter).build()).build())
}

/// What is beyond the limit is counted all the same, in one series that says so.
fn limited() -> MeterProviderBuilder {
    let limit = |_: &Instrument| Stream::builder().with_cardinality_limit(CARDINALITY).build().ok();
    SdkMeterProvider::builder().with_view(limit)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry::KeyValue;
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::metrics::Temporality;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
    use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

    use super::*;

    /// The label and the count of each series that was exported last.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, u64)>>>);

    impl PushMetricExporter for Kept {
        async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
            let all = metrics.scope_metrics().flat_map(|scope| scope.metrics());
            let mut kept = Vec::new();
            for metric in all {
                if let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() {
                    kept.extend(
                        sum.data_points().map(|point| {
                            (point.attributes().map(|label| label.key.to_string()).collect(), point.value())
                        }),
                    );
                }
            }
            *self.0.lock().unwrap() = kept;
            Ok(())
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }

        fn temporality(&self) -> Temporality {
            Temporality::Cumulative
        }
    }

    #[test]
    fn t_16_an_instrument_has_five_hundred_series_and_one_for_the_rest() {
        let kept = Kept::default();
        let provider = limited().with_reader(PeriodicReader::builder(kept.clone()).build()).build();
        let counter = provider.meter("test").u64_counter("test.counted").build();
        for number in 0..700 {
            counter.add(1, &[KeyValue::new("number", number)]);
        }
        provider.force_flush().unwrap();
        let series = kept.0.lock().unwrap().clone();
        let of = |label: &str| series.iter().filter(|(labels, _)| labels == label).collect::<Vec<_>>();
        assert_eq!((of("number").len(), of("otel.metric.overflow").len()), (500, 1));
        assert_eq!(series.iter().map(|(_, count)| count).sum::<u64>(), 700, "nothing is uncounted");
    }
}
