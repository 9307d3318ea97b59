//! What waits for a person: nothing is lost on the way there, and what is ordered converges (OP-05).

use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tests::discord::{Fault, ids};
use tests::otlp::Received;
use tests::world::{Service, WHOLE, World, command};

const PATIENCE: Duration = Duration::from_secs(40);

/// What an operator sees of a command.
#[derive(Debug)]
pub(crate) struct Operated {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) complained: String,
}

/// Runs `bot parked` with the database and telemetry, and nothing else, in its environment.
pub(crate) async fn operate(world: &World, words: &[&str]) -> Operated {
    let mut bot = command(Service::Bot, &["parked"]).expect("the services build");
    let needed = |name: &str| name == "DATABASE_URL" || name.starts_with("OTEL_");
    bot.args(words).envs(world.settings(Service::Bot).into_iter().filter(|(name, _)| needed(name)));
    let output = bot.output().await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it says text");
    Operated { code: output.status.code(), said: text(output.stdout), complained: text(output.stderr) }
}

/// Publishes past the relay, as only a spec or a stranger does.
pub(crate) async fn publish(world: &World, key: &str, body: &[u8], properties: BasicProperties) {
    let connection = Connection::connect(world.servers.amqp_url(), ConnectionProperties::default()).await;
    let connection = connection.expect("the broker answers");
    let channel = connection.create_channel().await.expect("there is a channel");
    let exchange = format!("{}.game_scheduler", world.namespace);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = properties.with_delivery_mode(2);
    let sent = channel.basic_publish(exchange.as_str().into(), key.into(), options, body, properties).await;
    sent.expect("it is written").await.expect("it is taken");
    connection.close(200, "done".into()).await.expect("it closes");
}

/// From now on writers make edits of a release that nobody here can read.
pub(crate) const NEWER: &str = "
    create function newer() returns trigger language plpgsql as $$ begin new.schema_version := 9; return new; end $$;
    create trigger newer before insert on outbox for each row when (new.routing_key = 'game.updated')
      execute function newer();";
/// The readers have learnt that version: to them it is one that they know.
pub(crate) const LEARNT: &str = "
    drop trigger newer on outbox;
    update outbox set schema_version = 1 where routing_key = 'game.updated';";

/// The newest reading of the gauge, by source; none where there is none yet.
fn waiting(received: &Received, source: &str) -> Option<f64> {
    let gauges = received.metrics.iter().filter(|metric| metric.name == "gamesched.parked.items");
    let points = gauges.flat_map(|metric| &metric.points);
    let of = points.filter(|point| point.attributes.get("gamesched.source").is_some_and(|is| is.to_string() == source));
    of.max_by_key(|point| point.time).map(|point| point.reading.number())
}

/// What is to be kept is written as soon as a spec lets it, whether or not anybody waits for that any more.
const HESITATE: &str = "
    create function hesitate() returns trigger language plpgsql as $$ begin
      perform pg_advisory_xact_lock_shared(5); return new; end $$;
    create trigger hesitate before insert on parked for each row execute function hesitate();";

const TIMES: &str = "select string_agg(times::text, ' ') from parked";

#[tokio::test(flavor = "multi_thread")]
async fn op_05_a_message_is_in_the_table_once_although_the_bot_dies_before_it_says_so_to_the_broker() {
    let world = World::new().await;
    world.does(HESITATE.to_owned()).await;
    let mut lock = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql("select pg_advisory_lock(5)").execute(&mut lock).await.expect("it is locked");
    publish(&world, "game.updated", b"nobody can read this", BasicProperties::default()).await;
    let held = "select count(*)::text from pg_stat_activity
                where wait_event_type = 'Lock' and query like '%INSERT parked%' and datname = current_database()";
    world.until(held, "1").await;
    world.kill(Service::Bot).await;
    sqlx::raw_sql("select pg_advisory_unlock(5)").execute(&mut lock).await.expect("it is free");
    world.until(TIMES, "1").await;
    world.start(Service::Bot).await.expect("it starts again");
    // The broker brings it again, and it is counted, but there is one.
    world.until(TIMES, "2").await;

    // A message that was answered is not brought again.
    assert!(world.stop(Service::Bot).await, "it ends well");
    world.start(Service::Bot).await.expect("it starts again");
    publish(&world, "game.updated", b"nor this", BasicProperties::default()).await;
    world.until("select string_agg(times::text, ' ' order by id) from parked", "2 1").await;
    let kept = "select queue || ' ' || routing_key || ' ' || reason || ' ' || split_part(message_key, ':', 1) || ' '
                  || convert_from(body, 'UTF8') from parked order by id limit 1";
    assert_eq!(world.ask(kept).await, "bot.announcements game.updated undecodable sha256 nobody can read this");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one message, step by step")]
async fn op_05_a_message_is_sent_again_under_its_id_and_twice_does_no_harm() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    world.settle().await;
    world.does(NEWER.to_owned()).await;
    host.edits(&game, &[("title", "Arrakis")]).await;
    world.until(TIMES, "1").await;
    let id = world.ask("select id::text from parked").await;

    let list = operate(&world, &["list", "--queue", "bot.announcements", "--since", "5m"]).await;
    assert_eq!((list.code, list.complained.as_str()), (Some(0), ""));
    let rows: Vec<Vec<_>> = list.said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "SOURCE", "QUEUE", "REASON", "WHAT", "TIMES", "PARKED"]);
    assert_eq!(rows[1][..6], [&id, "message", "bot.announcements", "unknown_version", "game.updated", "1"]);
    assert_eq!(rows[2], ["1", "parked"]);
    let other = operate(&world, &["list", "--queue", "bot.deliveries"]).await;
    assert_eq!((other.code, other.said.as_str()), (Some(0), "nothing is parked\n"));
    let shown = operate(&world, &["show", &id]).await;
    for line in ["headers         {", "schema-version\":9", "body            {", &game] {
        assert!(shown.said.contains(line), "{line} is missing in\n{}", shown.said);
    }

    let dry = operate(&world, &["redrive", "--all", "--dry-run"]).await;
    assert!(dry.said.starts_with(&format!("would redrive message {id}")), "{dry:?}");
    assert_eq!(world.ask("select redriven::text from parked").await, "0");

    world.does(LEARNT.to_owned()).await;
    let sent = operate(&world, &["redrive", &id, "--note", "the readers know version 9"]).await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.said.ends_with("1 redriven, 0 refused\n"), "{sent:?}");
    let hasty = operate(&world, &["redrive", &id]).await;
    assert_eq!(hasty.code, Some(1), "{hasty:?}");
    assert!(
        hasty.said.contains("less than 10 minutes ago") && hasty.said.ends_with("0 redriven, 1 refused\n"),
        "{hasty:?}"
    );
    assert_eq!(operate(&world, &["redrive", &id, "--force"]).await.code, Some(0));
    world.settle().await;

    let same = "select (o.id::text = p.message_key) || ' ' || o.redrive || ' ' || p.redriven || ' ' || p.times
                from outbox o, parked p where o.routing_key = 'game.updated'";
    assert_eq!(world.ask(same).await, "true 2 2 1", "nothing is parked anew");
    assert_eq!(operate(&world, &["list"]).await.said, "nothing is parked\n");
    let audit = "select string_agg(face || ' ' || verb || ' ' || coalesce(changes ->> 'note', '-'), ', ' order by id)
                 from audit_log where face = 'operator'";
    assert_eq!(world.ask(audit).await, "operator redrive the readers know version 9, operator redrive -");
    let posts = world.discord.channel(ids::GAMES).await;
    assert_eq!(posts.len(), 1, "one announcement");
    assert!(posts[0].as_text().contains("Arrakis"), "{}", posts[0].as_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn op_05_what_is_discarded_is_not_parked_any_more_and_the_audit_says_who_and_why() {
    let world = World::new().await;
    for number in 0..3 {
        publish(&world, "delivery.due", format!("gibberish {number}").as_bytes(), BasicProperties::default()).await;
    }
    world.until(TIMES, "1 1 1").await;
    let seen = |received: &Received| waiting(received, "message") == Some(3.0);
    world.sink.wait("the gauge that alerts", PATIENCE, seen).await.expect("somebody is told");
    let added = world.sink.metrics().into_iter().filter(|metric| metric.name == "gamesched.parked.added");
    let added = added.flat_map(|metric| metric.points).map(|point| point.reading.number()).fold(0.0, f64::max);
    assert!((added - 3.0).abs() < 0.1, "{added}");

    let one = world.ask("select id::text from parked order by id limit 1").await;
    let unsendable = operate(&world, &["redrive", &one]).await;
    assert_eq!(unsendable.code, Some(1));
    assert!(unsendable.said.contains("it has no message id of ours"), "{unsendable:?}");
    assert_eq!(world.ask("select sum(redriven)::text from parked").await, "0", "a refusal leaves no trace");

    let gone =
        operate(&world, &["discard", "--queue", "bot.deliveries", "--limit", "2", "--note", "a stranger's"]).await;
    assert_eq!((gone.code, gone.said.lines().last()), (Some(0), Some("2 discarded, 0 refused")), "{gone:?}");
    assert_eq!(operate(&world, &["discard", "--all"]).await.said.lines().last(), Some("1 discarded, 0 refused"));
    assert!(operate(&world, &["show", &one]).await.said.contains("note            a stranger's\n"));
    let again = operate(&world, &["discard", &one]).await;
    assert_eq!((again.code, again.said.contains("nothing is parked as this")), (Some(1), true), "{again:?}");
    let audit = "select count(*) || ' ' || count(changes ->> 'note') || ' ' || count(trace_id)
                 from audit_log where face = 'operator' and verb = 'discard'";
    assert_eq!(world.ask(audit).await, "3 2 3");
    let ended = |received: &Received| waiting(received, "message") == Some(0.0);
    world.sink.wait("the gauge that alerted", PATIENCE, ended).await.expect("all is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn op_05_a_copy_that_the_broker_brings_after_it_was_discarded_brings_nothing_back() {
    let world = World::new().await;
    let named = |id: &str| BasicProperties::default().with_message_id(id.into());
    let states = "select string_agg(concat_ws(' ', message_key, times, discarded_at is null), ', ' order by id)
                  from parked";
    publish(&world, "delivery.due", b"gibberish", named("one")).await;
    publish(&world, "delivery.due", b"gibberish", named("one")).await;
    world.until(states, "one 2 t").await;
    assert_eq!(operate(&world, &["discard", "--all"]).await.said.lines().last(), Some("1 discarded, 0 refused"));
    publish(&world, "delivery.due", b"gibberish", named("one")).await;
    publish(&world, "delivery.due", b"gibberish", named("two")).await;
    world.until("select count(*)::text from parked", "2").await;
    world.settle().await;
    assert_eq!(world.ask(states).await, "one 2 f, two 1 t");
}

#[tokio::test(flavor = "multi_thread")]
async fn op_05_a_letter_that_discord_cannot_read_waits_after_the_first_try_and_goes_once_that_is_mended() {
    let world = World::new().await;
    let game = world.signed_in("dm").await.plans(&WHOLE).await;
    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    world.settle().await;
    world.discord.fault(Fault::code("POST", "/channels/*/messages", 50_035)).await.expect("it is scripted");
    world.pass_until("joined").await;
    world
        .until(
            "select string_agg(state || ' ' || attempts || ' ' || parked_reason, ', ') from deliveries",
            "pending 1 poison",
        )
        .await;
    let seen = |received: &Received| waiting(received, "delivery") == Some(1.0);
    world.sink.wait("the gauge that alerts", PATIENCE, seen).await.expect("somebody is told");

    let list = operate(&world, &["list", "--reason", "poison"]).await;
    assert!(list.said.contains("delivery  bot.deliveries  poison  joined  1 "), "{}", list.said);
    let id = world.ask("select id::text from deliveries").await;
    let shown = operate(&world, &["show", &id]).await;
    assert!(shown.said.contains("state           pending\n") && !shown.said.contains("Citadel"), "{}", shown.said);

    let sent = operate(&world, &["redrive", "--queue", "bot.deliveries", "--rate", "5/s"]).await;
    assert_eq!((sent.code, sent.said.lines().last()), (Some(0), Some("1 redriven, 0 refused")), "{sent:?}");
    let told = world.discord.wait_inbox(ids::ADA, |all| !all.is_empty(), PATIENCE).await;
    told.expect("ada is told");
    world.settled(PATIENCE).await.expect("nothing waits");
    assert_eq!(world.person("ada").inbox().await.len(), 1);
    assert_eq!(world.ask("select state || ' ' || coalesce(parked_reason, '-') from deliveries").await, "sent -");
    assert_eq!(world.discord.violations().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn op_05_an_announcement_that_is_parked_shows_the_newest_state_once_it_is_sent_again() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&WHOLE).await;
    world.settle().await;
    world.discord.fault(Fault::code("PATCH", "/channels/*/messages/*", 50_035)).await.expect("it is scripted");
    host.edits(&game, &[("title", "Arrakis")]).await;
    world.until("select (parked_at is not null)::text || ' ' || last_error from announcements", "true poison").await;
    host.edits(&game, &[("title", "Dune")]).await;
    let early = operate(&world, &["redrive", "--reason", "no_proof"]).await;
    assert_eq!((early.code, early.said.as_str()), (Some(0), "0 redriven, 0 refused\n"));
    let sent = operate(&world, &["redrive", &game]).await;
    assert_eq!((sent.code, sent.said.lines().last()), (Some(0), Some("1 redriven, 0 refused")), "{sent:?}");
    world.settled(PATIENCE).await.expect("nothing waits");
    let posts = world.discord.channel(ids::GAMES).await;
    assert!(posts.len() == 1 && posts[0].as_text().contains("Dune"), "{}", posts[0].as_text());
    assert_eq!(world.ask("select count(*)::text from parked").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn op_05_an_operator_is_told_in_one_line_what_is_wrong() {
    let world = World::empty().await.expect("a world can be made");
    let run = async |words: &[&str], database: &str| {
        let mut bot = command(Service::Bot, words).expect("the services build");
        if !database.is_empty() {
            bot.env("DATABASE_URL", database);
        }
        let output = bot.env("OTEL_SDK_DISABLED", "true").output().await.expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, complained) = run(&["parked", "list"], "").await;
    assert_eq!((code, complained.lines().count()), (Some(2), 1), "{complained}");
    assert!(complained.starts_with("bot: DATABASE_URL is not set"), "{complained}");
    let (code, _, complained) = run(&["parked", "redrive"], &world.database).await;
    assert_eq!((code, complained.lines().count()), (Some(2), 1), "it says which: {complained}");
    let (code, said, complained) = run(&["parked", "list"], "postgres://nobody@127.0.0.1:1/none").await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complained.contains("the command failed: the database is away"), "{complained}");
    let (code, said, _) = run(&["parked", "redrive", "--help"], "").await;
    assert_eq!(code, Some(0));
    for flag in ["--queue", "--reason", "--since", "--limit", "--rate", "--dry-run", "--note", "--force", "--all"] {
        assert!(said.contains(flag), "{flag} is missing in\n{said}");
    }
    let (code, said, _) = run(&["--help"], "").await;
    assert!(code == Some(0) && said.contains("parked  Lists"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_12_what_an_operator_did_is_told_before_the_command_ends() {
    let world = World::empty().await.expect("a world can be made");
    for number in 0..10 {
        world.sink.clear();
        assert_eq!(operate(&world, &["list"]).await.code, Some(0));
        let told = world.sink.received();
        let span = told.spans.iter().find(|span| span.name == "operator parked list");
        let span = span.unwrap_or_else(|| panic!("run {number}: the span is missing"));
        assert_eq!((span.service().as_str(), span.parent_id.as_deref()), ("bot", None));
        assert!(told.metrics.iter().any(|metric| metric.name == "db.client.operation.duration"), "run {number}");
    }
}
