//! Telemetry that can be trusted: nothing is lost at the end, nothing is said twice, nothing is said of nothing.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::otlp::{Kind, LogRecord, Received};
use tests::servers::Servers;
use tests::world::{Service, World, command, in_minutes};
use tokio::io::AsyncReadExt as _;

const ARRIVAL: Duration = Duration::from_secs(15);
const REFUSALS: usize = 1_000;

/// A trace context as a client sends it, with the flag that says whether it is sampled.
fn traceparent(number: u32, sampled: bool) -> (String, String) {
    let trace = format!("{:032x}", 0xabc0_0000_0000_u64 + u64::from(number));
    let header = format!("00-{trace}-00f067aa0ba902b7-{}", if sampled { "01" } else { "00" });
    (trace, header)
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_a_request_right_before_the_end_is_told_in_all_three_signals_a_hundred_times() {
    let world = World::empty().await.expect("a world can be made");
    for number in 0..100 {
        world.sink.clear();
        world.start(Service::Api).await.expect("the api starts");
        let (trace, header) = traceparent(number, true);
        let person = world.person("dm");
        let request = person.request(Method::GET, "/api/v1/auth/user").header("traceparent", header);
        assert_eq!(person.sends(request).await.status, 401);
        assert!(world.stop(Service::Api).await, "run {number}: it ends well\n{}", world.lines(Service::Api));

        let told = world.sink.received();
        let servers = told.spans.iter().filter(|span| span.kind == Kind::Server && span.trace_id == trace);
        assert_eq!(servers.count(), 1, "run {number}: the span of the last request");
        let ended = told.logs.iter().filter(|record| record.body.to_string() == "api ended");
        assert_eq!(ended.count(), 1, "run {number}: the last record");
        let counted = told.metrics.iter().any(|metric| metric.name == "http.server.request.duration");
        assert!(counted, "run {number}: the last measurement");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_13_an_idle_minute_exports_neither_spans_nor_records() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let mut watching = host.watches().await.expect("there are live updates");
    let game = host.plans(&[]).await;
    world.settle().await;
    assert_eq!(watching.change(ARRIVAL).await.expect("the host is told"), game);
    // What the last step made is on its way for as long as the slowest batch waits.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.sink.clear();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let told = world.sink.received();
    let spans: Vec<_> = told.spans.iter().map(|span| format!("{} {}", span.service(), span.name)).collect();
    let records: Vec<_> = told.logs.iter().map(|record| record.body.to_string()).collect();
    assert_eq!((spans, records), (Vec::new(), Vec::new()));
    let metrics: Vec<_> = told.metrics.iter().map(|metric| metric.service()).collect();
    for service in Service::ALL {
        assert!(metrics.iter().any(|told| told == service.name()), "{service} tells no metrics");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_13_half_a_minute_without_the_broker_exports_neither_spans_nor_records() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    world.signed_in("dm").await.plans(&[]).await;
    world.settle().await;
    servers.stop_rabbitmq().await.expect("RabbitMQ stops");
    let noticed = |received: &Received| {
        Service::ALL.iter().all(|service| {
            received.logs.iter().any(|record| record.severity == "WARN" && record.service() == service.name())
        })
    };
    world.sink.wait("a warning of each service", ARRIVAL, noticed).await.expect("they notice it");
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.sink.clear();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let told = world.sink.received();
    let spans: Vec<_> = told.spans.iter().map(|span| format!("{} {}", span.service(), span.name)).collect();
    let records: Vec<_> = told.logs.iter().map(|record| record.body.to_string()).collect();
    assert_eq!((spans, records), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t_11_a_stdout_that_nobody_reads_blocks_neither_a_request_nor_the_end() {
    let world = World::empty().await.expect("a world can be made");
    let mut api = command(Service::Api, &[]).expect("the services build");
    api.envs(world.settings(Service::Api)).env("HEALTH_ADDR", "127.0.0.1:0").stdout(Stdio::piped());
    let mut api = api.spawn().expect("it starts");
    let person = world.person("dm");
    let version = || person.request(Method::GET, "/api/v1/version").send();
    let listening = async {
        while version().await.is_err() {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(ARRIVAL, listening).await.expect("it listens");

    // Each refusal is a line, and together they are more than a pipe holds.
    for _ in 0..REFUSALS {
        let asked = tokio::time::timeout(ARRIVAL, person.gets("/api/v1/auth/user"));
        assert_eq!(asked.await.expect("an answer").status, 401);
    }
    let pid = Pid::from_raw(api.id().expect("it runs").cast_signed()).expect("an id");
    kill_process(pid, Signal::TERM).expect("it can be asked to end");
    let ended = tokio::time::timeout(ARRIVAL, api.wait()).await.expect("it ends").expect("it can be waited for");
    assert!(ended.success());
    let mut written = String::new();
    api.stdout.take().expect("a pipe").read_to_string(&mut written).await.expect("it is text");
    assert!(written.lines().count() < REFUSALS, "the pipe was never full, and nothing is proved");
}

/// Service, message and ids of a record, however it was told.
type Census = BTreeMap<(String, String, String, String), usize>;

fn on_stdout(world: &World) -> Census {
    let mut census = Census::new();
    for service in Service::ALL {
        for line in world.lines(service).lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{service}: no JSON: {line}"));
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            *census.entry((text("service"), text("message"), text("trace_id"), text("span_id"))).or_default() += 1;
        }
    }
    census
}

fn over_otlp(records: &[LogRecord]) -> Census {
    let mut census = Census::new();
    for record in records {
        let ids = (record.trace_id.clone().unwrap_or_default(), record.span_id.clone().unwrap_or_default());
        *census.entry((record.service().to_owned(), record.body.to_string(), ids.0, ids.1)).or_default() += 1;
    }
    census
}

#[tokio::test(flavor = "multi_thread")]
async fn t_07_every_record_is_told_once_on_stdout_and_once_over_otlp_with_the_same_ids() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&[]).await;
    world.signed_in("ada").await.joins(&game).await;
    world.settle().await;
    world.pass_until("joined").await;
    world.settle().await;
    world.pass_until("IN_PROGRESS").await;
    world.settle().await;
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well");
    }

    let told = world.sink.received();
    let (lines, records) = (on_stdout(&world), over_otlp(&told.logs));
    assert_eq!(lines, records);
    let correlated = told.logs.iter().filter(|record| record.trace_id.is_some()).count();
    assert!(correlated >= 2, "records inside spans carry their ids: {records:#?}");
    for record in told.logs.iter().filter(|record| record.trace_id.is_some()) {
        let known = told.spans.iter().any(|span| Some(&span.span_id) == record.span_id.as_ref());
        assert!(known, "a record names a span that nobody told: {}", record.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_a_caller_that_is_not_sampled_costs_no_span_and_its_context_is_still_carried() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let template = host.default_template().await.expect("there is one");
    let (trace, header) = traceparent(1, false);
    let form = [("template_id", template.as_str()), ("title", "Quiet"), ("scheduled_at", &in_minutes(120))];
    let request = host.request(Method::POST, "/api/v1/games").form(&form).header("traceparent", header);
    assert_eq!(host.sends(request).await.status, 201);
    world.settle().await;

    let carried = world.ask("select trace_context ->> 'traceparent' from scheduled_transitions limit 1").await;
    assert!(carried.contains(&trace) && carried.ends_with("-00"), "{carried}");
    // A later job decides anew: its trace is told, and links to the one that nobody recorded.
    world.pass_until("IN_PROGRESS").await;
    let started = |received: &Received| {
        received.spans.iter().any(|span| span.name == "job transition.in_progress" && span.links[0].trace_id == trace)
    };
    let told = world.sink.wait("the start", ARRIVAL, started).await.expect("the job is told");
    let silent: Vec<_> = told.spans.iter().filter(|span| span.trace_id == trace).map(|span| &span.name).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
