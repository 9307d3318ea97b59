//! A gateway behind a door, Alloy's configuration for it, and spans that are sent without a service.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use tests::alloy::{Alloy, Configuration};
use tests::otlp::{Buckets, Conduct, Gate, Gateway, Reading, Received, Sink};
use tests::world::free_address;

/// Who Alloy says it is.
pub(super) const USER: &str = "1234567";
/// What must be seen nowhere.
pub(super) const TOKEN: &str = "glc_planted-token-of-the-gateway";
pub(super) const POSTGRES_PASSWORD: &str = "planted@postgres/pass:word";
pub(super) const REDIS_PASSWORD: &str = "planted-redis-password";

/// Alloy's surroundings. What arrives is in `sink`.
pub(super) struct Stage {
    pub(super) sink: Sink,
    pub(super) gateway: Gateway,
    pub(super) gate: Gate,
    pub(super) configuration: Configuration,
}

impl Stage {
    /// Everything but Alloy itself, which is told to send to the gateway.
    pub(super) fn new(binary: &Path) -> Self {
        let address = || free_address().expect("a free port");
        let sink = Sink::start(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("a sink");
        let gateway = Gateway::start(address(), &sink.http_url(), USER, TOKEN).expect("a gateway");
        let gate = Gate::start(address(), gateway.address(), Conduct::Open).expect("a gate");
        let mut configuration = Configuration::new(binary).expect("the configuration can be copied");
        for (name, value) in [
            ("ENVIRONMENT", "test"),
            ("OTLP_BACKEND", "cloud"),
            ("GRAFANA_CLOUD_OTLP_ENDPOINT", &format!("{}/otlp", gate.url())),
            ("GRAFANA_CLOUD_INSTANCE_ID", USER),
            ("GRAFANA_CLOUD_TOKEN", TOKEN),
            ("POSTGRES_MONITOR_PASSWORD", POSTGRES_PASSWORD),
            ("REDIS_MONITOR_PASSWORD", REDIS_PASSWORD),
        ] {
            configuration.set(name, value);
        }
        Self { sink, gateway, gate, configuration }
    }

    pub(super) async fn start(&self) -> Alloy<'_> {
        self.configuration.start().await.expect("Alloy starts")
    }

    /// Waits until all spans with these ids have arrived.
    pub(super) async fn gets(&self, ids: &BTreeSet<String>, patience: Duration, alloy: &Alloy<'_>) {
        let all = |received: &Received| {
            let arrived: BTreeSet<_> = received.spans.iter().map(|span| &span.span_id).collect();
            ids.iter().all(|id| arrived.contains(id))
        };
        if self.sink.wait("what was sent", patience, all).await.is_err() {
            let arrived = self.sink.spans().iter().filter(|span| ids.contains(&span.span_id)).count();
            panic!("{arrived} of {} spans arrived within {patience:?}:\n{}", ids.len(), alloy.tail());
        }
    }
}

/// A span that no service made.
#[derive(Clone, Debug, Default)]
pub(super) struct Made(Span);

impl Made {
    /// The root of a new trace, which ended now.
    pub(super) fn root(name: &str, took: Duration) -> Self {
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is past 1970").as_nanos();
        let end = u64::try_from(end).expect("it is before 2554");
        let start = end - u64::try_from(took.as_nanos()).expect("it is short");
        Self(Span {
            trace_id: random(16),
            span_id: random(8),
            name: name.to_owned(),
            kind: 1,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..Span::default()
        })
    }

    /// A span of the same length below it.
    pub(super) fn child(&self, name: &str) -> Self {
        let (span_id, parent_span_id) = (random(8), self.0.span_id.clone());
        Self(Span { span_id, parent_span_id, name: name.to_owned(), ..self.0.clone() })
    }

    pub(super) fn failed(mut self) -> Self {
        self.0.status = Some(Status { code: 2, message: String::new() });
        self
    }

    pub(super) fn with(mut self, key: &str, value: f64) -> Self {
        let value = Some(AnyValue { value: Some(any_value::Value::DoubleValue(value)) });
        self.0.attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
        self
    }

    pub(super) fn id(&self) -> String {
        self.0.span_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn random(bytes: usize) -> Vec<u8> {
    let mut id = vec![0; bytes];
    getrandom::fill(&mut id).expect("the system has random bytes");
    id
}

/// Sends spans as a service would; Alloy takes them, or answers otherwise.
pub(super) async fn send(alloy: &Alloy<'_>, spans: &[Made]) -> u16 {
    let name = Some(AnyValue { value: Some(any_value::Value::StringValue("api".to_owned())) });
    let name = KeyValue { key: "service.name".to_owned(), value: name, ..KeyValue::default() };
    let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
    let spans = spans.iter().map(|made| made.0.clone()).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let export = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    };
    let request = reqwest::Client::new().post(format!("{}/v1/traces", alloy.url())).body(export.encode_to_vec());
    let answer = request.header("content-type", "application/x-protobuf").send().await.expect("Alloy answers");
    answer.status().as_u16()
}

/// Sends so many traces of one span each. Their ids.
pub(super) async fn send_some(alloy: &Alloy<'_>, count: usize, name: &str) -> BTreeSet<String> {
    let spans: Vec<_> = (0..count).map(|_| Made::root(name, Duration::from_millis(5))).collect();
    assert_eq!(send(alloy, &spans).await, 200, "Alloy takes what it is sent");
    spans.iter().map(Made::id).collect()
}

/// How many series of Prometheus a point is.
pub(super) fn cost(reading: &Reading) -> usize {
    match reading {
        Reading::Histogram(histogram) => match &histogram.buckets {
            Buckets::Explicit { counts, .. } => counts.len() + 2,
            Buckets::Exponential { .. } => 1,
        },
        Reading::Summary { quantiles, .. } => quantiles.len() + 2,
        Reading::Absent | Reading::Int(_) | Reading::Double(_) => 1,
    }
}
