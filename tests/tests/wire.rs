//! What telemetry says crossed a wire is what crossed it: counted by a tap, by people, and by Discord.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use shared::amqp::Queue;
use tests::discord::ids;
use tests::otlp::{Kind, Received, Span};
use tests::world::{Person, Service, Tapped, World, in_minutes};

const ARRIVAL: Duration = Duration::from_secs(20);

/// What the bot asks before anything caused it: these calls have no span (T-13), but they are measured.
const UNCAUSED: [&str; 5] = [
    "GET /gateway/bot",
    "GET /users/@me",
    "GET /applications/@me",
    "GET /applications/{}/commands",
    "PUT /applications/{}/commands",
];

/// How often something happened.
type Counts = BTreeMap<String, usize>;

fn counted<'a>(all: impl Iterator<Item = String> + 'a) -> Counts {
    let mut counts = Counts::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts
}

fn of(received: &Received, kind: Kind) -> impl Iterator<Item = &Span> {
    received.spans.iter().filter(move |span| span.kind == kind)
}

fn attribute(span: &Span, key: &str) -> String {
    span.attribute(key).unwrap_or_default()
}

async fn game(host: &Person, title: &str) -> String {
    let start = in_minutes(120);
    let fields = [("title", title), ("scheduled_at", start.as_str()), ("reminder_minutes", "[60]")];
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id").to_owned()
}

/// A session in which each of the four services publishes, and the api answers well and badly.
async fn play(world: &World) {
    let (host, ada) = (world.signed_in("dm").await, world.signed_in("ada").await);
    let id = game(&host, "Citadel").await;
    let other = game(&host, "Dune").await;
    assert_eq!(ada.joins(&id).await.status, 200);
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    assert_eq!(host.cancels(&other).await.status, 204);
    assert_eq!(ada.joins(&other).await.status, 409);
    assert_eq!(ada.gets("/api/v1/games/12").await.status, 404);
    assert_eq!(ada.gets("/nowhere").await.status, 404);
    assert_eq!(world.person("eve").gets("/api/v1/games").await.status, 401);
    let edit = host.request(Method::PUT, &format!("/api/v1/games/{id}")).form(&[("max_players", "none")]);
    assert_eq!(host.sends(edit).await.status, 422);
    world.settle().await;
    for due in ["joined", "reminder", "IN_PROGRESS"] {
        world.pass_until(due).await;
        world.settle().await;
    }
}

/// The session, played to its end: what was tapped, and what the services told of it.
async fn played() -> (World, Vec<Tapped>, Received) {
    let world = World::empty().await.expect("a world can be made");
    let tap = world.tap().await.expect("the exchange can be tapped");
    world.start_all().await.expect("the services start");
    play(&world).await;
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well");
    }
    let published = world.ask("select count(*)::text from outbox where published_at is not null").await;
    let all = |tapped: &[Tapped]| tapped.len() >= published.parse().expect("a number");
    let tapped = tap.wait(all, ARRIVAL).await.expect("every message that the outbox knows passed the tap");
    let told = world.sink.everything();
    (world, tapped, told)
}

/// The queues that want a routing key, in a broker with one replica of the api.
fn wanted_by(key: &str) -> Vec<Queue> {
    let replica = Queue::Events("{replica}".to_owned());
    let fits = |wish: &str| wish == key || wish.strip_suffix('*').is_some_and(|family| key.starts_with(family));
    let all = shared::amqp::topology::DURABLE.into_iter().chain([replica]);
    all.filter(|queue| queue.keys().iter().any(|wish| fits(wish))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_04_every_message_carries_the_span_that_published_it_and_each_delivery_is_told_once() {
    let (world, tapped, told) = played().await;
    let names = shared::amqp::Names::new(&world.namespace);
    let published: Vec<_> = tapped.iter().filter(|message| !message.key.ends_with(".parked")).collect();
    let keys = counted(published.iter().map(|message| message.key.clone()));
    for key in ["game.created", "game.roster_changed", "game.cancelled", "game.started", "delivery.due"] {
        assert!(keys.contains_key(key), "the session shows {key}: {keys:?}");
    }

    let carried = published.iter().map(|message| {
        let header = message.headers.get("traceparent").cloned().unwrap_or_default();
        format!("{} {} {header}", message.key, message.id)
    });
    let said = of(&told, Kind::Producer).map(|span| {
        let key = attribute(span, "messaging.rabbitmq.destination.routing_key");
        format!("{key} {} 00-{}-{}-01", attribute(span, "messaging.message.id"), span.trace_id, span.span_id)
    });
    assert_eq!(counted(said), counted(carried), "PRODUCER spans, and what was on the wire");
    assert!(tapped.iter().all(|message| !message.headers.contains_key("baggage")), "baggage stays at home");

    let delivered = published.iter().flat_map(|message| {
        let queues = wanted_by(&message.key).into_iter();
        queues.map(|queue| format!("{} {}", names.template(&queue), message.id)).collect::<Vec<_>>()
    });
    let processed = of(&told, Kind::Consumer).filter(|span| span.name.starts_with("process ")).map(|span| {
        let queue = attribute(span, "messaging.destination.template");
        let place = if queue.is_empty() { attribute(span, "messaging.destination.name") } else { queue };
        let queue = place.rsplit(':').next().unwrap_or_default().to_owned();
        format!("{queue} {}", attribute(span, "messaging.message.id"))
    });
    assert_eq!(counted(processed), counted(delivered), "process spans, and what the bindings deliver");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_every_request_that_people_send_is_one_server_span_and_one_measurement() {
    let (world, _, told) = played().await;
    let api = |span: &&Span| span.service() == "api";
    let served = of(&told, Kind::Server).filter(api).count();
    assert_eq!(served, world.asked(), "SERVER spans, and requests that people sent");
    assert!(of(&told, Kind::Server).filter(api).any(|span| span.name == "GET"), "a path that leads nowhere counts");
    let measured = last(&told, "api", "http.server.request.duration");
    assert_eq!(measured, served, "the histogram counts the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_04_every_request_to_discord_is_one_client_span_and_none_carries_a_trace() {
    let (world, _, told) = played().await;
    let asked = world.discord.requests().await;
    let logged = asked.iter().map(|request| {
        let status = request.status.map(|status| status.to_string()).unwrap_or_default();
        format!("{} {} {status}", request.method, nameless(&request.path))
    });
    let uncaused = |line: &String| UNCAUSED.iter().any(|start| line.starts_with(&format!("{start} ")));
    let mut logged = counted(logged);
    assert!(logged.keys().any(&uncaused), "the bot asks where the gateway is: {logged:?}");
    let all: usize = logged.values().sum();
    logged.retain(|line, _| !uncaused(line));

    let said = of(&told, Kind::Client).filter(|span| span.attributes.contains_key("url.template")).map(|span| {
        let status = attribute(span, "http.response.status_code");
        format!("{} {} {status}", attribute(span, "http.request.method"), nameless(&attribute(span, "url.template")))
    });
    let mut said = counted(said);
    said.retain(|line, _| !uncaused(line));
    assert_eq!(said, logged, "CLIENT spans, and what Discord logged");
    assert!(logged.keys().any(|line| line.starts_with("POST /interactions/")), "{logged:?}");

    let measured = ["api", "bot"].map(|service| last(&told, service, "http.client.request.duration"));
    assert_eq!(measured.iter().sum::<usize>(), all, "the histogram counts those without a span, too");
    // The simulator looks at every request's headers for traceparent, tracestate and baggage.
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
    assert!(world.discord.channel(ids::GAMES).await.len() >= 2, "and there is something to see");
}

/// A path or template whose variable parts have no names, as both sides chose their own.
fn nameless(template: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    template.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// How many measurements a service's histogram had at last.
fn last(told: &Received, service: &str, name: &str) -> usize {
    let mut exports = told.metrics.iter().filter(|metric| metric.name == name && metric.service() == service);
    let points = exports.next_back().map(|metric| metric.points.clone()).unwrap_or_default();
    points.iter().map(|point| point.reading.number() as usize).sum()
}
