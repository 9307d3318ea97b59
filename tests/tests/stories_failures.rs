//! What telemetry says when something goes wrong: what is retried, redelivered, late, parked or sent again is a trace
//! of its own that links to its cause (T-04).

use std::time::Duration;

use insta::assert_snapshot;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};
use tests::discord::{Effect, Fault, ids};
use tests::otlp::{Kind, Received, Span};
use tests::trace::{Story, Trace, gather};
use tests::world::{WHOLE, World};

use crate::parked::{LEARNT, NEWER, operate, publish};

const ARRIVAL: Duration = Duration::from_secs(30);

const JOIN: &str = "POST /api/v1/games/{id}/join";
const EDIT: &str = "PUT /api/v1/games/{id}";
const CHANGED: &str = "process game_scheduler:game.roster_changed:bot.announcements";
const CHANGED_LIVE: &str = "process game_scheduler:game.roster_changed:api.events.{replica}";
const UPDATED_LIVE: &str = "process game_scheduler:game.updated:api.events.{replica}";
const UPDATED: &str = "process game_scheduler:game.updated:bot.announcements";
const KEPT: &str = "process game_scheduler:bot.announcements.parked";

/// Waits until as many spans of each name have arrived, all traces whole, and tells the traces that have one of these
/// roots, except for the traces of other games' doings.
async fn story(world: &World, game: &str, roots: &[&str], expected: &[(&str, usize)]) -> String {
    let prefix = format!("{}.", world.namespace);
    let name = |span: &Span| span.name.replace(&prefix, "");
    let complete = |received: &Received| {
        let count = |wanted: &str| received.spans.iter().filter(|span| name(span) == wanted).count();
        expected.iter().all(|(wanted, times)| count(wanted) >= *times)
            && gather(&received.spans).iter().all(Trace::whole)
    };
    let received = world.sink.wait("the story", ARRIVAL, complete).await;
    let received = received.unwrap_or_else(|fault| panic!("{fault:#}\n{}", world.all_lines()));
    let chosen = |trace: &Trace| trace.root().is_some_and(|root| roots.contains(&name(root).as_str()));
    Story::new(&received)
        .only(chosen)
        .show(&["gamesched.game.id", "gamesched.attempt", "gamesched.outcome", "gamesched.parked.redriven"])
        .below("gamesched.job.lateness", 5.0)
        .name(game, "G")
        .name(ids::TAVERN, "D")
        .strip(&prefix)
        .text()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_04_a_retry_after_a_500_of_discord_is_a_root_that_links_to_the_change() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    let broken = Fault::once("PATCH", "/channels/*/messages/*", Effect::Code { status: 500, code: 0 });
    world.discord.fault(broken).await.expect("it is scripted");
    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    let roots = [JOIN, "job announcement"];
    assert_snapshot!(story(&world, &game, &roots, &[(JOIN, 1), (CHANGED, 1), (CHANGED_LIVE, 1), (roots[1], 1)]).await, @"
    A  api server POST /api/v1/games/{id}/join 200 {gamesched.game.id=G}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal join {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=done} ~A(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=retry} !500 ~A(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA
               bot client PATCH /channels/{channel_id}/messages/{message_id} 500 !500
               bot client UPDATE announcements
         api client SELECT users
    B  bot internal job announcement {gamesched.game.id=G, gamesched.attempt=2, gamesched.outcome=done, gamesched.job.lateness<5} ~A(join)
         bot client SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_04_a_message_of_an_unknown_version_is_parked_kept_and_sent_again_and_each_step_links_back() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    world.settle().await;
    world.does(NEWER.to_owned()).await;
    host.edits(&game, &[("title", "Arrakis")]).await;
    world.until("select count(*)::text from parked", "1").await;
    // Meanwhile the announcement is shown by the bot's own claim, whose idle look comes after 30 s.
    world.settled(ARRIVAL + ARRIVAL).await.expect("the bot looks by itself");
    world.does(LEARNT.to_owned()).await;
    assert_eq!(operate(&world, &["redrive", "--reason", "unknown_version"]).await.code, Some(0));
    world.settle().await;
    let roots = [EDIT, KEPT, "operator parked redrive", "publish game_scheduler:game.updated"];
    let expected = [(roots[0], 1), (roots[1], 1), (roots[2], 1), (roots[3], 2), (UPDATED, 2), (UPDATED_LIVE, 2)];
    let mut text = story(&world, &game, &roots, &expected).await;
    for relay in ["api", "bot", "notification-daemon", "status-daemon"] {
        text = text.replace(&format!("D  {relay} producer"), "D  any producer");
    }
    assert_snapshot!(text, @"
    A  api server PUT /api/v1/games/{id} 200 {gamesched.game.id=G}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal update {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · UPDATE games · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.updated
             api consumer process game_scheduler:game.updated:api.events.{replica} {gamesched.attempt=1, gamesched.outcome=failed} !unknown_version ~A(publish)
             bot consumer process game_scheduler:game.updated:bot.announcements {gamesched.attempt=1, gamesched.outcome=parked} !unknown_version ~A(publish)
         api client SELECT games participants · EVALSHA
    B  bot consumer process game_scheduler:bot.announcements.parked {gamesched.attempt=1, gamesched.outcome=done} ~A(publish)
         bot client INSERT parked
    C  bot internal operator parked redrive {gamesched.parked.redriven=1} ~A(publish)
         bot client BEGIN · UPDATE parked · INSERT outbox · INSERT audit_log · COMMIT
    D  any producer publish game_scheduler:game.updated ~A(update)
         api consumer process game_scheduler:game.updated:api.events.{replica} {gamesched.game.id=G, gamesched.attempt=2, gamesched.outcome=done} ~D(publish)
         bot consumer process game_scheduler:game.updated:bot.announcements {gamesched.game.id=G, gamesched.attempt=2, gamesched.outcome=coalesced} ~D(publish)
           bot client UPDATE announcements
    ");
}

/// The first claim of an announcement meets a dead-lock, so that its message goes back to the broker.
const STUMBLE: &str = "
    create sequence stumbles;
    create function stumble() returns trigger language plpgsql security definer as $$ begin
      if nextval('stumbles') = 1 then raise exception 'in each other''s way' using errcode = '40P01'; end if;
      return new;
    end $$;
    create trigger stumble before update on announcements for each row
      when (old.lease_owner is null and new.lease_owner is not null) execute function stumble();";

#[tokio::test(flavor = "multi_thread")]
async fn t_04_a_redelivered_message_is_a_root_that_links_to_its_publication() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.does(STUMBLE.to_owned()).await;
    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    assert_snapshot!(story(&world, &game, &[JOIN, CHANGED], &[(JOIN, 1), (CHANGED, 2), (CHANGED_LIVE, 1)]).await, @"
    A  api server POST /api/v1/games/{id}/join 200 {gamesched.game.id=G}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal join {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=done} ~A(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=retry} !fault ~A(publish)
               bot client UPDATE announcements !40P01
         api client SELECT users
    B  bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.attempt=2, gamesched.outcome=done} ~A(publish)
         bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
    ");
}

/// What is written waits for five minutes before a relay comes.
const DELAY: &str = "
    create function delay() returns trigger language plpgsql as $$ begin
      new.created_at := new.created_at - interval '5 minutes'; return new; end $$;
    create trigger delay before insert on outbox for each row execute function delay();";

#[tokio::test(flavor = "multi_thread")]
async fn t_04_a_message_that_waited_in_the_outbox_is_published_as_a_root_that_links_to_its_writer() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.does(DELAY.to_owned()).await;
    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    let roots = [JOIN, "publish game_scheduler:game.roster_changed"];
    let mut text = story(&world, &game, &roots, &[(JOIN, 1), (roots[1], 1), (CHANGED, 1), (CHANGED_LIVE, 1)]).await;
    for relay in ["api", "bot", "notification-daemon", "status-daemon"] {
        text = text.replace(&format!("B  {relay} producer"), "B  any producer");
    }
    assert_snapshot!(text, @"
    A  api server POST /api/v1/games/{id}/join 200 {gamesched.game.id=G}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal join {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
         api client SELECT users
    B  any producer publish game_scheduler:game.roster_changed ~A(join)
         api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=done} ~B(publish)
         bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=done} ~B(publish)
           bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_04_a_message_that_waited_in_its_queue_is_processed_as_a_root_that_links_to_its_publication() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    let published = |received: &Received| published(received).is_some();
    let received = world.sink.wait("the publication", ARRIVAL, published).await.expect("it is told");
    let (trace, span) = self::published(&received).expect("it was there a moment ago");
    let header = AMQPValue::LongString(LongString::from(format!("00-{trace}-{span}-01")));
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), header);
    let properties = BasicProperties::default()
        .with_message_id(world.ask("select id::text from outbox").await.as_str().into())
        .with_timestamp(u64::try_from(chrono::DateTime::UNIX_EPOCH.timestamp()).expect("it is not before itself"))
        .with_headers(headers);
    publish(&world, "game.created", world.ask("select payload::text from outbox").await.as_bytes(), properties).await;
    let again = "process game_scheduler:game.created:bot.announcements";
    let text = story(&world, &game, &["POST /api/v1/games", again], &[(again, 2)]).await;
    assert_snapshot!(text.split_once("\nB").expect("two traces").1, @"
      bot consumer process game_scheduler:game.created:bot.announcements {gamesched.game.id=G, gamesched.attempt=1, gamesched.outcome=coalesced} ~A(publish)
         bot client UPDATE announcements
    ");
}

/// Trace and span of the first message about a game.
fn published(received: &Received) -> Option<(String, String)> {
    let mut producers = received.spans.iter().filter(|span| span.kind == Kind::Producer);
    producers.next().map(|span| (span.trace_id.clone(), span.span_id.clone()))
}
