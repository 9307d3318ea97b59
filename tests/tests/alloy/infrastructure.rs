//! What the services stand on is measured, by users that may do nothing else, and no password becomes a label (T-08).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tests::alloy::{Alloy, available};
use tests::otlp::{Received, Value};
use tests::servers::Servers;
use tests::world::World;

use super::stage::{POSTGRES_PASSWORD, REDIS_PASSWORD, Stage, TOKEN, cost, send_some};

/// Two scrapes and what a busy machine adds.
const ARRIVAL: Duration = Duration::from_secs(30);

/// What panels and alerts ask for.
const NAMES: [&str; 17] = [
    "pg_up",
    "pg_stat_database_numbackends",
    "pg_stat_database_blks_hit",
    "pg_settings_max_connections",
    "pg_stat_activity_max_tx_duration",
    "redis_up",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_global_messages_dead_lettered_delivery_limit_total",
    "rabbitmq_global_messages_dead_lettered_rejected_total",
    "otelcol_receiver_accepted_spans_total",
    "otelcol_exporter_queue_capacity",
    "alloy_component_controller_running_components",
];

/// Series that scrapes may cost: of the servers, and of Alloy itself.
const BUDGET: [usize; 2] = [1_500, 500];

/// What a rule may do in Postgres and Redis, as the stack grants it.
pub(super) async fn monitors(world: &World) {
    world
        .does(format!(
            "do $$ begin create role monitor; exception when duplicate_object then null; end $$;
             alter role monitor login connection limit 5 password '{POSTGRES_PASSWORD}'; grant pg_monitor to monitor"
        ))
        .await;
    let commands = "+ping +info +dbsize +client|setname +slowlog|len +slowlog|get +latency|latest +latency|histogram";
    redis(world, &format!("ACL SETUSER monitor on >{REDIS_PASSWORD} resetkeys resetchannels -@all {commands}"));
}

/// Sends a line to Redis and reads the answer.
pub(super) fn redis(world: &World, line: &str) {
    let address = world.servers.redis_url().trim_start_matches("redis://");
    let mut redis = TcpStream::connect(address).expect("Redis answers");
    write!(redis, "{line}\r\nQUIT\r\n").expect("Redis listens");
    let mut answer = String::new();
    redis.read_to_string(&mut answer).expect("Redis answers");
    assert!(!answer.starts_with('-'), "{answer}");
}

/// The stage with the servers' addresses in place of the stack's.
pub(super) fn stage(binary: &std::path::Path, world: &World) -> Stage {
    let mut stage = Stage::new(binary);
    let address = world.database.rsplit('@').next().expect("a URL").to_owned();
    let redis = world.servers.redis_url().trim_start_matches("redis://");
    let rabbitmq = world.servers.rabbitmq_metrics().expect("servers of one's own");
    for (from, to) in [
        ("postgres:5432/game_scheduler", address.as_str()),
        ("\"redis:6379\"", &format!("\"{redis}\"")),
        ("\"rabbitmq:15692\"", &format!("\"{rabbitmq}\"")),
    ] {
        stage.configuration.replace(from, to).expect("the address stands there");
    }
    stage
}

/// The newest value of a metric, summed over the points of one export that have this label.
fn newest(received: &Received, name: &str, job: &str, label: Option<(&str, &str)>) -> Option<f64> {
    let told = received.metrics.iter().rev().find(|metric| metric.name == name && metric.service() == job)?;
    let chosen = told.points.iter().filter(|point| {
        label.is_none_or(|(key, value)| point.attributes.get(key).map(Value::to_string).as_deref() == Some(value))
    });
    Some(chosen.map(|point| point.reading.number()).sum())
}

async fn until(stage: &Stage, alloy: &Alloy<'_>, what: &str, done: impl Fn(&Received) -> bool) {
    if stage.sink.wait(what, ARRIVAL, done).await.is_err() {
        let received = stage.sink.received();
        let named: BTreeSet<_> = received.metrics.iter().map(|metric| metric.name.as_str()).collect();
        let missing: Vec<_> = NAMES.iter().filter(|name| !named.contains(*name)).collect();
        panic!("{what}: not seen {missing:?}, up {:?}, of {} names\n{}", ups(&received), named.len(), alloy.tail());
    }
}

const UP: [(&str, &str); 3] =
    [("pg_up", "integrations/postgres"), ("redis_up", "integrations/redis"), ("up", "integrations/rabbitmq")];

fn ups(received: &Received) -> Vec<Option<f64>> {
    UP.iter().map(|(name, job)| newest(received, name, job, None)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_08_the_three_servers_and_alloy_are_measured_and_no_password_becomes_a_label() {
    let Some(binary) = available("metrics of Postgres, Redis, RabbitMQ and Alloy") else { return };
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    monitors(&world).await;
    let stage = stage(&binary, &world);
    stage.sink.keep_bytes();
    let alloy = stage.start().await;
    // Alloy counts what it has seen, and only that.
    send_some(&alloy, 1, "seen").await;

    let all = |received: &Received| {
        let named: BTreeSet<_> = received.metrics.iter().map(|metric| metric.name.as_str()).collect();
        ups(received) == [Some(1.0); 3] && NAMES.iter().all(|name| named.contains(name))
    };
    let queue = work(&world).await;
    until(&stage, &alloy, "every name that panels and alerts use", all).await;
    moves(&stage, &alloy, &world, &queue).await;
    bounded(&stage.sink.received());
    for (path, bytes) in stage.sink.bytes() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [TOKEN, POSTGRES_PASSWORD, REDIS_PASSWORD, "planted%40postgres", "monitor:"] {
            assert!(!text.contains(secret), "{secret} left by {path}");
        }
    }
    let complaints: Vec<_> =
        alloy.lines().lines().filter(|line| line.contains("\"error\"")).map(str::to_owned).collect();
    assert_eq!(complaints, Vec::<String>::new(), "the rights that the monitors have are enough");

    servers.stop_redis().await.expect("Redis stops");
    servers.stop_postgres().await.expect("Postgres stops");
    servers.stop_rabbitmq().await.expect("RabbitMQ stops");
    until(&stage, &alloy, "that all three are away", |received| ups(received) == [Some(0.0); 3]).await;
}

/// A queue, so that there is one to be measured, and a name of it.
async fn work(world: &World) -> String {
    let connection = Connection::connect(world.servers.amqp_url(), ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ answers");
    let channel = connection.create_channel().await.expect("a channel");
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("measured".into(), durable, FieldTable::default()).await.expect("a queue");
    for _ in 0..50 {
        let confirm = channel
            .basic_publish(
                "".into(),
                "measured".into(),
                BasicPublishOptions::default(),
                b"x",
                BasicProperties::default(),
            )
            .await;
        confirm.expect("it can be published").await.expect("it is taken");
    }
    "measured".to_owned()
}

/// Twenty connections, ten megabytes and fifty messages show.
async fn moves(stage: &Stage, alloy: &Alloy<'_>, world: &World, queue: &str) {
    let label = Some(("queue", queue));
    let (name, job) = ("rabbitmq_detailed_queue_messages_ready", "integrations/rabbitmq_detailed");
    until(stage, alloy, "50 messages", |received| newest(received, name, job, label) == Some(50.0)).await;

    let before = stage.sink.received();
    let backends = |received: &Received| newest(received, "pg_stat_database_numbackends", UP[0].1, None);
    let memory = |received: &Received| newest(received, "redis_memory_used_bytes", UP[1].1, None);
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(world.sql().await.expect("Postgres answers"));
    }
    redis(world, &format!("SET measured {}", "x".repeat(40_000)));
    for _ in 0..8 {
        redis(
            world,
            "EVAL \"return redis.call('APPEND', 'measured', string.rep(redis.call('GET', 'measured'), 1)) and 1\" 0",
        );
    }
    let grown = |received: &Received| {
        backends(received) >= backends(&before).map(|number| number + 19.0)
            && memory(received) >= memory(&before).map(|bytes| bytes + 10_000_000.0)
    };
    until(stage, alloy, "20 connections and 10 MB", grown).await;
    drop(connections);
}

/// Names, environment and number of what was scraped.
fn bounded(received: &Received) {
    let mut series = BTreeMap::<String, BTreeSet<String>>::new();
    let mut families = BTreeMap::<String, usize>::new();
    for metric in received.metrics.iter().filter(|metric| metric.service().starts_with("integrations/")) {
        let environment = metric.resource.attributes.get("deployment.environment.name");
        assert_eq!(environment, Some(&Value::from("test")), "{}", metric.name);
        let all = series.entry(metric.service()).or_default();
        for point in &metric.points {
            let family = metric.name.split('_').take(3).collect::<Vec<_>>().join("_");
            let new = (0..cost(&point.reading))
                .filter(|part| all.insert(format!("{} {:?} {part}", metric.name, point.attributes)));
            *families.entry(family).or_default() += new.count();
        }
    }
    let mut families: Vec<_> = families.into_iter().collect();
    families.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let costs: BTreeMap<_, _> = series.iter().map(|(job, all)| (job.as_str(), all.len())).collect();
    eprintln!("{costs:?}\n{:?}", &families[..30.min(families.len())]);
    let alloy = costs.get("integrations/alloy").copied().unwrap_or_default();
    assert!(alloy <= BUDGET[1], "Alloy costs {alloy} series");
    assert!(costs.values().sum::<usize>() - alloy <= BUDGET[0], "{costs:?}");
    assert_eq!(costs.len(), 5, "every job has its name: {costs:?}");
}
