//! HTTP in.

use std::time::Duration;

use reqwest::Method;
use tests::otlp::{Span, Status};
use tests::world::{Service, World};

use super::{ARRIVAL, SEATS, all_that_was_told, keys, reads, span, spans};

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";
const PARENT: &str = "00f067aa0ba902b7";
const NO_ID: &str = "00000000000000000000000000000e06";

#[tokio::test(flavor = "multi_thread")]
async fn t_01_a_client_that_goes_away_is_measured_and_its_span_is_cancelled_and_not_failed() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&SEATS).await;
    let ada = world.signed_in("ada").await;
    let mut sql = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql("begin; select from games for update").execute(&mut sql).await.expect("the game is locked");
    let route = "/api/v1/games/{id}/join";
    let method = [("http.request.method", "POST"), ("url.scheme", "http")];
    reads(&world, ACTIVE, &method, 0.0).await;

    let gone = ada.request(Method::POST, &format!("/api/v1/games/{game}/join")).timeout(Duration::from_secs(2));
    assert!(gone.send().await.expect_err("it waits for the lock").is_timeout());
    let span = span(&world, &format!("POST {route}")).await;
    assert_eq!((span.attribute("error.type").as_deref(), &span.status), (Some("cancelled"), &Status::Unset));
    assert!(!span.attributes.contains_key("http.response.status_code"), "{span:#?}");
    let labels = [method[0], method[1], ("http.route", route), ("error.type", "cancelled")];
    reads(&world, DURATION, &labels, 1.0).await;
    reads(&world, ACTIVE, &method, 0.0).await;
    let was = |received: &tests::otlp::Received| {
        let told = received.metrics.iter().filter(|told| told.name == ACTIVE).flat_map(|told| &told.points);
        told.into_iter().any(|point| point.reading.number() > 0.0)
    };
    world.sink.wait("a request under way", ARRIVAL, was).await.expect("it was counted while it ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_15_a_method_that_nobody_knows_is_other_and_its_span_is_called_http() {
    let world = World::empty().await.expect("a world can be made");
    world.start(Service::Api).await.expect("the api starts");
    let person = world.person("dm");
    let method = Method::from_bytes(b"BREW").expect("it has the form of a method");
    let request = person.request(method.clone(), "/api/v1/guilds?secret=canary").header("user-agent", "kettle/1");
    assert_eq!(person.sends(request).await.status, 405);
    let span = span(&world, "HTTP /api/v1/guilds").await;
    let told = |key: &str| span.attribute(key).unwrap_or_default();
    for (key, value) in [
        ("http.request.method", "_OTHER"),
        ("http.route", "/api/v1/guilds"),
        ("url.path", "/api/v1/guilds"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "405"),
        ("server.address", "127.0.0.1"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "kettle/1"),
        ("gamesched.refusal", "method_not_allowed"),
    ] {
        assert_eq!(told(key), value, "{key}");
    }
    assert_eq!((keys(&span).len(), &span.status), (10, &Status::Unset), "{span:#?}");
    let labels = [("http.request.method", "_OTHER"), ("url.scheme", "http"), ("http.route", "/api/v1/guilds")];
    reads(&world, DURATION, &[labels[0], labels[1], labels[2], ("http.response.status_code", "405")], 1.0).await;
    assert_eq!(person.sends(person.request(method, "/nothing/here")).await.status, 404);
    let unrouted = self::span(&world, "HTTP").await;
    assert_eq!(unrouted.attribute("http.route"), None);
}

/// What a client that knows the conventions sends, through whoever is in front.
async fn asks(world: &World) -> Span {
    let person = world.person("dm");
    let headers = [
        ("traceparent", format!("00-{NO_ID}-{PARENT}-01")),
        ("baggage", "word=canary".to_owned()),
        ("x-forwarded-for", "203.0.113.9".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
        ("host", "games.example:8443".to_owned()),
    ];
    let request = person.request(Method::GET, "/api/v1/auth/user");
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(person.sends(request).await.status, 401);
    let told = span(world, "GET /api/v1/auth/user").await;
    assert!(!all_that_was_told(&world.sink.received()).contains("canary"), "baggage is ignored");
    assert_eq!(told.attribute("gamesched.refusal").as_deref(), Some("signed_out"));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_a_peer_that_is_not_trusted_gets_a_trace_of_its_own_that_links_to_what_it_sent() {
    let world = World::empty().await.expect("a world can be made");
    let proxies = [("TRUSTED_PROXIES", "192.0.2.1")];
    world.start_with(Service::Api, &proxies).await.expect("the api starts");
    let span = asks(&world).await;
    assert_eq!(span.parent_id, None);
    assert_ne!(span.trace_id, NO_ID);
    let link = &span.links[0];
    assert_eq!((link.trace_id.as_str(), link.span_id.as_str(), span.links.len()), (NO_ID, PARENT, 1));
    let kind = link.attributes.get("gamesched.link.kind").map(ToString::to_string);
    assert_eq!(kind.as_deref(), Some("inbound"));
    let told = |key: &str| span.attribute(key);
    assert_eq!((told("client.address").as_deref(), told("url.scheme").as_deref()), (Some("127.0.0.1"), Some("http")));
    assert_eq!(told("server.address"), None, "a name that only the stranger uses");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_01_a_trusted_peer_s_trace_goes_on_and_it_says_who_asked_for_what() {
    let world = World::empty().await.expect("a world can be made");
    world.start(Service::Api).await.expect("the api starts");
    let span = asks(&world).await;
    assert_eq!((span.trace_id.as_str(), span.parent_id.as_deref(), span.links.len()), (NO_ID, Some(PARENT), 0));
    for (key, value) in
        [("client.address", "203.0.113.9"), ("url.scheme", "https"), ("server.address", "games.example")]
    {
        assert_eq!(span.attribute(key).as_deref(), Some(value), "{key}");
    }
    let probes = spans(&world, "the request", |_| true).await;
    assert!(probes.iter().all(|span| !span.name.contains("health")), "probes have no spans");
}
