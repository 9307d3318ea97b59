//! Metrics from the wire's messages to our model.
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    self as wire, exemplar, exponential_histogram_data_point as exponential, metric, number_data_point as number,
};

use super::{attributes, id, resource_of, scope_of};
use crate::otlp::{
    Buckets, Exemplar, Histogram, Metric, MetricKind, Point, Reading, Received, Resource, Scope, Temporality,
};

/// Adds a request's metrics.
pub(in crate::otlp) fn metrics(received: &mut Received, request: ExportMetricsServiceRequest) {
    for of_resource in request.resource_metrics {
        let resource = resource_of(of_resource.resource, of_resource.schema_url);
        for of_scope in of_resource.scope_metrics {
            let scope = scope_of(of_scope.scope, of_scope.schema_url);
            let metrics = of_scope.metrics.into_iter();
            received.metrics.extend(metrics.map(|metric| metric_of(&resource, &scope, metric)));
        }
    }
}

fn metric_of(resource: &Arc<Resource>, scope: &Arc<Scope>, metric: wire::Metric) -> Metric {
    let (kind, points) = data_of(metric.data);
    Metric {
        resource: resource.clone(),
        scope: scope.clone(),
        name: metric.name,
        description: metric.description,
        unit: metric.unit,
        kind,
        points,
        metadata: attributes(metric.metadata),
    }
}

fn data_of(data: Option<metric::Data>) -> (MetricKind, Vec<Point>) {
    match data {
        None => (MetricKind::Empty, Vec::new()),
        Some(metric::Data::Gauge(gauge)) => (MetricKind::Gauge, gauge.data_points.into_iter().map(number_of).collect()),
        Some(metric::Data::Sum(sum)) => {
            let temporality = temporality_of(sum.aggregation_temporality());
            let kind = MetricKind::Sum { monotonic: sum.is_monotonic, temporality };
            (kind, sum.data_points.into_iter().map(number_of).collect())
        }
        Some(metric::Data::Histogram(histogram)) => {
            let kind = MetricKind::Histogram(temporality_of(histogram.aggregation_temporality()));
            (kind, histogram.data_points.into_iter().map(explicit_of).collect())
        }
        Some(metric::Data::ExponentialHistogram(histogram)) => {
            let temporality = temporality_of(histogram.aggregation_temporality());
            let points = histogram.data_points.into_iter().map(exponential_of).collect();
            (MetricKind::ExponentialHistogram(temporality), points)
        }
        Some(metric::Data::Summary(summary)) => {
            (MetricKind::Summary, summary.data_points.into_iter().map(summary_of).collect())
        }
    }
}

fn temporality_of(temporality: wire::AggregationTemporality) -> Temporality {
    match temporality {
        wire::AggregationTemporality::Unspecified => Temporality::Unspecified,
        wire::AggregationTemporality::Delta => Temporality::Delta,
        wire::AggregationTemporality::Cumulative => Temporality::Cumulative,
    }
}

fn number_of(point: wire::NumberDataPoint) -> Point {
    Point {
        attributes: attributes(point.attributes),
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        reading: match point.value {
            None => Reading::Absent,
            Some(number::Value::AsInt(value)) => Reading::Int(value),
            Some(number::Value::AsDouble(value)) => Reading::Double(value),
        },
        exemplars: exemplars(point.exemplars),
    }
}

fn explicit_of(point: wire::HistogramDataPoint) -> Point {
    Point {
        attributes: attributes(point.attributes),
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        reading: Reading::Histogram(Histogram {
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            buckets: Buckets::Explicit { bounds: point.explicit_bounds, counts: point.bucket_counts },
        }),
        exemplars: exemplars(point.exemplars),
    }
}

fn exponential_of(point: wire::ExponentialHistogramDataPoint) -> Point {
    let buckets = |side: Option<exponential::Buckets>| {
        side.map_or_else(Default::default, |side| (side.offset, side.bucket_counts))
    };
    Point {
        attributes: attributes(point.attributes),
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        reading: Reading::Histogram(Histogram {
            count: point.count,
            sum: point.sum,
            min: point.min,
            max: point.max,
            buckets: Buckets::Exponential {
                scale: point.scale,
                zero_count: point.zero_count,
                zero_threshold: point.zero_threshold,
                positive: buckets(point.positive),
                negative: buckets(point.negative),
            },
        }),
        exemplars: exemplars(point.exemplars),
    }
}

fn summary_of(point: wire::SummaryDataPoint) -> Point {
    let quantiles = point.quantile_values.iter().map(|at| (at.quantile, at.value)).collect();
    Point {
        attributes: attributes(point.attributes),
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
        reading: Reading::Summary { count: point.count, sum: point.sum, quantiles },
        exemplars: Vec::new(),
    }
}

fn exemplars(exemplars: Vec<wire::Exemplar>) -> Vec<Exemplar> {
    let exemplar_of = |exemplar: wire::Exemplar| Exemplar {
        attributes: attributes(exemplar.filtered_attributes),
        time: exemplar.time_unix_nano,
        reading: match exemplar.value {
            None => Reading::Absent,
            Some(exemplar::Value::AsInt(value)) => Reading::Int(value),
            Some(exemplar::Value::AsDouble(value)) => Reading::Double(value),
        },
        trace_id: id(&exemplar.trace_id),
        span_id: id(&exemplar.span_id),
    };
    exemplars.into_iter().map(exemplar_of).collect()
}
