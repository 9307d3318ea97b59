//! What the services send is what the gateway gets, whole and once, and with it what is derived from traces (T-09).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tests::alloy::available;
use tests::otlp::{Attributes, LogRecord, Metric, Received, Sink, Span, Tee, Value};
use tests::trace::{Trace, gather};
use tests::world::{Service, World, free_address};

use super::stage::{POSTGRES_PASSWORD, REDIS_PASSWORD, Stage, TOKEN, cost};
use crate::conformance::play;

const ARRIVAL: Duration = Duration::from_secs(60);

/// Series that span metrics and service graph may cost.
const BUDGET: usize = 1_000;

fn sorted(spans: Vec<Span>) -> BTreeMap<String, Vec<Span>> {
    let mut by_id = BTreeMap::<String, Vec<Span>>::new();
    for span in spans {
        by_id.entry(format!("{} {}", span.trace_id, span.span_id)).or_default().push(span);
    }
    by_id
}

/// Records that services wrote, each as text, with how often it is here.
fn records(logs: Vec<LogRecord>) -> BTreeMap<String, usize> {
    let mut records = BTreeMap::new();
    for record in logs.into_iter().filter(|record| ours(&record.resource.attributes)) {
        *records.entry(format!("{record:?}")).or_default() += 1;
    }
    records
}

fn ours(resource: &Attributes) -> bool {
    resource.get("service.namespace") == Some(&Value::from("gamesched"))
}

/// What each series of a service said last.
fn last(metrics: &[Metric]) -> BTreeMap<String, String> {
    let own = metrics.iter().filter(|metric| ours(&metric.resource.attributes) && !metric.name.starts_with("traces"));
    let points = own.flat_map(|metric| {
        metric.points.iter().map(move |point| {
            let series = format!("{} {} {:?}", metric.service(), metric.name, point.attributes);
            (series, (point.time, format!("{point:?} {:?} {}", metric.resource, metric.unit)))
        })
    });
    let mut last = BTreeMap::<String, (u64, String)>::new();
    for (series, said) in points {
        let known = last.entry(series).or_default();
        if said > *known {
            *known = said;
        }
    }
    last.into_iter().map(|(series, (_, said))| (series, said)).collect()
}

/// A session with services that send through Alloy. What they sent, and the stage on which it arrives.
async fn session(stage: &Stage) -> Received {
    let alloy = stage.start().await;
    let world = World::empty().await.expect("a world can be made");
    let address = free_address().expect("a free port");
    let tee = Tee::start(address, &[world.sink.http_url(), alloy.url()]).expect("a tee");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &tee.url());
    world.start_all().await.expect("the services start");
    play(&world).await;
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well");
    }
    let sent = world.sink.everything();
    let (spans, logs) = (sent.spans.len(), sent.logs.len());
    let metrics = last(&sent.metrics);
    let all = |got: &Received| {
        got.spans.len() >= spans
            && got.logs.iter().filter(|record| ours(&record.resource.attributes)).count() >= logs
            && last(&got.metrics) == metrics
            && edges(&got.metrics).contains("user api")
    };
    if stage.sink.wait("all that was sent", ARRIVAL, all).await.is_err() {
        let got = stage.sink.received();
        panic!("{} of {spans} spans, {} of {logs} logs:\n{}", got.spans.len(), got.logs.len(), alloy.tail());
    }
    // Edges without an answering span are told when their time in the store is over, and then flushed.
    let complete = |got: &Received| EDGES.iter().all(|edge| edges(&got.metrics).contains(*edge));
    stage.sink.wait("the edges of the service graph", ARRIVAL, complete).await.ok();
    sent
}

/// Who calls whom, in whatever way there is.
const EDGES: [&str; 9] = [
    "user api",
    "user bot",
    "api postgresql",
    "api redis",
    "bot postgresql",
    "bot redis",
    "notification-daemon postgresql",
    "status-daemon postgresql",
    "api bot",
];

fn edges(metrics: &[Metric]) -> BTreeSet<String> {
    let requests = metrics.iter().filter(|metric| metric.name == "traces_service_graph_request_total");
    let edge = |labels: &Attributes| Some(format!("{} {}", labels.get("client")?, labels.get("server")?));
    requests.flat_map(|metric| metric.points.iter().filter_map(|point| edge(&point.attributes))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_all_that_services_send_reaches_the_gateway_once_with_what_is_derived_from_it() {
    let Some(binary) = available("the pipeline from services to a gateway") else { return };
    let stage = Stage::new(&binary);
    stage.sink.keep_bytes();
    let sent = session(&stage).await;
    let got = stage.sink.received();

    assert_eq!(stage.gateway.refusals(), BTreeMap::new(), "credentials, protobuf and gzip were right each time");
    assert_eq!(got.unreadable, Vec::<String>::new());
    let (sent_spans, got_spans) = (sorted(sent.spans.clone()), sorted(got.spans.clone()));
    assert_eq!(got_spans.len(), sent_spans.len(), "spans");
    for (id, span) in &sent_spans {
        assert_eq!(got_spans.get(id), Some(span), "each span as it was sent, once");
    }
    let broken: Vec<_> = gather(&got.spans).into_iter().filter(|trace| !trace.whole()).collect();
    assert!(broken.is_empty(), "{} traces are not whole", broken.len());
    assert_eq!(gather(&got.spans).iter().filter_map(Trace::root).count(), gather(&sent.spans).len(), "every trace");
    let records_sent = records(sent.logs.clone());
    assert!(records_sent.len() > 10, "services wrote something");
    assert_eq!(records(got.logs.clone()), records_sent, "each record once");
    assert_eq!(last(&got.metrics), last(&sent.metrics), "the last value of each series");

    derived(&got);
    own(&got, &stage.sink);
    let mut sizes = BTreeMap::<_, usize>::new();
    for (path, bytes) in stage.sink.bytes() {
        *sizes.entry(path).or_default() += bytes.len();
    }
    eprintln!("bytes before packing {sizes:?}");
    eprintln!(
        "{} spans, {} records, {} series; edges {:?}",
        sent_spans.len(),
        records_sent.len(),
        last(&sent.metrics).len(),
        edges(&got.metrics)
    );
}

/// Counts and durations of entry spans, and who calls whom.
fn derived(got: &Received) {
    let named = |name: &str| got.metrics.iter().filter(|metric| metric.name == name).collect::<Vec<_>>();
    for name in ["traces.span.metrics.calls", "traces.span.metrics.duration"] {
        let metrics = named(name);
        let services: BTreeSet<_> = metrics.iter().map(|metric| metric.service()).collect();
        assert_eq!(services.len(), 4, "{name} of {services:?}");
        for metric in metrics {
            let keys: Vec<_> = metric.resource.attributes.keys().map(String::as_str).collect();
            assert_eq!(keys, ["deployment.environment.name", "service.name", "service.namespace"], "no replica's name");
            for point in &metric.points {
                let kind = point.attributes.get("span.kind").map(Value::to_string).unwrap_or_default();
                assert!(kind != "SPAN_KIND_CLIENT" && kind != "SPAN_KIND_PRODUCER", "{:?}", point.attributes);
            }
        }
    }
    let duration = named("traces.span.metrics.duration");
    assert!(duration.iter().all(|metric| metric.unit == "s"), "seconds");
    let exemplars = duration.iter().flat_map(|metric| &metric.points).map(|point| point.exemplars.len());
    assert!(exemplars.sum::<usize>() > 0, "durations lead to traces");
    let series = derived_series(got);
    eprintln!("span metrics and service graph: {series} of {BUDGET} series");
    assert!((100..=BUDGET).contains(&series), "{series} series");
    let edges = edges(&got.metrics);
    for edge in EDGES {
        assert!(edges.contains(edge), "no edge {edge} in {edges:?}");
    }
    for metric in named("traces_service_graph_request_total") {
        let environment = metric.resource.attributes.get("deployment.environment.name");
        assert_eq!(environment, Some(&Value::from("test")), "edges of one environment");
    }
}

/// How many series all that is derived is.
fn derived_series(got: &Received) -> usize {
    let mut series = BTreeMap::new();
    for metric in got.metrics.iter().filter(|metric| metric.name.starts_with("traces")) {
        for point in &metric.points {
            series.insert(format!("{} {} {:?}", metric.service(), metric.name, point.attributes), cost(&point.reading));
        }
    }
    series.values().sum()
}

/// Alloy's own lines, and what must be in nothing that left.
fn own(got: &Received, sink: &Sink) {
    let lines: Vec<_> = got.logs.iter().filter(|record| record.service() == "alloy").collect();
    assert!(!lines.is_empty(), "Alloy's own lines arrive");
    for record in &lines {
        let keys: Vec<_> = record.resource.attributes.keys().map(String::as_str).collect();
        assert_eq!(keys, ["deployment.environment.name", "service.name"], "{record:?}");
        assert!(!record.attributes.keys().any(|key| key == "service" || key.starts_with("loki")), "{record:?}");
    }
    let unlabelled = got.logs.iter().filter(|record| record.service() == "?").count();
    assert_eq!(unlabelled, 0, "every line says whose it is");
    for (path, bytes) in sink.bytes() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [TOKEN, POSTGRES_PASSWORD, REDIS_PASSWORD] {
            assert!(!text.contains(secret), "{secret} left by {path}");
        }
    }
}
