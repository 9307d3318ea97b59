//! What happens to a game by time alone: its post, its start, its end.

use std::time::Duration;

use tests::discord::ids;
use tests::world::{Person, Service, WHOLE, World, in_minutes};

const NOTICES: &str = "select count(*)::text from scheduled_notifications";

/// A game that starts in two hours and is posted in half an hour, with ada on its list.
async fn deferred(host: &Person) -> String {
    let starters = format!("[\"<@{}>\"]", ids::ADA);
    let later = in_minutes(30);
    host.plans(&[&WHOLE[..], &[("post_at", later.as_str()), ("initial_participants", starters.as_str())]].concat())
        .await
}

async fn posts(world: &World) -> usize {
    world.settle().await;
    world.discord.channel(ids::GAMES).await.len()
}

/// From the post on people are told as if the game had just been made (LI-33).
async fn everybody_is_told(world: &World) {
    world.pass_until("joined").await;
    world.settle().await;
    assert_eq!(world.person("ada").inbox().await.len(), 1, "where ada stands");
    world.pass_until("reminder").await;
    world.settle().await;
    assert_eq!(world.person("ada").inbox().await.len(), 2, "the reminder");
    assert_eq!(world.person("dm").inbox().await.len(), 1, "the host's reminder");
}

#[tokio::test(flavor = "multi_thread")]
async fn li_33_a_deferred_game_is_hidden_until_its_time_and_tells_people_from_then_on() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = deferred(&host).await;
    let bob = world.signed_in("bob").await;
    assert_eq!(posts(&world).await, 0);
    assert_eq!(bob.gets(&format!("/api/v1/games/{game}")).await.status, 404);
    assert_eq!(world.ask(NOTICES).await, "0", "nobody is told of what is hidden");

    world.pass_until("POST").await;
    assert_eq!(posts(&world).await, 1);
    assert_eq!(bob.gets(&format!("/api/v1/games/{game}")).await.status, 200);
    everybody_is_told(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn li_33_a_deferred_game_whose_posting_time_is_cleared_is_posted_at_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = deferred(&host).await;
    assert_eq!(posts(&world).await, 0);

    host.edits(&game, &[("clear_post_at", "true")]).await;
    assert_eq!(posts(&world).await, 1);
    everybody_is_told(&world).await;
    assert_eq!(posts(&world).await, 1, "and not again at its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn li_32_a_start_that_moves_while_the_post_is_overdue_does_not_lose_the_post() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = deferred(&host).await;
    world.settle().await;
    world.kill(Service::StatusDaemon).await;
    world.pass_until("POST").await;
    host.edits(&game, &[("scheduled_at", &in_minutes(240))]).await;

    world.start(Service::StatusDaemon).await.expect("it starts again");
    assert_eq!(posts(&world).await, 1);
    everybody_is_told(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn li_20_a_start_that_must_be_tried_again_still_comes_before_the_completion() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let fields = [("title", "Dune"), ("scheduled_at", &in_minutes(60)), ("expected_duration_minutes", "60")];
    let game = host.creates(&fields).await.text("id").to_owned();
    world.settle().await;
    world.kill(Service::StatusDaemon).await;
    world.pass(Duration::from_secs(5 * 60 * 60)).await;
    let failed = "update scheduled_transitions set attempts = 1, next_attempt_at = now() + interval '2 s'
                  where target = 'IN_PROGRESS' returning target";
    assert_eq!(world.ask(failed).await, "IN_PROGRESS");

    world.start(Service::StatusDaemon).await.expect("it starts again");
    world.settle().await;
    let verbs = "select string_agg(verb, ' ' order by id) from audit_log where face = 'daemon'";
    assert_eq!(world.ask(verbs).await, "start complete");
    assert_eq!(host.gets(&format!("/api/v1/games/{game}")).await.text("status"), "COMPLETED");
}
