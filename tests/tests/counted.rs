//! What telemetry says of every route equals what the servers counted.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Row as _;
use tests::otlp::{Received, Span};
use tests::servers::Servers;
use tests::world::{Service, World, in_minutes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::routes::Routes;

const ARRIVAL: Duration = Duration::from_secs(15);

/// How often each statement or command ran.
pub(crate) type Counts = BTreeMap<String, i64>;

/// Statements of loops, pings and the relay: deliberately without spans. The transactions around them are, too.
const SILENT: [&str; 10] = [
    "/* begin */",
    "/* commit */",
    "/* rollback */",
    "/* select set_config */",
    "/* select outbox */",
    "/* update outbox */",
    "select pg_",
    "select clock_timestamp()",
    "/* notify gamesched */",
    "select ?",
];

/// A statement without its constants, as `pg_stat_statements` keeps it and as a span can be made to look.
pub(crate) fn normal(text: &str) -> String {
    let mut normal = String::new();
    let mut rest = text.trim();
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let constant =
            next == '\'' || next == '$' || (next.is_ascii_digit() && !before.is_alphanumeric() && before != '_');
        let length = if next == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if constant {
            1 + rest[1..].find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len() - 1)
        } else {
            next.len_utf8()
        };
        match next {
            _ if constant => normal.push('?'),
            _ if next.is_whitespace() && before.is_whitespace() => {}
            _ if next.is_whitespace() => normal.push(' '),
            _ => normal.extend(next.to_lowercase()),
        }
        before = if constant { '?' } else { next };
        rest = &rest[length..];
    }
    // These words are constants as well.
    let words = normal.split_inclusive(|char: char| !char.is_alphanumeric() && char != '_');
    let plain = |word: &str| {
        let end = word.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(word.len());
        match &word[..end] {
            "null" | "true" | "false" => format!("?{}", &word[end..]),
            _ => word.to_owned(),
        }
    };
    words.map(plain).collect()
}

pub(crate) async fn statements(world: &World) -> Counts {
    let mut sql = world.sql().await.expect("Postgres answers");
    let counted = "select query, calls from pg_stat_statements where dbid = (
                     select oid from pg_database where datname = current_database())";
    let rows = sqlx::raw_sql(counted).fetch_all(&mut sql).await.expect("the extension is there");
    let mut counts = Counts::new();
    for row in rows {
        *counts.entry(normal(row.get("query"))).or_default() += row.get::<i64, _>("calls");
    }
    counts.retain(|query, _| !query.contains("pg_stat_statements"));
    counts
}

/// How often the server ran each command, those inside scripts included.
pub(crate) async fn commands(url: &str) -> Counts {
    let address = url.rsplit('@').next().unwrap_or(url).trim_start_matches("redis://");
    let mut redis = TcpStream::connect(address.trim_end_matches('/')).await.expect("Redis answers");
    redis.write_all(b"INFO commandstats\r\nQUIT\r\n").await.expect("Redis listens");
    let mut stats = String::new();
    redis.read_to_string(&mut stats).await.expect("Redis counts");
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    stats.lines().filter_map(line).collect()
}

/// The spans of one trace, once its request has ended and all its parents are there.
async fn told(world: &World, trace: &str) -> Vec<Span> {
    let of = |received: &Received| -> Vec<Span> {
        received.spans.iter().filter(|span| span.trace_id == trace).cloned().collect()
    };
    let ended = |received: &Received| {
        let spans = of(received);
        let known = |id: &Option<String>| spans.iter().any(|span| Some(&span.span_id) == id.as_ref());
        let above = |span: &Span| span.parent_id.as_deref() == Some("00f067aa0ba902b7");
        spans.iter().any(above) && spans.iter().all(|span| above(span) || known(&span.parent_id))
    };
    of(&world.sink.wait("the request", ARRIVAL, ended).await.expect("the request is told"))
}

pub(crate) fn count(spans: &[Span], system: &str, key: &str) -> Counts {
    let mut counts = Counts::new();
    for span in spans.iter().filter(|span| span.attribute("db.system.name").as_deref() == Some(system)) {
        *counts.entry(normal(&span.attribute(key).unwrap_or_default())).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn t_02_and_t_03_the_spans_of_every_route_are_what_postgres_and_redis_counted() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    let guild = host.gets("/api/v1/guilds").await.body["guilds"][0]["id"].as_str().expect("a guild").to_owned();
    let template = host.default_template().await.expect("a template");
    let created = host.creates(&[("title", "Counted"), ("scheduled_at", &in_minutes(120))]).await;
    world.settle().await;
    // Only the api works from here on; its copy of the guild stays fresh for a minute.
    for service in [Service::Bot, Service::NotificationDaemon, Service::StatusDaemon] {
        assert!(world.stop(service).await);
    }
    let mut sql = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql("create extension pg_stat_statements").execute(&mut sql).await.expect("the extension is installed");

    let routes = Routes { host: &host, guild: &guild, template: &template, game: created.text("id") };
    for (number, (_, request)) in routes.answered().into_iter().enumerate() {
        let trace = format!("{:032x}", 0xc0de_0000_u64 + number as u64);
        let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        sqlx::raw_sql("select pg_stat_statements_reset()").execute(&mut sql).await.expect("it is reset");
        let before = commands(servers.redis_url()).await;
        let answer = host.sends(request).await;
        assert!(answer.status < 300, "request {number}: {answer:?}");
        let spans = told(&world, &trace).await;

        let name = spans.iter().find(|span| span.kind == tests::otlp::Kind::Server).map(|span| span.name.clone());
        let name = name.expect("a server span");
        let (told, counted) = (count(&spans, "postgresql", "db.query.text"), statements(&world).await);
        for query in told.keys().chain(counted.keys()) {
            let (said, ran) = (told.get(query).unwrap_or(&0), counted.get(query).unwrap_or(&0));
            let silent = SILENT.iter().any(|silent| query.starts_with(silent));
            assert!(said == ran || (silent && said < ran), "{name}: told {said}, ran {ran}: {query}");
        }
        let (told, after) = (count(&spans, "redis", "db.operation.name"), commands(servers.redis_url()).await);
        let ran = after.get("evalsha").unwrap_or(&0) - before.get("evalsha").unwrap_or(&0);
        assert_eq!(*told.get("evalsha").unwrap_or(&0), ran, "{name}: scripts");
        for command in ["get", "set", "del"] {
            let ran = after.get(command).unwrap_or(&0) - before.get(command).unwrap_or(&0);
            assert!(*told.get(command).unwrap_or(&0) <= ran, "{name}: {command} was told more often than it ran");
        }
    }
}
