//! Discord's REST interface.

use std::time::Duration;

use tests::discord::Fault;
use tests::otlp::{Received, Status};
use tests::world::World;

use super::{ARRIVAL, SEATS, reading, reads, spans};

const POST: &str = "/channels/*/messages";
const TEMPLATE: &str = "/channels/{channel_id}/messages";
const PATIENCE: Duration = Duration::from_secs(60);

async fn settled(world: &World) {
    if let Err(fault) = world.settled(PATIENCE).await {
        panic!("{fault:#}\n{}", world.all_lines());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_429_is_counted_with_its_scope_and_the_call_tells_its_tries_and_its_wait() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    for (number, scope) in ["user", "global", "shared"].into_iter().enumerate() {
        world.discord.fault(Fault::rate_limited("POST", POST, 1.0, scope)).await.expect("it is scripted");
        host.plans(&SEATS).await;
        settled(&world).await;
        let labels = [("url.template", TEMPLATE), ("gamesched.discord.ratelimit.scope", scope)];
        reads(&world, "gamesched.discord.ratelimit.hits", &labels, 1.0).await;
        let name = format!("POST {TEMPLATE}");
        let limited =
            |span: &tests::otlp::Span| span.name == name && span.attributes.contains_key("http.request.resend_count");
        let more = |received: &Received| received.spans.iter().filter(|span| limited(span)).count() > number;
        world.sink.wait("a call that was tried twice", ARRIVAL, more).await.expect("it is told");
        let told = spans(&world, "a call that was tried twice", limited).await;
        let call = &told[number];
        assert_eq!(call.attribute("http.request.resend_count").as_deref(), Some("1"), "{scope}");
        assert_eq!(
            (call.attribute("http.response.status_code").as_deref(), &call.status),
            (Some("200"), &Status::Unset)
        );
        let waited: f64 = call.attribute("gamesched.discord.ratelimit.wait").expect("it waited").parse().expect("s");
        assert!((0.9..5.0).contains(&waited), "{scope}: {waited} s");
    }
    let waited = |received: &Received| {
        reading(received, "gamesched.discord.ratelimit.wait", &[("url.template", TEMPLATE)]) >= Some(3.0)
    };
    world.sink.wait("the waits", ARRIVAL, waited).await.expect("every permit is measured");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_page_of_something_in_between_is_told_by_its_status() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    world.discord.fault(Fault::status("POST", POST, 502)).await.expect("it is scripted");
    host.plans(&SEATS).await;
    settled(&world).await;
    let failed = spans(&world, "the failed call", |span| {
        span.name == format!("POST {TEMPLATE}") && matches!(span.status, Status::Error(_))
    });
    let failed = failed.await;
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0].status, Status::Error(String::new()));
    assert_eq!(failed[0].attribute("error.type").as_deref(), Some("502"));
    assert_eq!(failed[0].attribute("http.response.status_code").as_deref(), Some("502"));
    assert_eq!(failed[0].attribute("http.request.resend_count"), None);
    let handled = spans(&world, "the message", |span| span.name.starts_with("process") && span.error().is_some()).await;
    assert_eq!(handled[0].attribute("error.type").as_deref(), Some("502"), "the edge above names the same");
    let url = failed[0].attribute("server.port").expect("it has a port");
    let labels = [
        ("http.request.method", "POST"),
        ("server.address", "127.0.0.1"),
        ("server.port", &url),
        ("url.template", TEMPLATE),
        ("http.response.status_code", "502"),
        ("error.type", "502"),
    ];
    reads(&world, "http.client.request.duration", &labels, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_says_when_it_opens_and_when_discord_is_back() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    reads(&world, "gamesched.discord.breaker.open", &[], 0.0).await;
    world.discord.fault(Fault::status("POST", POST, 503).times(1_000)).await.expect("it is scripted");
    for _ in 0..10 {
        host.plans(&SEATS).await;
    }
    reads(&world, "gamesched.discord.breaker.open", &[], 1.0).await;
    world.discord.clear_faults().await.expect("Discord is back");
    reads(&world, "gamesched.discord.breaker.open", &[], 0.0).await;
}
