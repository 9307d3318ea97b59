//! What telemetry says of each story, as whole trees over the wire from the real processes.
//!
//! Written from the promise: every hop has its span, every cause its parent or its link. `~A(publish)` is a link to
//! the span of trace A whose name begins with "publish".

use std::time::Duration;

use insta::assert_snapshot;
use tests::discord::ids;
use tests::otlp::{Received, Span};
use tests::trace::{Story, Trace, gather};
use tests::world::{WHOLE, World};

const ARRIVAL: Duration = Duration::from_secs(15);

/// The traces that a step makes, told as text.
struct Told<'world> {
    world: &'world World,
    game: String,
}

impl Told<'_> {
    /// Waits until the spans named in `expected` have arrived, and tells the traces whose roots are named in `roots`, once
    /// they are whole. What is left of earlier steps may come late, and its beginning was forgotten with them.
    async fn story(&self, roots: &[&str], expected: &[(&str, usize)]) -> String {
        let prefix = format!("{}.", self.world.namespace);
        let name = |span: &Span| span.name.replace(&prefix, "");
        let chosen = |trace: &Trace| trace.root().is_some_and(|root| roots.contains(&name(root).as_str()));
        let complete = |received: &Received| {
            let count = |wanted: &str| received.spans.iter().filter(|span| name(span) == wanted).count();
            expected.iter().all(|(wanted, times)| count(wanted) >= *times)
                && gather(&received.spans).iter().filter(|trace| chosen(trace)).all(Trace::whole)
        };
        let received = self.world.sink.wait("the story", ARRIVAL, complete).await;
        let received = received.unwrap_or_else(|fault| panic!("{fault:#}\n{}", self.world.all_lines()));
        Story::new(&received)
            .only(chosen)
            .show(&["gamesched.game.id", "gamesched.guild.id", "gamesched.interaction.outcome", "gamesched.outcome"])
            .show(&["gamesched.delivery.outcome", "gamesched.sse.recipients"])
            .below("gamesched.job.lateness", 5.0)
            .name(&self.game, "G")
            .name(ids::TAVERN, "D")
            .strip(&prefix)
            .text()
    }
}

const CREATE: &str = "POST /api/v1/games";
const CREATED: &str = "process game_scheduler:game.created:bot.announcements";
const CHANGED: &str = "process game_scheduler:game.roster_changed:bot.announcements";
const LEAVE: &str = "POST /api/v1/games/{id}/leave";
const CREATED_LIVE: &str = "process game_scheduler:game.created:api.events.{replica}";
const CHANGED_LIVE: &str = "process game_scheduler:game.roster_changed:api.events.{replica}";
const LETTER: &str = "process game_scheduler:delivery.due:bot.deliveries";

#[tokio::test(flavor = "multi_thread")]
async fn create_a_game_is_one_tree_from_the_request_to_the_post_in_discord() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    let told = Told { world: &world, game };
    assert_snapshot!(told.story(&[CREATE], &[(CREATE, 1), (CREATED, 1), (CREATED_LIVE, 1)]).await, @"
    A  api server POST /api/v1/games 201 {gamesched.game.id=G, gamesched.guild.id=D}
         api client EVALSHA · SELECT templates · SELECT guilds · EVALSHA
         api internal create {gamesched.game.id=G}
           api client BEGIN · SELECT templates · INSERT games · INSERT scheduled_notifications · INSERT scheduled_transitions · SELECT channels · INSERT announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.created
             api consumer process game_scheduler:game.created:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~A(publish)
             bot consumer process game_scheduler:game.created:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~A(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · POST /channels/{channel_id}/messages 200 · UPDATE announcements
         api client SELECT games participants · EVALSHA
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn join_by_web_edits_the_post_at_once_and_writes_a_minute_later_in_a_trace_that_links_back() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    world.settle().await;
    world.pass_until("joined").await;
    world.discord.wait_inbox(ids::ADA, |all| !all.is_empty(), ARRIVAL).await.expect("ada is told");
    world.settle().await;
    let told = Told { world: &world, game };
    let roots = ["POST /api/v1/games/{id}/join", "job notice.joined"];
    assert_snapshot!(told.story(&roots, &[(roots[0], 1), (roots[1], 1), (CHANGED, 1), (CHANGED_LIVE, 1), (LETTER, 1)]).await, @"
    A  api server POST /api/v1/games/{id}/join 200 {gamesched.game.id=G, gamesched.guild.id=D}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal join {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~A(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~A(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
         api client SELECT users
    B  notification-daemon internal job notice.joined {gamesched.game.id=G, gamesched.guild.id=D, gamesched.outcome=done, gamesched.job.lateness<5} ~A(join)
         notification-daemon internal expand {gamesched.game.id=G}
           notification-daemon client SELECT games participants · INSERT deliveries INSERT outbox · UPDATE scheduled_notifications · COMMIT
           notification-daemon producer publish game_scheduler:delivery.due
             bot consumer process game_scheduler:delivery.due:bot.deliveries {gamesched.game.id=G, gamesched.outcome=done, gamesched.delivery.outcome=sent} ~B(publish)
               bot client UPDATE deliveries · EVALSHA · POST /users/@me/channels 200 · POST /channels/{channel_id}/messages 200 · UPDATE deliveries
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_game_asks_redis_who_is_there_postgres_what_and_redis_who_they_are() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    world.settle().await;
    assert_eq!(host.gets(&format!("/api/v1/games/{game}")).await.status, 200);
    world.settle().await;
    let told = Told { world: &world, game };
    let look = "GET /api/v1/games/{id}";
    assert_snapshot!(told.story(&[look], &[(look, 1)]).await, @"
    A  api server GET /api/v1/games/{id} 200 {gamesched.game.id=G, gamesched.guild.id=D}
         api client EVALSHA · SELECT games participants · EVALSHA
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn join_by_button_is_acknowledged_before_the_first_statement_and_answered_privately() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    world.settle().await;
    let told = Told { world: &world, game };
    let root = "interaction component join";
    assert_snapshot!(told.story(&[root], &[(root, 1), (CHANGED, 1), (CHANGED_LIVE, 1)]).await, @"
    A  bot server interaction component join {gamesched.game.id=G, gamesched.guild.id=D, gamesched.interaction.outcome=answered}
         bot client POST /interactions/{interaction_id}/{interaction_token}/callback 204 · SELECT games guilds
         bot internal join {gamesched.game.id=G}
           bot client BEGIN · INSERT users · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           bot producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~A(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~A(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
         bot client PATCH /webhooks/{application_id}/{interaction_token}/messages/@original 200
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_games_is_acknowledged_then_read_with_the_rights_that_came_along() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.person("ada").commands(ids::GAMES, "/list-games", &[]).await.expect("the bot answers");
    let told = Told { world: &world, game };
    let root = "interaction command /list-games";
    assert_snapshot!(told.story(&[root], &[(root, 1)]).await, @"
    A  bot server interaction command /list-games {gamesched.guild.id=D, gamesched.interaction.outcome=answered}
         bot client POST /interactions/{interaction_id}/{interaction_token}/callback 204 · SELECT guilds · SELECT users · SELECT channels
         bot internal list
           bot client SELECT games participants · SELECT games participants
         bot client PATCH /webhooks/{application_id}/{interaction_token}/messages/@original 200
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn my_games_in_a_direct_message_ask_redis_who_is_where_and_name_no_guild() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.person("dm").commands_directly("/my-games").await.expect("the bot answers");
    let told = Told { world: &world, game };
    let root = "interaction command /my-games";
    assert_snapshot!(told.story(&[root], &[(root, 1)]).await, @"
    A  bot server interaction command /my-games {gamesched.interaction.outcome=answered}
         bot client POST /interactions/{interaction_id}/{interaction_token}/callback 204 · EVALSHA · SELECT guilds · SELECT users · EVALSHA
         bot internal list
           bot client SELECT games participants · SELECT games participants
         bot internal list
           bot client SELECT games participants · SELECT games participants
         bot client PATCH /webhooks/{application_id}/{interaction_token}/messages/@original 200
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_is_a_trace_of_its_own_one_click_from_the_request_that_scheduled_it() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.pass_until("reminder").await;
    world.discord.wait_inbox(ids::DM, |all| !all.is_empty(), ARRIVAL).await.expect("the host is told");
    world.settle().await;
    let told = Told { world: &world, game };
    let roots = [CREATE, "job notice.reminder"];
    let story = told.story(&roots, &[(CREATE, 1), (CREATED, 1), (CREATED_LIVE, 1), (roots[1], 1), (LETTER, 1)]).await;
    assert_snapshot!(story.split_once("\nB").expect("two traces").1, @"
      notification-daemon internal job notice.reminder {gamesched.game.id=G, gamesched.guild.id=D, gamesched.outcome=done, gamesched.job.lateness<5} ~A(create)
         notification-daemon internal expand {gamesched.game.id=G}
           notification-daemon client SELECT games participants · INSERT deliveries INSERT outbox · UPDATE scheduled_notifications · COMMIT
           notification-daemon producer publish game_scheduler:delivery.due
             bot consumer process game_scheduler:delivery.due:bot.deliveries {gamesched.game.id=G, gamesched.outcome=done, gamesched.delivery.outcome=sent} ~B(publish)
               bot client UPDATE deliveries · EVALSHA · POST /users/@me/channels 200 · POST /channels/{channel_id}/messages 200 · UPDATE deliveries
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_a_trace_of_its_own_that_links_to_the_request_that_scheduled_it() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    world.settle().await;
    world.pass_until("IN_PROGRESS").await;
    let disabled = |all: &[tests::discord::Message]| all[0].buttons().iter().all(|button| button.disabled);
    world.discord.wait_channel(ids::GAMES, disabled, ARRIVAL).await.expect("the post says that it runs");
    world.settle().await;
    let told = Told { world: &world, game };
    let roots = [CREATE, "job transition.in_progress"];
    let edited = "process game_scheduler:game.started:bot.announcements";
    let live = "process game_scheduler:game.started:api.events.{replica}";
    let story = told.story(&roots, &[(CREATE, 1), (CREATED, 1), (roots[1], 1), (edited, 1), (live, 1)]).await;
    assert_snapshot!(story.split_once("\nB").expect("two traces").1, @"
      status-daemon internal job transition.in_progress {gamesched.game.id=G, gamesched.guild.id=D, gamesched.outcome=done, gamesched.job.lateness<5} ~A(create)
         status-daemon internal start {gamesched.game.id=G}
           status-daemon client SELECT games · UPDATE games · UPDATE scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · UPDATE scheduled_transitions · COMMIT
           status-daemon producer publish game_scheduler:game.started
             api consumer process game_scheduler:game.started:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~B(publish)
             bot consumer process game_scheduler:game.started:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~B(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_that_promotes_is_one_transaction_one_change_and_one_letter_each_to_leaver_and_promoted() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "cyd", "dee"] {
        people.push(world.signed_in(name).await);
        assert_eq!(people[people.len() - 1].joins(&game).await.status, 200);
        world.settle().await;
    }
    world.pass_until("joined").await;
    world.settle().await;
    assert_eq!(people[0].leaves(&game).await.status, 204);
    world.settle().await;
    let told = Told { world: &world, game };
    assert_snapshot!(told.story(&[LEAVE], &[(LEAVE, 1), (CHANGED, 5), (CHANGED_LIVE, 5), (LETTER, 6)]).await, @"
    A  api server POST /api/v1/games/{id}/leave 204 {gamesched.game.id=G, gamesched.guild.id=D}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal leave {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · DELETE participants · UPDATE deliveries · SELECT scheduled_notifications · SELECT games participants · SELECT users · INSERT deliveries INSERT outbox · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:delivery.due
             bot consumer process game_scheduler:delivery.due:bot.deliveries {gamesched.game.id=G, gamesched.outcome=done, gamesched.delivery.outcome=sent} ~A(publish)
               bot client UPDATE deliveries · EVALSHA · POST /users/@me/channels 200 · POST /channels/{channel_id}/messages 200 · UPDATE deliveries
           api producer publish game_scheduler:delivery.due
             bot consumer process game_scheduler:delivery.due:bot.deliveries {gamesched.game.id=G, gamesched.outcome=done, gamesched.delivery.outcome=sent} ~A(publish)
               bot client UPDATE deliveries · EVALSHA · POST /users/@me/channels 200 · POST /channels/{channel_id}/messages 200 · UPDATE deliveries
           api producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~A(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~A(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_two_traces_since_the_browser_carries_nothing_between_them() {
    let world = World::new().await;
    world.signed_in("ada").await;
    let told = Told { world: &world, game: String::new() };
    let roots = ["GET /api/v1/auth/login", "GET /api/v1/auth/callback"];
    assert_snapshot!(told.story(&roots, &[(roots[0], 1), (roots[1], 1)]).await, @"
    A  api server GET /api/v1/auth/login 200
         api client EVALSHA · INSERT oauth_states
    B  api server GET /api/v1/auth/callback 200
         api client DELETE oauth_states · POST /oauth2/token 200 · GET /users/@me 200
         api internal sign_in
           api client BEGIN · INSERT users · INSERT sessions · COMMIT
         api client EVALSHA
    ");
    assert_eq!(world.discord.violations().await, Vec::<String>::new(), "no trace context goes to Discord");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_updates_are_one_span_a_replica_and_event_and_none_a_client() {
    let world = World::new().await;
    let other = world.another_api().await.expect("another api starts");
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    world.settle().await;
    let (ada, bob) = (world.signed_in("ada").await, world.signed_in("bob").await);
    world.sink.clear();
    let mut watching = Vec::new();
    for person in [&host, &ada, &bob] {
        watching.push(person.watches().await.expect("there are live updates"));
    }
    assert_eq!(ada.joins(&game).await.status, 200);
    for stream in &mut watching {
        assert_eq!(stream.change(ARRIVAL).await.expect("everybody is told"), game);
    }
    world.settle().await;
    let told = Told { world: &world, game };
    let (connect, join) = ("GET /api/v1/sse/game-updates", "POST /api/v1/games/{id}/join");
    let story = told.story(&[connect, join], &[(connect, 3), (join, 1), (CHANGED, 1), (CHANGED_LIVE, 2)]).await;
    assert!(other.running.lines().contains("listening"), "the other one is there, too");
    assert_snapshot!(story, @"
    A  api server GET /api/v1/sse/game-updates 200
         api client EVALSHA
    B  api server GET /api/v1/sse/game-updates 200
         api client EVALSHA
    C  api server GET /api/v1/sse/game-updates 200
         api client EVALSHA
    D  api server POST /api/v1/games/{id}/join 200 {gamesched.game.id=G, gamesched.guild.id=D}
         api client EVALSHA · SELECT games guilds · EVALSHA
         api internal join {gamesched.game.id=G}
           api client BEGIN · SELECT games · SELECT participants · INSERT participants · INSERT scheduled_notifications · UPDATE announcements · INSERT audit_log · INSERT outbox · COMMIT
           api producer publish game_scheduler:game.roster_changed
             api consumer process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=0} ~D(publish) · process game_scheduler:game.roster_changed:api.events.{replica} {gamesched.game.id=G, gamesched.outcome=done, gamesched.sse.recipients=3} ~D(publish)
             bot consumer process game_scheduler:game.roster_changed:bot.announcements {gamesched.game.id=G, gamesched.outcome=done} ~D(publish)
               bot client UPDATE announcements · SELECT games participants · EVALSHA · PATCH /channels/{channel_id}/messages/{message_id} 200 · UPDATE announcements
         api client SELECT users
    ");
}
