//! The SDK as it is set up: what it samples, what it counts of itself, what it lets through, how one finds traces.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use tests::otlp::{Kind, Metric, Point, Received, Span};
use tests::trace::{Trace, gather};
use tests::world::{Service, World, in_minutes};

use crate::ends::{dies, hung, sink};

const ARRIVAL: Duration = Duration::from_secs(30);

/// The last value of each series of a counter or histogram, by its labels.
fn series(told: &Received, name: &str) -> BTreeMap<String, f64> {
    let metrics = told.metrics.iter().filter(|metric| metric.name == name);
    let points = metrics.flat_map(|metric: &Metric| metric.points.iter().map(|point| (metric.service(), point)));
    points.map(|(service, point)| (format!("{service} {:?}", point.attributes), point.reading.number())).collect()
}

fn total(told: &Received, name: &str) -> f64 {
    series(told, name).values().sum()
}

async fn stop_all(world: &World) -> Received {
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well\n{}", world.lines(service));
    }
    world.sink.received()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_a_session_over_grpc_arrives_whole_with_its_end() {
    let world = World::empty().await.expect("a world can be made");
    world.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &world.sink.grpc_url());
    world.start_all().await.expect("the services start");
    world.signed_in("dm").await.plans(&[]).await;
    world.settle().await;
    let told = stop_all(&world).await;

    assert!(told.requests.iter().all(|request| request.path.starts_with("grpc:")), "{:?}", told.requests);
    let traces = gather(&told.spans);
    assert!(traces.iter().all(Trace::whole), "an orphan");
    let created = traces.iter().find(|trace| trace.span("POST /api/v1/games").is_some()).expect("the request");
    assert!(created.spans().iter().any(|span| span.service() == "bot"), "the bot goes on with the trace");
    for service in Service::ALL {
        let last = format!("{service} ended");
        let ended = told.logs.iter().filter(|record| record.body.to_string() == last);
        assert_eq!(ended.count(), 1, "{service}");
        assert!(told.metrics.iter().any(|metric| metric.service() == service.name()), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_10_a_quarter_of_the_traces_is_a_quarter_of_whole_traces_and_all_of_the_metrics() {
    const REQUESTS: usize = 200;
    const GAMES: usize = 16;
    let world = World::empty().await.expect("a world can be made");
    world.set("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
    world.set("OTEL_TRACES_SAMPLER_ARG", "0.25");
    world.start_all().await.expect("the services start");
    let stranger = world.person("ada");
    for _ in 0..REQUESTS {
        assert_eq!(stranger.sends(stranger.request(Method::GET, "/api/v1/auth/user")).await.status, 401);
    }
    let host = world.signed_in("dm").await;
    for _ in 0..GAMES {
        host.plans(&[]).await;
    }
    // So many posts to one channel take their time, by Discord's limits.
    world.settled(ARRIVAL * 4).await.expect("all is posted");
    let told = stop_all(&world).await;

    let named = |trace: &&Trace, name: &str| trace.root().is_some_and(|root| root.name == name);
    let traces = gather(&told.spans);
    assert!(traces.iter().all(Trace::whole), "a part without its root");
    let asked = traces.iter().filter(|trace| named(trace, "GET /api/v1/auth/user")).count();
    // Five standard deviations around the 50 that are expected.
    assert!((20..=80).contains(&asked), "{asked} of {REQUESTS}");
    let created: Vec<_> = traces.iter().filter(|trace| named(trace, "POST /api/v1/games")).collect();
    for trace in &created {
        let continued = trace.spans().iter().any(|span| span.service() == "bot" && span.kind == Kind::Consumer);
        assert!(continued, "sampled by the api and not by the bot");
    }
    let heard = |span: &&Span| span.service() == "bot" && span.kind == Kind::Consumer;
    let announced = told.spans.iter().filter(heard).filter(|span| span.name.contains("game.created"));
    assert_eq!(announced.count(), created.len(), "what the api did not sample, the bot does not either");

    let answered = series(&told, "http.server.request.duration");
    let of =
        |route: &str| answered.iter().filter(|(labels, _)| labels.contains(route)).map(|(_, count)| count).sum::<f64>();
    assert_eq!((of("Text(\"/api/v1/auth/user\")"), of("Text(\"/api/v1/games\")")), (200.0, 16.0), "{answered:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_11_what_is_exported_and_what_is_not_is_counted_with_its_reason() {
    let sink = sink();
    let (url, pause) = (sink.http_url(), ("PAUSE", "300"));
    let counted = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let settings =
        [counted[0], counted[1], ("OTEL_BSP_SCHEDULE_DELAY", "50"), ("OTEL_BLRP_SCHEDULE_DELAY", "50"), pause];
    dies(&settings).await;
    let told = sink.received();
    assert!(total(&told, "otel.sdk.exporter.span.exported") >= 3.0, "{:#?}", told.spans);
    assert!(total(&told, "otel.sdk.exporter.log.exported") >= 1.0);
    assert!(total(&told, "otel.sdk.exporter.metric_data_point.exported") >= 1.0);
    assert_eq!(total(&told, "otel.sdk.processor.span.processed"), 3.0);
    assert!(total(&told, "otel.sdk.log.created") >= 3.0);
    let failed = |told: &Received| {
        let all = ["span", "log"].map(|signal| series(told, &format!("otel.sdk.exporter.{signal}.exported")));
        all.iter()
            .flat_map(|one| one.keys().filter(|labels| labels.contains("error.type")).cloned())
            .collect::<Vec<_>>()
    };
    assert_eq!(failed(&told), Vec::<String>::new());

    sink.clear();
    let (_held, silent) = hung();
    let (traces, logs) = (format!("{silent}/v1/traces"), format!("{url}/nothing/here"));
    let nowhere = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "50"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", logs.as_str()),
    ];
    dies(&[&settings[..], &nowhere[..]].concat()).await;
    let why = failed(&sink.received()).join(" ");
    assert!(why.contains("Text(\"network\")") && why.contains("Text(\"404\")"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_what_nobody_declared_and_what_looks_like_a_secret_stays_in_the_process_and_is_counted() {
    let sink = sink();
    let url = sink.http_url();
    dies(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
        ("PAUSE", "200"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "20"),
    ])
    .await;
    let told = sink.received();
    assert_eq!(told.spans.len(), 3);
    for span in &told.spans {
        let keys: Vec<_> = span.attributes.keys().map(String::as_str).collect();
        assert_eq!((keys, span.dropped.attributes), (vec!["url.full"], 1));
        assert_eq!(span.attribute("url.full").as_deref(), Some("https://dm:REDACTED@example.com/a/long/way/down"));
    }
    assert!(told.logs.iter().all(|record| !record.attributes.contains_key("title")), "{:#?}", told.logs);
    let dropped = series(&told, "gamesched.telemetry.attributes.dropped");
    let counted = |signal: &str| {
        dropped.iter().filter(|(labels, _)| labels.contains(signal)).map(|(_, count)| *count).sum::<f64>()
    };
    assert!(counted("\"span\"") >= 2.0 && counted("\"log\"") >= 2.0, "{dropped:?}");
}

/// Whether a histogram measured this span.
type Measures = fn(&Span) -> bool;

/// Histograms of latency, and the spans that they measure.
const MEASURED: [(&str, Measures); 4] = [
    ("http.server.request.duration", |span| span.kind == Kind::Server && span.service() == "api"),
    ("messaging.process.duration", |span| span.kind == Kind::Consumer && span.name.starts_with("process ")),
    ("gamesched.schedule.lateness", |span| span.name.starts_with("job ")),
    ("gamesched.interaction.ack.duration", |span| span.name.starts_with("interaction ")),
];

/// Whether all labels of a series are attributes of a span. A queue of a replica has a name of its own in spans, and
/// that of all replicas in metrics.
fn leads_to(point: &Point, span: &Span) -> bool {
    let template = span.attributes.get("messaging.destination.template");
    point.attributes.iter().all(|(key, value)| {
        let of_all = template.filter(|_| key == "messaging.destination.name");
        of_all.or(span.attributes.get(key)) == Some(value)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn t_15_the_labels_of_a_latency_histogram_find_the_spans_that_it_measured() {
    let world = World::new().await;
    world.signed_in("dm").await.plans(&[]).await;
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    let ada = world.person("ada");
    assert_eq!(ada.gets("/api/v1/games/12").await.status, 401);
    world.settle().await;
    for due in ["joined", "IN_PROGRESS"] {
        world.pass_until(due).await;
        world.settle().await;
    }
    let whole = |received: &Received| gather(&received.spans).iter().all(Trace::whole);
    world.sink.wait("whole traces", ARRIVAL, whole).await.expect("they arrive");
    let told = stop_all(&world).await;

    assert!(
        told.metrics.iter().flat_map(|metric| &metric.points).all(|point| point.exemplars.is_empty()),
        "then use them"
    );
    for (name, measured) in MEASURED {
        let spans: Vec<_> = told.spans.iter().filter(|span| measured(span)).collect();
        let mut last = BTreeMap::new();
        for metric in told.metrics.iter().filter(|metric| metric.name == name) {
            let points = metric.points.iter();
            last.extend(points.map(|point| (format!("{}{:?}", metric.service(), point.attributes), (metric, point))));
        }
        assert!(!last.is_empty(), "{name} was not measured");
        for (metric, point) in last.values() {
            let found = spans.iter().filter(|span| span.service() == metric.service() && leads_to(point, span));
            let found = found.count() as f64;
            assert_eq!(found, point.reading.number(), "{name} of {}: {:?}", metric.service(), point.attributes);
        }
        let measurements: f64 = last.values().map(|(_, point)| point.reading.number()).sum();
        assert_eq!(measurements, spans.len() as f64, "{name}: spans that no series leads to");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_05_a_process_without_exporters_still_carries_what_it_was_given() {
    let world = World::empty().await.expect("a world can be made");
    world.set("OTEL_SDK_DISABLED", "true");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    let template = host.default_template().await.expect("there is one");
    let form = [("template_id", template.as_str()), ("title", "Quiet"), ("scheduled_at", &in_minutes(120))];
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("00-{trace}-00f067aa0ba902b7-01");
    let request = host.request(Method::POST, "/api/v1/games").form(&form).header("traceparent", header);
    assert_eq!(host.sends(request).await.status, 201);
    world.settle().await;
    let carried = world.ask("select trace_context ->> 'traceparent' from scheduled_transitions limit 1").await;
    assert!(carried.contains(trace), "{carried}");
    assert!(world.sink.received().requests.is_empty());
}
