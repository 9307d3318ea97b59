//! A pool of connections that is exhausted.

use std::time::Duration;

use futures_util::future::join_all;
use shared::store::Db;
use sqlx::{Executor as _, PgConnection, Row as _};
use tests::otlp::{Kind, Received, Span};
use tests::world::{Answer, Person, Service, World};

use super::{ARRIVAL, Series, series, until};

/// Many requests at once, each of which reads games.
async fn many(person: &Person, game: &str) -> Vec<Answer> {
    let path = format!("/api/v1/games/{game}");
    join_all((0..28).map(|_| person.gets(&path))).await
}

const POOL: [(&str, &str); 1] = [("db.client.connection.pool.name", "api")];
const USED: [(&str, &str); 2] = [("db.client.connection.pool.name", "api"), ("db.client.connection.state", "used")];
const IDLE: [(&str, &str); 2] = [("db.client.connection.pool.name", "api"), ("db.client.connection.state", "idle")];
const TIMED_OUT: [(&str, &str); 2] = [("db.client.connection.pool.name", "api"), ("error.type", "pool_timeout")];

fn pool<'a>(name: &'a str, labels: &'a [(&'a str, &'a str)]) -> Series<'a> {
    series(Service::Api, name, labels)
}

/// How long the connection of a span's statement took to get.
fn pool_wait(span: &Span) -> f64 {
    span.attribute("gamesched.db.pool_wait").map_or(0.0, |seconds| seconds.parse().expect("a number"))
}

/// Everybody who reads games waits, until what comes back is dropped.
async fn locked(world: &World) -> PgConnection {
    let mut sql = world.sql().await.expect("Postgres answers");
    let lock = "begin; lock table games in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut sql).await.expect("it is locked");
    sql
}

#[tokio::test(flavor = "multi_thread")]
async fn t_02_a_pool_that_is_exhausted_says_so_and_so_do_those_that_wait_for_their_turn() {
    let world = World::empty().await.expect("a world can be made");
    // It must be told within the two seconds that a request waits for its turn.
    world.set("OTEL_METRIC_EXPORT_INTERVAL", "50");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    let game = host.plans(&[("reminder_minutes", "[60]")]).await;
    world.settle().await;
    let (used, idle) = (pool("db.client.connection.count", &USED), pool("db.client.connection.count", &IDLE));
    let pending = pool("db.client.connection.pending_requests", &POOL);
    until(&world, pool("db.client.connection.max", &POOL), ARRIVAL, |max| max == 16.0).await;
    let lock = locked(&world).await;
    let free = async {
        // While its connections are opened some wait already.
        until(&world, used, ARRIVAL, |used| used == 16.0).await;
        until(&world, pending, ARRIVAL, |pending| pending >= 1.0).await;
        // Whoever is there at two exports has waited for the time between them.
        world.sink.clear();
        let received = until(&world, pending, ARRIVAL, |pending| pending >= 1.0).await;
        drop(lock);
        received
    };
    let (answers, received) = tokio::join!(many(&host, &game), free);
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((used.last(&received), idle.last(&received)), (Some(16.0), Some(0.0)));
    let waited =
        |received: &Received| received.spans.iter().any(|span| span.service() == "api" && pool_wait(span) > 0.025);
    let received = world.sink.wait("a statement that waited", ARRIVAL, waited).await.expect("it is told");
    let told = received.spans.iter().filter(|span| pool_wait(span) > 0.0);
    let worth_telling = |span: &Span| span.kind == Kind::Client && pool_wait(span) > 0.001;
    assert!(told.clone().all(worth_telling), "only what is worth telling");
    until(&world, pending, ARRIVAL, |pending| pending == 0.0).await;
    until(&world, used, ARRIVAL, |used| used < 16.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_02_who_gets_no_connection_in_time_is_counted_measured_and_told_by_a_span() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&[("reminder_minutes", "[60]")]).await;
    world.settle().await;
    let timeouts = pool("db.client.connection.timeouts", &POOL);
    until(&world, timeouts, ARRIVAL, |timeouts| timeouts == 0.0).await;
    let lock = locked(&world).await;
    let free = async {
        until(&world, timeouts, ARRIVAL, |timeouts| timeouts >= 1.0).await;
        drop(lock);
    };
    let (answers, ()) = tokio::join!(many(&host, &game), free);
    let failed = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(failed > 0, "{answers:?}");
    let lost = pool("db.client.connection.wait_time", &TIMED_OUT);
    let received = until(&world, timeouts, ARRIVAL, |timeouts| timeouts >= failed as f64).await;
    assert_eq!(lost.last(&received), timeouts.last(&received), "each is in the histogram, too");
    let broke = |span: &&Span| {
        span.name == "CONNECT"
            && span.attribute("error.type").as_deref() == Some("pool_timeout")
            && pool_wait(span) >= 1.9
    };
    let broken = |received: &Received| received.spans.iter().filter(broke).count() == failed;
    world.sink.wait("what broke", ARRIVAL, broken).await.expect("each has its span");
}

/// A pool of one connection to the world's database, known to the server by `name`.
fn pool_of_one(world: &World, name: &'static str) -> Db {
    Db::open(&world.database, name, 1).expect("a URL of Postgres")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_plans_a_statement_once() {
    let world = World::empty().await.expect("a world can be made");
    let mut sql = pool_of_one(&world, "planning").connection().await.expect("Postgres answers");
    let mode = (&mut sql).fetch_one("/* SHOW */ show plan_cache_mode").await.expect("it is a setting");
    assert_eq!(mode.get::<String, _>(0), "force_generic_plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_while_it_was_idle_is_handed_to_nobody() {
    let world = World::empty().await.expect("a world can be made");
    let db = pool_of_one(&world, "idle");
    drop(db.connection().await.expect("Postgres answers"));
    let kill = "select pg_terminate_backend(pid)::text from pg_stat_activity where application_name = 'idle'";
    assert_eq!(world.ask(kill).await, "true");
    // Time itself is waited for: what was used within a second is not asked whether it is there.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let mut sql = db.connection().await.expect("another connection is made");
    (&mut sql).execute("/* SELECT */ select 1").await.expect("it is alive");
}
