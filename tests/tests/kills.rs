//! Any process may die at any time: nothing is missing and nothing comes twice.

use std::time::Duration;

use tests::discord::ids;
use tests::world::{Service, World, in_minutes};

/// Kills a service as `kill -9` does and starts it again.
async fn dies(world: &World, service: Service) {
    world.kill(service).await;
    world.start(service).await.expect("it starts again");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one session, step by step")]
async fn the_session_completes_although_each_service_is_killed_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let fields = [
        ("title", "Citadel"),
        ("scheduled_at", &in_minutes(120)),
        ("max_players", "3"),
        ("expected_duration_minutes", "60"),
        ("reminder_minutes", "[60]"),
    ];
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let game = answer.text("id").to_owned();
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
