//! Any process may die at any time: nothing is missing and nothing comes twice.

use std::time::Duration;

use reqwest::Method;
use tests::discord::ids;
use tests::otlp::{Kind, Received};
use tests::world::{Person, Service, WHOLE, World};

/// Kills a service as `kill -9` does and starts it again.
async fn dies(world: &World, service: Service) {
    world.kill(service).await;
    world.start(service).await.expect("it starts again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_completes_although_each_service_is_killed_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    dies(&world, Service::Api).await;
    world.settle().await;

    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    dies(&world, Service::Bot).await;
    world.discord.wait_shards(1, Duration::from_secs(20)).await.expect("the bot is back");
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");

    world.pass(Duration::from_secs(60)).await;
    dies(&world, Service::NotificationDaemon).await;
    world.settle().await;
    world.pass(Duration::from_secs(60 * 60)).await;
    dies(&world, Service::Bot).await;
    world.settle().await;
    world.pass(Duration::from_secs(60 * 60)).await;
    dies(&world, Service::StatusDaemon).await;
    world.settle().await;
    world.pass(Duration::from_secs(60 * 60)).await;
    world.settle().await;

    assert_eq!(host.gets(&format!("/api/v1/games/{game}")).await.text("status"), "COMPLETED");
    let posts = world.discord.channel(ids::GAMES).await;
    assert_eq!(posts.len(), 1, "one announcement");
    let board = posts[0].as_text();
    for player in [ids::ADA, ids::BOB] {
        assert!(board.contains(&format!("<@{player}>")), "{board}");
    }
    for (name, letters) in [("ada", 2), ("bob", 2), ("dm", 1)] {
        let inbox = world.person(name).inbox().await;
        let texts: Vec<_> = inbox.iter().map(tests::discord::Message::as_text).collect();
        assert_eq!(inbox.len(), letters, "{name} has the join notice and the reminder once: {texts:#?}");
    }
    let transitions = "select string_agg(verb, ' ' order by id) from audit_log where face = 'daemon'";
    assert_eq!(world.ask(transitions).await, "start complete");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

/// So many requests that are refused, each in a trace of its own; the traces' ids.
async fn ask(person: &Person, first: u64, count: u64) -> Vec<String> {
    let mut traces = Vec::new();
    for number in first..first + count {
        let trace = format!("{:032x}", 0xdead_0000_u64 + number);
        let request = person.request(Method::GET, "/api/v1/auth/user");
        let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        assert_eq!(person.sends(request).await.status, 401);
        traces.push(trace);
    }
    traces
}

/// How often the SERVER span of each trace was told.
fn times(received: &Received, traces: &[String]) -> Vec<usize> {
    let of = |trace: &String| {
        received.spans.iter().filter(|span| span.kind == Kind::Server && span.trace_id == *trace).count()
    };
    traces.iter().map(of).collect()
}

/// The requests that the api's histogram had counted at last.
fn measured(received: &Received) -> f64 {
    let mut exports = received.metrics.iter().filter(|metric| metric.name == "http.server.request.duration");
    let points = exports.next_back().map(|metric| metric.points.clone()).unwrap_or_default();
    points.iter().map(|point| point.reading.number()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_a_kill_loses_what_the_last_batches_held_and_nothing_that_came_before() {
    let world = World::empty().await.expect("a world can be made");
    // As it is when nobody sets anything, but for the measurements, which would wait for a minute.
    for (name, wait) in
        [("BSP_SCHEDULE_DELAY", "1000"), ("BLRP_SCHEDULE_DELAY", "1000"), ("METRIC_EXPORT_INTERVAL", "1000")]
    {
        world.set(&format!("OTEL_{name}"), wait);
    }
    world.start(Service::Api).await.expect("the api starts");
    let person = world.person("dm");
    let before = ask(&person, 0, 20).await;
    let told = |received: &Received| {
        times(received, &before).iter().all(|times| *times > 0)
            && measured(received) >= 20.0
            && !received.logs.is_empty()
    };
    world.sink.wait("the first requests", Duration::from_secs(30), told).await.expect("they are told in time");
    let last = ask(&person, 20, 20).await;
    world.kill(Service::Api).await;
    let left = world.sink.everything();
    assert_eq!(times(&left, &before), [1; 20], "what was older than a batch is there, once");
    assert!(times(&left, &last).iter().all(|times| *times <= 1), "and nothing twice");
    assert!((20.0..=40.0).contains(&measured(&left)), "{}", measured(&left));
    assert_eq!(left.unreadable, Vec::<String>::new(), "nor half");

    // With batches that wait long enough, the loss shows; and only that is lost.
    world.set("OTEL_BSP_SCHEDULE_DELAY", "60000");
    world.start(Service::Api).await.expect("the api starts again");
    let last = ask(&person, 40, 5).await;
    let counted = |received: &Received| (5.0..20.0).contains(&measured(received));
    world.sink.wait("a new count", Duration::from_secs(10), counted).await.expect("measurements go on from nothing");
    world.kill(Service::Api).await;
    assert_eq!(times(&world.sink.everything(), &last), [0; 5], "a batch that was not sent is gone");
}
