//! Discord answers late, not at all, or no: everybody is told once, and nobody twice.

use std::time::Duration;

use tests::discord::{Fault, Message, RequestRecord, ids};
use tests::otlp::Received;
use tests::world::{WHOLE, World};

const POST: &str = "/channels/*/messages";
/// Longer than a lost answer, its back-off and the next try take together.
const PATIENCE: Duration = Duration::from_secs(40);

async fn settled(world: &World) {
    if let Err(fault) = world.settled(PATIENCE).await {
        panic!("{fault:#}\n{}", world.all_lines());
    }
}

/// What a person was told in private.
async fn letters(world: &World, name: &str) -> Vec<String> {
    world.person(name).inbox().await.iter().map(Message::as_text).collect()
}

/// The messages that Discord was asked to post, the first to come first.
async fn posts(world: &World) -> Vec<RequestRecord> {
    let mut asked = world.discord.requests().await;
    asked.retain(|request| request.method == "POST" && request.path == "/channels/{channel}/messages");
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn no_25_an_answer_that_is_lost_makes_neither_a_second_announcement_nor_a_second_letter() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    world.discord.fault(Fault::commit_then_drop("POST", POST)).await.expect("it is scripted");
    let game = host.plans(&WHOLE).await;
    settled(&world).await;
    assert_eq!(world.discord.faults().await.len(), 0, "the answer was lost");
    assert_eq!(posts(&world).await.len(), 2, "it was asked for again");
    assert_eq!(world.discord.channel(ids::GAMES).await.len(), 1, "one announcement");

    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    settled(&world).await;
    world.discord.fault(Fault::commit_then_drop("POST", POST)).await.expect("it is scripted");
    world.pass_until("joined").await;
    settled(&world).await;
    assert_eq!(world.discord.faults().await.len(), 0, "the answer was lost");
    assert_eq!(letters(&world, "ada").await.len(), 1, "one letter");
    let ends = "select string_agg(state || ' ' || unknowns, ', ') from deliveries";
    assert_eq!(world.ask(ends).await, "sent 1");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_25_a_letter_that_may_have_arrived_waits_for_an_operator_and_is_counted_as_uncertain() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    settled(&world).await;

    // The answer is lost; then Ada takes no letters any more, and nobody may look whether it came.
    for fault in [
        Fault::commit_then_drop("POST", POST),
        Fault::code("POST", POST, 50_007),
        Fault::code("GET", "/channels/*/messages", 50_001),
    ] {
        world.discord.fault(fault).await.expect("it is scripted");
    }
    world.pass_until("joined").await;
    let uncertain = |received: &Received| {
        let points = received.metrics.iter().filter(|metric| metric.name == "gamesched.delivery.lateness");
        let mut labels = points.flat_map(|metric| &metric.points).flat_map(|point| &point.attributes);
        labels.any(|(key, value)| key.ends_with("outcome") && value.to_string() == "uncertain")
    };
    world.sink.wait("a letter without proof", PATIENCE, uncertain).await.expect("it is counted");
    assert_eq!(world.ask("select string_agg(parked_reason, ', ') from deliveries").await, "no_proof");
    assert_eq!(letters(&world, "ada").await.len(), 1, "it did arrive, and only once");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_announcement_waits_as_long_as_discord_says_and_comes_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    world.discord.fault(Fault::rate_limited("POST", POST, 1.5, "user")).await.expect("it is scripted");
    host.plans(&WHOLE).await;
    settled(&world).await;
    let asked = posts(&world).await;
    let answers: Vec<_> = asked.iter().map(|request| request.status).collect();
    assert_eq!(answers, [Some(429), Some(200)]);
    let waited = asked[1].at_ms - asked[0].at_ms;
    assert!(waited >= 1_500, "{waited} ms");
    assert_eq!(world.discord.channel(ids::GAMES).await.len(), 1);
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_letters_is_not_told_and_everybody_else_is() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    for name in ["ada", "bob", "cyd"] {
        assert_eq!(world.signed_in(name).await.joins(&game).await.status, 200);
    }
    world.pass_until("joined").await;
    settled(&world).await;

    world.discord.fault(Fault::code("POST", POST, 50_007)).await.expect("it is scripted");
    world.pass_until("reminder").await;
    settled(&world).await;
    let ends = "select string_agg(state || ' ' || attempts || coalesce(' ' || last_code, ''), ', ' order by state)
                from deliveries where kind = 'reminder'";
    assert_eq!(world.ask(ends).await, "failed 1 50007, sent 1, sent 1, sent 1");
    let closed = world.ask("select recipient::text from deliveries where state = 'failed'").await;
    for (name, id, owed) in [("dm", ids::DM, 1), ("ada", ids::ADA, 2), ("bob", ids::BOB, 2), ("cyd", ids::CYD, 2)] {
        let arrived = if closed == id.to_string() { owed - 1 } else { owed };
        assert_eq!(letters(&world, name).await.len(), arrived, "{name}");
    }
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}
