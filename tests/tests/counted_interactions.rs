//! What telemetry says of every interaction equals what the servers and Discord counted.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::discord::{Discord, ids};
use tests::otlp::{Kind, Received, Span};
use tests::servers::Servers;
use tests::trace::{Trace, gather};
use tests::world::{Service, World, in_minutes};

use super::counted::{Counts, commands, count, statements};

const ARRIVAL: Duration = Duration::from_secs(15);
/// Beats, leases and looks run beside an interaction, without spans. It is counted anew when one fell into it.
const TRIES: usize = 5;

/// Statements that an interaction's own relay runs without spans, and the transactions around them, and pings.
const SILENT: [&str; 8] = [
    "/* begin */",
    "/* commit */",
    "/* rollback */",
    "/* select outbox */",
    "/* update outbox */",
    "/* notify gamesched */",
    "select pg_",
    "select ?",
];

/// An interaction: a control of the announcement, a command, a form, or typing.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Press(&'static str),
    Command(&'static str),
    Form,
    Typing,
}

const ALL: [(&str, Asks); 8] = [
    ("interaction component join", Asks::Press("Join")),
    ("interaction component leave", Asks::Press("Leave")),
    ("interaction component unknown", Asks::Press("?")),
    ("interaction command /list-games", Asks::Command("list-games")),
    ("interaction command /my-games", Asks::Command("my-games")),
    ("interaction command unknown", Asks::Command("roll")),
    ("interaction modal unknown", Asks::Form),
    ("interaction autocomplete unknown", Asks::Typing),
];

async fn ask(discord: &Discord, asks: Asks) {
    let channel = Some(ids::GAMES);
    let answered = match asks {
        Asks::Press(label) => {
            let post = discord.channel(ids::GAMES).await.pop().expect("there is an announcement");
            let button = post.button(label).unwrap_or_else(|| "v9:x:y".to_owned());
            discord.press_stale(ids::BOB, post.id, &button).await.map(drop)
        }
        Asks::Command(name) => discord.command_stale(ids::BOB, channel, name).await.map(drop),
        Asks::Form => discord.submit(ids::BOB, channel, "v9:form:1").await.map(drop),
        Asks::Typing => discord.autocomplete_stale(ids::BOB, channel, "roll").await.map(drop),
    };
    answered.expect("the bot answers");
}

/// What ran on the servers.
struct Ran {
    statements: Counts,
    redis: Counts,
    requests: usize,
}

impl Ran {
    async fn now(world: &World) -> Self {
        let redis = commands(world.servers.redis_url()).await;
        let requests = world.discord.requests().await.len();
        Self { statements: statements(world).await, redis, requests }
    }
}

/// The newest trace of this name that is not `known`, once all that it caused is there.
async fn told(world: &World, name: &str, known: &BTreeSet<String>) -> Vec<Span> {
    let newest = |received: &Received| {
        let fits = |trace: &Trace| {
            trace.root().is_some_and(|root| root.name == name) && !known.contains(&trace.id) && trace.whole()
        };
        gather(&received.spans).into_iter().find(fits)
    };
    let complete = |received: &Received| {
        newest(received).is_some_and(|trace| {
            let of = |kind| trace.spans().into_iter().filter(|span| span.kind == kind).count();
            of(Kind::Producer) == of(Kind::Consumer)
        })
    };
    let received = world.sink.wait(name, ARRIVAL, complete).await;
    let received = received.unwrap_or_else(|fault| panic!("{fault:#}\n{}", world.all_lines()));
    newest(&received).expect("it was there").spans().into_iter().cloned().collect()
}

/// The calls to Discord as spans tell them, with the placeholders of the simulator.
fn calls(spans: &[Span]) -> Counts {
    let mut counts = Counts::new();
    for span in spans {
        let Some(template) = span.attribute("url.template") else { continue };
        let status = span.attribute("http.response.status_code").unwrap_or_default();
        let method = span.attribute("http.request.method").unwrap_or_default();
        let path = template.replace("interaction_token", "token").replace("_id}", "}");
        *counts.entry(format!("{method} {path} {status}")).or_default() += 1;
    }
    counts
}

/// The requests that the simulator saw.
async fn seen(discord: &Discord, since: usize) -> Counts {
    let mut counts = Counts::new();
    for request in &discord.requests().await[since..] {
        let status = request.status.map(|status| status.to_string()).unwrap_or_default();
        *counts.entry(format!("{} {} {status}", request.method, request.path)).or_default() += 1;
    }
    counts
}

/// Where spans and counts differ, a line each.
async fn differences(world: &World, spans: &[Span], before: &Ran) -> Vec<String> {
    let after = Ran::now(world).await;
    let mut differences = Vec::new();
    let mut differ = |what: &str, said: i64, ran: i64| {
        if said != ran {
            differences.push(format!("told {said}, ran {ran}: {what}"));
        }
    };
    let queries = count(spans, "postgresql", "db.query.text");
    for query in queries.keys().chain(after.statements.keys()).collect::<BTreeSet<_>>() {
        let (said, ran) = (*queries.get(query).unwrap_or(&0), *after.statements.get(query).unwrap_or(&0));
        let silent = SILENT.iter().any(|silent| query.starts_with(silent));
        differ(query, said, if silent { said.min(ran) } else { ran });
    }
    let scripts = *count(spans, "redis", "db.operation.name").get("evalsha").unwrap_or(&0);
    let ran = |counts: &Counts| *counts.get("evalsha").unwrap_or(&0);
    differ("redis evalsha", scripts, ran(&after.redis) - ran(&before.redis));
    let (calls, seen) = (calls(spans), seen(&world.discord, before.requests).await);
    for call in calls.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
        differ(call, *calls.get(call).unwrap_or(&0), *seen.get(call).unwrap_or(&0));
    }
    differences
}

#[tokio::test(flavor = "multi_thread")]
async fn t_02_and_t_03_the_spans_of_every_interaction_are_what_postgres_redis_and_discord_counted() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    let fields = [("title", "Counted"), ("scheduled_at", &in_minutes(240)), ("max_players", "3")];
    assert_eq!(host.creates(&fields).await.status, 201);
    world.settle().await;
    world.discord.wait_command("list-games", ARRIVAL).await.expect("the bot tells its commands");
    // Only the bot works from here on.
    for service in [Service::Api, Service::NotificationDaemon, Service::StatusDaemon] {
        assert!(world.stop(service).await);
    }
    let mut sql = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql("create extension pg_stat_statements").execute(&mut sql).await.expect("the extension is installed");

    for (name, asks) in ALL {
        let mut found = Vec::new();
        for _ in 0..TRIES {
            let known = gather(&world.sink.spans()).into_iter().map(|trace| trace.id).collect();
            let before = Ran::now(&world).await;
            sqlx::raw_sql("select pg_stat_statements_reset()").execute(&mut sql).await.expect("it is reset");
            ask(&world.discord, asks).await;
            let spans = told(&world, name, &known).await;
            found = differences(&world, &spans, &before).await;
            if found.is_empty() {
                break;
            }
        }
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    }
}
