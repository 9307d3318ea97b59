//! Whether people can be told apart in telemetry, and by what.

use std::time::Duration;

use reqwest::Method;
use tests::discord::ids;
use tests::world::{Service, World, command};

use super::{SEATS, all_that_was_told, span, spans};

/// Starts all services with these settings, and lets bob look on the web and press a button.
async fn bob_is_seen(changed: &[(&str, &str)]) -> (World, [Option<String>; 2]) {
    let world = World::empty().await.expect("a world can be made");
    changed.iter().for_each(|(name, value)| world.set(name, value));
    world.start_all().await.expect("the services start");
    let dm = world.signed_in("dm").await;
    assert_eq!(dm.gets("/api/v1/guilds").await.status, 200, "{}", world.all_lines());
    dm.plans(&SEATS).await;
    world.settle().await;
    let bob = world.signed_in("bob").await;
    let trace = "00000000000000000000000000000b0b";
    let request =
        bob.request(Method::GET, "/api/v1/guilds").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(bob.sends(request).await.status, 200);
    bob.presses("Join").await.expect("the bot answers");
    let mut web =
        spans(&world, "the request", |span| span.trace_id == trace && span.name.starts_with("GET /api")).await;
    let pressed = span(&world, "interaction component join").await;
    let key = "gamesched.user.id";
    let seen = [web.remove(0).attribute(key), pressed.attribute(key)];
    (world, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_a_person_can_be_told_by_a_keyed_hash_that_all_services_share() {
    let key = ("TELEMETRY_USER_KEY", "a key of the operator's own, of some length");
    let (world, [web, pressed]) = bob_is_seen(&[("TELEMETRY_USER_IDS", "hashed"), key]).await;
    let hash = web.expect("they are told");
    assert_eq!(Some(&hash), pressed.as_ref(), "the same on both faces");
    let digits = hash.strip_prefix("u:").expect("it says that it is a hash");
    assert!(digits.len() == 12 && digits.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f')), "{hash}");
    assert!(!all_that_was_told(&world.sink.received()).contains(&ids::BOB.to_string()), "and never by the id");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_a_person_can_be_left_out() {
    let (world, seen) = bob_is_seen(&[("TELEMETRY_USER_IDS", "off")]).await;
    assert_eq!(seen, [None, None]);
    let told = world.sink.received();
    assert!(told.spans.iter().all(|span| !span.attributes.contains_key("gamesched.user.id")));
    assert!(!all_that_was_told(&told).contains(&ids::BOB.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_by_the_id_unless_somebody_says_otherwise() {
    let (_world, seen) = bob_is_seen(&[]).await;
    assert_eq!(seen, [Some(ids::BOB.to_string()), Some(ids::BOB.to_string())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_of_telling_people_that_there_is_not_ends_a_service_at_once() {
    let world = World::empty().await.expect("a world can be made");
    let short = [("TELEMETRY_USER_IDS", "hashed"), ("TELEMETRY_USER_KEY", "short")];
    for service in Service::ALL {
        for (changed, named) in [
            (&[("TELEMETRY_USER_IDS", "sometimes")][..], "TELEMETRY_USER_IDS"),
            (&[("TELEMETRY_USER_IDS", "hashed")][..], "TELEMETRY_USER_KEY"),
            (&short[..], "TELEMETRY_USER_KEY"),
        ] {
            let mut process = command(service, &[]).expect("the services build");
            process.envs(world.settings(service)).envs(changed.iter().copied());
            let ended = tokio::time::timeout(Duration::from_secs(10), process.output()).await;
            let ended = ended.expect("it ends at once").expect("it runs");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success() && said.contains(named), "{service} {changed:?}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{service}: {said}");
            assert!(!said.contains("short"), "{service} prints a key: {said}");
        }
    }
}
