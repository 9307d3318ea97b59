//! More and more bots that have nothing to do. How much they send is Discord's limit and no question of their number.

use std::time::Duration;

use ::tests::world::{Replica, Service, World};
use anyhow::{Context as _, Result};

use super::Options;
use super::curve::{Curve, Series, Unit};
use super::fit::Work;
use super::replicas::REPLICAS;
use crate::process;

/// After a start, until it has nothing to do.
const SETTLE: Duration = Duration::from_secs(5);
/// Whatever a bot looks at by itself, it has looked at once.
const ROUND: Duration = Duration::from_secs(30);
/// Transactions of the world's database so far.
const TRANSACTIONS: &str =
    "select (xact_commit + xact_rollback)::text from pg_stat_database where datname = current_database()";
const CONNECTIONS: &str =
    "select count(*)::text from pg_stat_activity where datname = current_database() and application_name like 'bot%'";

pub(super) async fn measure(options: &Options) -> Result<Vec<Curve>> {
    let world = World::empty().await?;
    for (name, value) in [("LOG_LEVEL", "info"), ("OTEL_SDK_DISABLED", "true")] {
        world.set(name, value);
    }
    let notes = "All of them on one shard, with nothing to do.";
    let processor = vec![Series::new("all bots on a processor, a second", Work::Linear)];
    let memory = vec![Series::new("memory of all bots", Work::Linear)];
    let database = vec![Series::new("transactions in Postgres, a second", Work::Linear)];
    let mut processor = Curve::new("idle bots: processor", "bots", Unit::Seconds, processor, notes);
    let mut memory = Curve::new("idle bots: memory", "bots", Unit::Bytes, memory, notes);
    let mut database = Curve::new("idle bots: Postgres", "bots", Unit::Times, database, notes);
    let mut bots: Vec<Replica> = Vec::new();
    for size in options.sizes(&REPLICAS) {
        while bots.len() < size {
            bots.push(world.replica(Service::Bot, &format!("bot-{}", bots.len()), &[]).await?);
        }
        tokio::time::sleep(SETTLE).await;
        let (before, asked) = (on_processor(&bots)?, number(&world, TRANSACTIONS).await?);
        let watched = options.idle(ROUND);
        tokio::time::sleep(watched).await;
        let seconds = watched.as_secs_f64();
        processor.add(size, &[(on_processor(&bots)? - before).as_secs_f64() / seconds]);
        memory.add(size, &[resident(&bots)? as f64]);
        database.add(size, &[(number(&world, TRANSACTIONS).await? - asked) / seconds]);
        database.note(&format!("{size}: {} connections.", number(&world, CONNECTIONS).await?));
    }
    Ok(vec![processor, memory, database])
}

fn on_processor(bots: &[Replica]) -> Result<Duration> {
    bots.iter().map(|bot| process::on_processor(bot.running.pid().context("a bot ended")?)).sum()
}

fn resident(bots: &[Replica]) -> Result<u64> {
    bots.iter().map(Replica::resident).sum()
}

async fn number(world: &World, query: &'static str) -> Result<f64> {
    world.ask(query).await.parse().context("a number")
}
