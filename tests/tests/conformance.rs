//! Names are a contract: what a whole session emits is what the registry declares, and the other way round.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use tests::discord::ids;
use tests::otlp::Received;
use tests::registry::{Finding, Registry};
use tests::world::{Person, World, in_minutes};

/// Housekeeping measures every 15 s.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What a session in which nothing breaks does not show.
const UNSEEN: [(&str, &str); 5] = [
    ("gamesched.sweep", "only after Redis or Postgres were away"),
    ("gamesched.discord.ratelimit.wait", "only when Discord's limits are near"),
    ("gamesched.outbox.unroutable", "only when a queue is missing"),
    ("gamesched.fence.lost", "only when a process stalled for longer than its lease"),
    ("gamesched.parked.added", "only for what can never work"),
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

/// Everything that people and time do with games, once.
async fn play(world: &World) {
    let host = world.signed_in("dm").await;
    let game = create(&host, &[("title", "Citadel"), ("expected_duration_minutes", "60")]).await;
    let other = create(&host, &[("title", "Dune")]).await;
    create(&host, &[("title", "Later"), ("post_at", &in_minutes(30))]).await;
    world.settle().await;

    let ada = world.signed_in("ada").await;
    assert_eq!(ada.joins(&game).await.status, 200);
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    world.settle().await;
    let edit = host.request(Method::PUT, &format!("/api/v1/games/{game}")).form(&[("title", "Arrakis")]);
    assert_eq!(host.sends(edit).await.status, 200);
    assert_eq!(host.cancels(&other).await.status, 204);
    assert_eq!(ada.joins(&other).await.status, 409);
    assert_eq!(ada.gets("/api/v1/games/12").await.status, 404);
    world.settle().await;

    world.pass_until("joined").await;
    world.discord.wait_inbox(ids::ADA, |all| !all.is_empty(), ARRIVAL).await.expect("ada is told");
    world.settle().await;
    for due in ["POST", "reminder", "IN_PROGRESS", "COMPLETED"] {
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

async fn create(host: &Person, fields: &[(&str, &str)]) -> String {
    let start = in_minutes(120);
    let usual = [("scheduled_at", start.as_str()), ("max_players", "3"), ("reminder_minutes", "[60]")];
    let fields: Vec<_> = usual.into_iter().chain(fields.iter().copied()).collect();
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id").to_owned()
}

/// What not even a whole run shows.
const UNPROVOKED: [(&str, &str); 5] = [
    ("metric gamesched.outbox.unroutable", "only when a queue is missing"),
    ("metric gamesched.fence.lost", "only when a process stalled for longer than its lease"),
    ("metric gamesched.parked.added", "only for what can never work"),
    ("attribute gamesched.parked.reason", "the same"),
    ("attribute gamesched.source", "both"),
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
        registry.write_page().expect("the page can be written");
    }
    let page = Registry::page().expect("there is a page");
    assert!(page == registry.markdown(), "docs/telemetry.md is old: run this with UPDATE_REGISTRY=1");
}

#[test]
fn weaver_accepts_the_registry_where_it_is_installed() {
    let check = ["registry", "check", "--v2", "-r"];
    match Command::new("weaver").args(check).arg(Registry::directory()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => eprintln!("weaver registry check was not run: there is no weaver on this machine"),
    }
}
