//! However a process ends, what it told last arrives, and no collector keeps it from ending.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use reqwest::Method;
use rustix::process::Signal;
use tests::otlp::{Kind, Received, Sink};
use tests::world::{Service, World, binary, command};
use tokio::process::Command;

/// Telemetry's own bound is 3 s; the rest is for a machine that has much to do.
const BOUND: Duration = Duration::from_secs(6);

/// A receiver of one's own.
pub(crate) fn sink() -> Sink {
    Sink::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a receiver")
}

/// Takes connections and never answers, while it is held.
pub(crate) fn hung() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, format!("http://{address}"))
}

/// Runs the process that makes three spans, records and counts, and answers how long it took.
pub(crate) async fn dies(settings: &[(&str, &str)]) -> (Output, Duration) {
    let mut dying = Command::new(binary("dying").expect("it builds"));
    dying.env_clear().env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").env("AMQP_URL", "amqp://127.0.0.1:1");
    dying.envs(settings.iter().copied()).kill_on_drop(true);
    let since = Instant::now();
    let output = tokio::time::timeout(Duration::from_secs(30), dying.output()).await;
    (output.expect("it ends").expect("it runs"), since.elapsed())
}

/// The last of the spans, records and counts of that process.
fn all_of_it(told: &Received) -> (usize, usize, f64) {
    let spans = told.spans.iter().filter(|span| span.name == "dying").count();
    let last = told.logs.iter().filter(|record| record.body.to_string() == "dying ended").count();
    let reads = told.metrics.iter().rev().find(|metric| metric.name == "gamesched.projection.reads");
    (spans, last, reads.map_or(0.0, |metric| metric.points[0].reading.number()))
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_an_end_by_itself_an_error_and_a_panic_lose_nothing() {
    for (way, code) in [("well", 0), ("error", 1), ("panic", 1)] {
        let sink = sink();
        let (output, _) = dies(&[("WAY", way), ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.http_url())]).await;
        assert_eq!(output.status.code(), Some(code), "{way}: {output:?}");
        let told = sink.received();
        assert_eq!(all_of_it(&told), (3, 1, 3.0), "{way}");
        let errors: Vec<_> = told.logs.iter().filter(|record| record.severity == "ERROR").collect();
        let why: Vec<_> = errors.iter().map(|record| record.body.to_string()).collect();
        match way {
            "well" => assert!(why.is_empty(), "{why:?}"),
            "error" => assert_eq!(why, ["dying ends: as it was told"]),
            _ => {
                assert!(why.len() == 1 && why[0].contains("panicked at") && !why[0].contains("hunter2"), "{why:?}");
                assert_eq!(errors[0].attributes["error.type"].to_string(), "panic");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_an_interrupt_right_after_a_request_loses_nothing() {
    let world = World::empty().await.expect("a world can be made");
    world.start(Service::Api).await.expect("the api starts");
    let person = world.person("dm");
    assert_eq!(person.sends(person.request(Method::GET, "/api/v1/auth/user")).await.status, 401);
    assert!(world.end(Service::Api, Signal::INT).await, "{}", world.lines(Service::Api));
    let told = world.sink.received();
    assert_eq!(told.spans.iter().filter(|span| span.kind == Kind::Server).count(), 1);
    assert!(told.logs.iter().any(|record| record.body.to_string() == "api ended"));
    assert!(told.metrics.iter().any(|metric| metric.name == "http.server.request.duration"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_a_port_that_is_taken_and_an_operators_command_are_told_to_the_end() {
    let world = World::empty().await.expect("a world can be made");
    let address = world.api_url().trim_start_matches("http://").to_owned();
    let taken = TcpListener::bind(address).expect("nobody has it yet");
    for (arguments, role, code, last) in [(&[][..], "api", 1, "API_ADDR"), (&["init"][..], "migrate", 0, "ended")] {
        world.sink.clear();
        let mut api = command(Service::Api, arguments).expect("the services build");
        api.envs(world.settings(Service::Api)).env("DATABASE_URL", world.database_of(role));
        api.env("HEALTH_ADDR", "127.0.0.1:0");
        let output = tokio::time::timeout(BOUND * 4, api.output()).await.expect("it ends").expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let told: Vec<_> = world.sink.logs().iter().map(|record| record.body.to_string()).collect();
        assert!(told.iter().any(|body| body.contains(last)), "{told:?}");
    }
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_a_collector_that_never_answers_does_not_keep_a_process_from_ending() {
    for protocol in ["http/protobuf", "grpc"] {
        let (_held, url) = hung();
        let wire = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        // Also when it was told to be patient.
        let patient = [wire[0], wire[1], ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")];
        for settings in [&wire[..], &patient[..]] {
            let (output, took) = dies(settings).await;
            assert!(output.status.success() && took < BOUND, "{protocol}: {took:?}, {output:?}");
        }
    }
    let world = World::empty().await.expect("a world can be made");
    let (_held, url) = hung();
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    world.start(Service::Api).await.expect("the api starts");
    let since = Instant::now();
    assert!(world.stop(Service::Api).await, "{}", world.lines(Service::Api));
    assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
}

/// What came for each signal, and when.
type Came = Arc<Mutex<BTreeMap<String, Vec<(Instant, Bytes)>>>>;

/// Cannot take the first two requests of a signal.
async fn weary(State(came): State<Came>, Path(signal): Path<String>, body: Bytes) -> StatusCode {
    let mut came = came.lock().expect("nobody panicked");
    let before = came.entry(signal).or_default();
    before.push((Instant::now(), body));
    if before.len() > 2 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_11_what_a_collector_cannot_take_comes_again_and_waits_longer_each_time() {
    let came = Came::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let routes = Router::new().route("/v1/{signal}", post(weary)).with_state(came.clone());
    let soon =
        ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"].map(|name| (name, "50"));
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("PAUSE", "900")];
    let settings = [&settings[..], &soon[..]].concat();
    let (output, _) = tokio::select! {
        served = async { axum::serve(listener, routes).await } => panic!("it serves until the process ended: {served:?}"),
        ended = dies(&settings) => ended,
    };
    assert!(output.status.success(), "{output:?}");

    let came = came.lock().expect("nobody panicked");
    assert_eq!(came.keys().collect::<Vec<_>>(), ["logs", "metrics", "traces"]);
    for (signal, came) in &*came {
        let [first, second, third, ..] = &came[..] else { panic!("{signal} came {} times", came.len()) };
        let waited = [second.0 - first.0, third.0 - second.0];
        assert!(waited[0] >= Duration::from_millis(500) && waited[1] >= Duration::from_secs(1), "{signal}: {waited:?}");
        assert!(!first.1.is_empty() && first.1 == second.1 && first.1 == third.1, "{signal}: not the same");
    }
}
