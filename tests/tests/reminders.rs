//! What people are told in time, whatever happens to the game meanwhile.

use std::time::Duration;

use sqlx::Connection as _;
use tests::discord::{Message, Setup};
use tests::servers::Servers;
use tests::world::{Person, Service, World, in_minutes};

async fn game(host: &Person, start: &str, reminders: &str) -> String {
    let fields = [("scheduled_at", start), ("expected_duration_minutes", "60"), ("reminder_minutes", reminders)];
    host.plans(&fields).await
}

async fn texts(person: &Person) -> Vec<String> {
    person.inbox().await.iter().map(Message::as_text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_16_another_run_time_leaves_the_reminders_as_they_are() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &in_minutes(120), "[60]").await;
    host.edits(&game, &[("expected_duration_minutes", "90")]).await;
    let reminders = "select string_agg(state, ' ') from scheduled_notifications where kind = 'reminder'";
    assert_eq!(world.ask(reminders).await, "pending");

    world.pass_until("reminder").await;
    world.settle().await;
    assert_eq!(texts(&host).await.len(), 1, "the host is reminded");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_16_a_start_that_is_moved_and_moved_back_is_reminded_of_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let start = in_minutes(120);
    let game = game(&host, &start, "[60]").await;
    host.edits(&game, &[("scheduled_at", &in_minutes(240))]).await;
    host.edits(&game, &[("scheduled_at", &start)]).await;

    world.pass_until("reminder").await;
    world.settle().await;
    world.pass(Duration::from_secs(119 * 60)).await;
    world.settle().await;
    let told = texts(&host).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b_04_a_moved_game_is_not_reminded_of_at_its_old_start() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &in_minutes(120), "[60]").await;
    host.edits(&game, &[("scheduled_at", &in_minutes(240))]).await;

    world.pass(Duration::from_secs(61 * 60)).await;
    world.settle().await;
    assert_eq!(texts(&host).await, Vec::<String>::new(), "nothing at the old time");
    world.pass_until("reminder").await;
    world.settle().await;
    assert_eq!(texts(&host).await.len(), 1, "once at the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_of_an_unknown_kind_holds_nothing_up() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    game(&host, &in_minutes(120), "[60,30]").await;
    world.ask("update scheduled_notifications set kind = 'riddle' where minutes_before = 60 returning kind").await;

    world.pass_until("reminder").await;
    world.settle().await;
    assert_eq!(texts(&host).await.len(), 1, "the one behind it arrives");
    let riddle = "select state || ' ' || last_error from scheduled_notifications where kind = 'riddle'";
    assert_eq!(world.ask(riddle).await, "failed unknown_kind");
    assert!(world.lines(Service::NotificationDaemon).contains("riddle"), "somebody can see it");
}

#[tokio::test(flavor = "multi_thread")]
async fn li_41_a_letter_that_a_leave_or_a_cancellation_overtakes_is_not_sent() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = game(&host, &in_minutes(120), "[60]").await;
    let (ada, bob) = (world.signed_in("ada").await, world.signed_in("bob").await);
    assert_eq!((ada.joins(&game).await.status, bob.joins(&game).await.status), (200, 200));
    world.settle().await;
    world.kill(Service::Bot).await;
    world.pass_until("joined").await;
    world.until("select count(*)::text from deliveries where kind = 'joined'", "2").await;

    // A bot that died had bob's letter in hand: only its next turn can tell that it came too late.
    let held = "update deliveries set lease_owner = 'gone', lease_until = now()
                where recipient = (select discord_id from users where username = 'bob') returning 'held'";
    assert_eq!(world.ask(held).await, "held");
    assert_eq!(ada.leaves(&game).await.status, 204);
    let gone = "select string_agg(state || ' ' || coalesce(last_error, ''), ', ' order by state) from deliveries";
    assert_eq!(world.ask(gone).await, "expired left, pending ");
    assert_eq!(host.cancels(&game).await.status, 204);
    world.start(Service::Bot).await.expect("it starts again");
    world.discord.wait_shards(1, Duration::from_secs(20)).await.expect("the bot is back");
    world.settle().await;

    assert_eq!(texts(&ada).await, Vec::<String>::new(), "who left is not told");
    let told = texts(&bob).await;
    assert!(told.len() == 1 && told[0].to_lowercase().contains("cancelled"), "{told:?}");
    let ends = "select string_agg(kind || ' ' || state, ', ' order by kind, state) from deliveries";
    assert_eq!(world.ask(ends).await, "cancelled sent, joined expired, joined expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_waits_for_whoever_changes_its_game_without_a_deadlock() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    game(&host, &in_minutes(120), "[60]").await;
    world.kill(Service::NotificationDaemon).await;
    world.pass_until("reminder").await;

    // What an edit does: the game first, its due rows then.
    let mut sql = world.sql().await.expect("Postgres answers");
    let mut edit = sql.begin().await.expect("a transaction");
    sqlx::raw_sql("select from games for update").execute(&mut *edit).await.expect("the game is locked");
    world.start(Service::NotificationDaemon).await.expect("it starts again");
    let looked = "select (count(*) > 0)::text from pg_stat_activity
                  where datname = current_database() and application_name = 'notification-daemon'
                    and (wait_event_type = 'Lock' or query like '%next notice%')";
    world.until(looked, "true").await;
    let rows = "update scheduled_notifications set minutes_before = minutes_before";
    sqlx::raw_sql(rows).execute(&mut *edit).await.expect("nobody waits for us");
    edit.commit().await.expect("the edit ends");

    world.settle().await;
    assert_eq!(texts(&host).await.len(), 1, "the host is reminded");
    assert_eq!(world.ask("select max(attempts)::text from scheduled_notifications").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn l_44_where_discord_grants_more_letters_leave_faster_and_none_twice() {
    let setup = Setup { route_limit: 1_000, global_limit: 1_000, ..Setup::demo() };
    let world = World::with(Servers::start().await.expect("servers can be had"), setup).await.expect("a world");
    world.set("DISCORD_REQUESTS_PER_SECOND", "1000");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    game(&host, &in_minutes(600), "[60]").await;
    world.settle().await;
    world.kill(Service::Bot).await;
    world
        .does(
            "insert into scheduled_notifications (id, guild_id, game_id, kind, minutes_before, due_at, for_start_at,
                 next_attempt_at, trace_context)
               select gen_random_uuid(), guild_id, id, 'reminder', 1000 + n, now(), scheduled_at, now(), '{}'
               from games, generate_series(1, 300) as n;
             select pg_notify('gamesched', 'scheduled_notifications');"
                .to_owned(),
        )
        .await;
    world.until("select count(*)::text from deliveries", "300").await;
    world.start(Service::Bot).await.expect("the bot starts");
    world.until("select count(*)::text from deliveries where state = 'sent'", "300").await;
    let letters = world.discord.letters(0).await;
    assert_eq!(letters.len(), 300);
    // At 25 a second, which is what background work has of 50 requests, 300 take 11 s.
    let took = letters[299].at_ms() - letters[0].at_ms();
    assert!(took < 9_000, "{took} ms");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}
