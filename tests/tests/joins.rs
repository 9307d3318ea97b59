//! Seats, from every face.

use std::time::Duration;

use tests::discord::ids;
use tests::world::{World, in_minutes};

async fn board(world: &World) -> String {
    world.discord.channel(ids::GAMES).await.pop().expect("there is an announcement").as_text()
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_12_the_last_seat_goes_to_the_first_to_ask_on_whichever_face() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&[("max_players", "1")]).await;
    world.settle().await;

    let pressed = world.person("bob").presses("Join").await.expect("the bot answers");
    assert!(pressed.ack_after < Duration::from_secs(3), "acknowledged after {:?}", pressed.ack_after);
    assert!(pressed.answer.as_text().contains("seat 1 of 1"), "{}", pressed.answer.as_text());

    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;

    let seen = ada.gets(&format!("/api/v1/games/{game}")).await;
    assert_eq!(seen.body["confirmed_participants"][0]["discord_id"], ids::BOB.to_string());
    assert_eq!(seen.body["waitlist_participants"][0]["discord_id"], ids::ADA.to_string());
    let board = board(&world).await;
    assert!(board.contains("Players (1/1)") && board.contains("Waitlist (1)"), "{board}");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn ge_08_joining_twice_and_leaving_twice_have_no_second_effect() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&[("max_players", "3")]).await;
    let ada = world.signed_in("ada").await;

    let (first, second) = (ada.joins(&game).await, ada.joins(&game).await);
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.body["id"], second.body["id"], "one row");
    assert_eq!(ada.leaves(&game).await.status, 204);
    assert_eq!(ada.leaves(&game).await.status, 204);
    world.settle().await;

    let audit = "select string_agg(verb, ' ' order by id) from audit_log";
    assert_eq!(world.ask(audit).await, "create join leave");
    let notices = "select count(*)::text from scheduled_notifications where kind = 'joined'";
    assert_eq!(world.ask(notices).await, "0", "the notice of a join goes with the row (RO-14)");
}

#[tokio::test(flavor = "multi_thread")]
async fn ro_32_fifty_at_once_for_one_seat_are_seated_in_the_order_of_the_lock() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&[("max_players", "1")]).await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "cyd", "dee"] {
        people.push(world.signed_in(name).await);
    }
    // Each presses again and again, as impatient people do.
    let joins = people.iter().cycle().take(50).map(|person| person.joins(&game));
    let answers = futures_util::future::join_all(joins).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let order = "select string_agg(u.username, ' ' order by p.joined_at, p.id) from participants p
                 join users u on u.id = p.user_id";
    let order = world.ask(order).await;
    // The audit row is written under the lock: whoever had it first joined first.
    let locked = "select string_agg(u.username, ' ' order by a.id) from audit_log a
                  join users u on u.id = a.actor where a.verb = 'join'";
    assert_eq!(order, world.ask(locked).await);
    let seen = people[0].gets(&format!("/api/v1/games/{game}")).await;
    let confirmed = seen.body["confirmed_participants"].as_array().expect("an array").len();
    let waiting = seen.body["waitlist_participants"].as_array().expect("an array").len();
    assert_eq!((order.split(' ').count(), confirmed, waiting), (4, 1, 3), "{order}");
}

#[tokio::test(flavor = "multi_thread")]
async fn li_42_a_game_that_is_cancelled_before_its_post_is_never_posted() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let (later, start) = (in_minutes(30), in_minutes(120));
    let fields = [("title", "Citadel"), ("scheduled_at", start.as_str()), ("post_at", later.as_str())];
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(host.cancels(answer.text("id")).await.status, 204);
    world.pass(Duration::from_secs(60 * 60)).await;
    world.settle().await;
    assert!(world.discord.channel(ids::GAMES).await.is_empty());
    let seen = world.signed_in("ada").await.gets("/api/v1/games").await;
    assert_eq!(seen.body["total"], 0, "never announced: for host and managers only (LI-06)");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_10_a_cancelled_game_tells_everybody_but_the_actor_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&[("max_players", "3")]).await;
    world.signed_in("ada").await.joins(&game).await;
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");

    assert_eq!(host.cancels(&game).await.status, 204);
    assert_eq!(host.cancels(&game).await.status, 204, "again, silently (LI-40)");
    world.settle().await;
    world.pass(Duration::from_secs(120 * 60)).await;
    world.settle().await;

    for (name, letters) in [("ada", 1), ("bob", 1), ("dm", 0)] {
        let inbox = world.person(name).inbox().await;
        assert_eq!(inbox.len(), letters, "{name}: {inbox:?}");
    }
    let board = board(&world).await;
    assert!(board.to_lowercase().contains("cancelled"), "{board}");
    assert_eq!(host.gets(&format!("/api/v1/games/{game}")).await.text("status"), "CANCELLED");
}
