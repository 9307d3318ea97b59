//! Names are a contract: what a whole session emits is what the registry declares, and the other way round.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::BasicProperties;
use reqwest::Method;
use tests::discord::{Fault, GatewayFault, ids};
use tests::otlp::Received;
use tests::registry::{Finding, Registry};
use tests::world::{Person, Service, World, in_minutes};
use uuid::Uuid;

use crate::parked::{operate, publish};

/// Housekeeping measures every 15 s.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What a session in which nothing breaks does not show.
const UNSEEN: [(&str, &str); 3] = [
    ("gamesched.outbox.unroutable", "only when a queue is missing"),
    ("gamesched.fence.lost", "only when a process stalled for longer than its lease"),
    ("gamesched.telemetry.attributes.dropped", "only when an undeclared attribute was shipped"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_session_emits_what_the_registry_declares_and_nothing_else() {
    let registry = Registry::load().expect("the registry can be read");
    let world = World::new().await;
    play(&world).await;
    let left = |received: &Received| {
        let mut unseen = registry.coverage(received).unseen;
        unseen.retain(|name| UNSEEN.iter().all(|(known, _)| known != name));
        unseen
    };
    // What is under way when the last step is done arrives a little later; what is missing is told below.
    let waited = world.sink.wait("all that is declared", ARRIVAL, |received| left(received).is_empty()).await;
    let received = waited.unwrap_or_else(|_| world.sink.received());
    let declared = registry.coverage(&Received::default()).unseen;
    assert!(
        UNSEEN.iter().all(|(name, _)| declared.contains(&(*name).to_owned())),
        "an exception for what is not there"
    );
    let coverage = registry.coverage(&received);
    eprintln!("{} of {} declared names occur, without {:?}", coverage.seen, coverage.declared, coverage.unseen);
    let findings: Vec<_> = registry.check(&received).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "not as declared:\n{}", findings.join("\n"));
    assert_eq!(left(&received), Vec::<String>::new(), "declared, and nothing emits it");
}

/// Everything that people and time do with games, once, and what operators do.
pub(crate) async fn play(world: &World) {
    let mut sql = world.sql().await.expect("Postgres answers");
    let past = "insert into backups (taken_at, sha256) values (now() - interval '1 hour', sha256('dump'));
                insert into oauth_states (state_sha256, cookie_sha256, sealed_verifier, return_to, expires_at)
                  values ('1', '', '', 0, now() - interval '1 s')";
    sqlx::raw_sql(past).execute(&mut sql).await.expect("it is written");
    assert!(world.stop(Service::StatusDaemon).await);
    world.start(Service::StatusDaemon).await.expect("it starts, and purges");

    let limited = Fault::rate_limited("POST", "/channels/*/messages", 0.3, "user");
    world.discord.fault(limited).await.expect("it is scripted");
    world.discord.gateways(GatewayFault::Reconnect).await.expect("the gateway asks to come again");
    park(world).await;
    let host = world.signed_in("dm").await;
    let mut watching = host.watches().await.expect("there are live updates");
    let starters = format!("[\"<@{}>\"]", ids::ADA);
    let citadel = [("title", "Citadel"), ("expected_duration_minutes", "60"), ("initial_participants", &starters)];
    let game = create(&host, &citadel).await;
    let other = create(&host, &[("title", "Dune")]).await;
    create(&host, &[("title", "Later"), ("post_at", &in_minutes(30))]).await;
    world.settle().await;
    watching.change(ARRIVAL).await.expect("the host is told");

    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    let bob = world.person("bob");
    bob.presses("Join").await.expect("the bot answers");
    assert_eq!(world.signed_in("cyd").await.joins(&game).await.status, 200);
    world.settle().await;
    bob.commands(ids::GAMES, "/list-games", &[("show_all", "true")]).await.expect("the bot answers");
    bob.commands_directly("/my-games").await.expect("the bot answers");
    edit(&host, &game, &[("title", "Arrakis")]).await;
    assert_eq!(host.cancels(&other).await.status, 204);
    assert_eq!(ada.joins(&other).await.status, 409);
    assert_eq!(ada.gets("/api/v1/games/12").await.status, 404);
    world.settle().await;

    world.pass_until("joined").await;
    world.discord.wait_inbox(ids::ADA, |all| !all.is_empty(), ARRIVAL).await.expect("ada is told");
    world.settle().await;
    // Cyd is moved back into the line, and up again when Ada leaves, whom the host had added.
    edit(&host, &game, &[("max_players", "1"), ("scheduled_at", &in_minutes(130))]).await;
    world.settle().await;
    for due in ["rescheduled", "POST", "reminder", "IN_PROGRESS", "COMPLETED"] {
        if due == "IN_PROGRESS" {
            assert_eq!(ada.leaves(&game).await.status, 204);
        }
        world.pass_until(due).await;
        world.settle().await;
    }
    assert_eq!(
        world.ask("select string_agg(distinct status, ' ') from games where title <> 'Dune'").await,
        "COMPLETED"
    );
}

async fn edit(host: &Person, game: &str, fields: &[(&str, &str)]) {
    let request = host.request(Method::PUT, &format!("/api/v1/games/{game}")).form(fields);
    assert_eq!(host.sends(request).await.status, 200);
}

/// A stranger's message is parked, and an operator deals with it.
async fn park(world: &World) {
    let properties = BasicProperties::default().with_message_id(Uuid::now_v7().to_string().as_str().into());
    publish(world, "game.updated", b"nobody can read this", properties).await;
    world.until("select count(*)::text from parked", "1").await;
    for words in [&["list"][..], &["redrive", "--all"], &["discard", "--all"]] {
        operate(world, words).await;
    }
    let id = world.ask("select id::text from parked").await;
    assert_eq!(operate(world, &["show", &id]).await.code, Some(0));
}

async fn create(host: &Person, fields: &[(&str, &str)]) -> String {
    let start = in_minutes(120);
    let usual = [("scheduled_at", start.as_str()), ("max_players", "3"), ("reminder_minutes", "[60]")];
    let fields: Vec<_> = usual.into_iter().chain(fields.iter().copied()).collect();
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id").to_owned()
}

/// What not even a whole run shows.
const UNPROVOKED: [(&str, &str); 3] = [
    ("metric gamesched.fence.lost", "only when a process stalled for longer than its lease"),
    ("metric gamesched.telemetry.attributes.dropped", "a world in which it rises fails; `sdk::t_14` makes it rise"),
    ("attribute gamesched.telemetry.signal", "the same"),
];

/// Where the worlds of a whole run wrote down what they saw.
const SEEN: &str = "TELEMETRY_SEEN";

#[test]
#[ignore = "script/test asks this after all other specs, of what they saw"]
fn all_that_is_declared_was_emitted_somewhere_in_the_suite() {
    let path = std::env::var_os(SEEN).expect("TELEMETRY_SEEN names what a whole run has seen");
    let text = std::fs::read_to_string(path).expect("a whole run came before");
    let seen: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let declared = Registry::load().expect("the registry can be read").declared();
    eprintln!("{} of {} declared names occur in the whole run", declared.intersection(&seen).count(), declared.len());
    let mut unseen: Vec<_> = declared.difference(&seen).collect();
    unseen.retain(|name| UNPROVOKED.iter().all(|(known, _)| known != name));
    assert_eq!(unseen, Vec::<&String>::new(), "declared, and nothing in the whole run emits it");
}

#[test]
fn docs_telemetry_md_is_what_the_registry_says() {
    let registry = Registry::load().expect("the registry can be read");
    if std::env::var_os("UPDATE_REGISTRY").is_some() {
        registry.write().expect("page and names can be written");
    }
    let stale = registry.stale().expect("there are page and names");
    assert_eq!(stale, Vec::<&str>::new(), "run this with UPDATE_REGISTRY=1");
}
