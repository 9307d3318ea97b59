//! What it takes to claim a due row among very many that wait, and by which plan.

use std::time::{Duration, Instant};

use ::tests::load::quantile;
use ::tests::world::World;
use anyhow::{Context as _, Result, ensure};
use shared::store::{Db, schedule};

use super::{Goal, milliseconds};
use crate::crowd::Crowd;

/// For a claim.
const P99: Duration = Duration::from_millis(20);
/// Claims that are measured.
const CLAIMS: usize = 1_000;
/// Where the statement stands.
const SOURCE: &str = include_str!("../../../shared/src/store/schedule.rs");

pub(super) async fn measure(crowd: &Crowd, pending: u32) -> Result<Vec<Goal>> {
    let world = &crowd.world;
    arm(world, pending).await;
    let taken = claim(world, CLAIMS).await?;
    let plan = world.explains(statement()?).await;
    let rows = world.ask("select count(*)::text from scheduled_notifications where state = 'pending'").await;
    let [p50, p99] = [0.5, 0.99].map(|part| quantile(&taken, part));
    let measured = format!("{}, half of them within {}", milliseconds(p99), milliseconds(p50));
    let by_index =
        plan.contains("scheduled_notifications_due") && !plan.contains("Seq Scan on scheduled_notifications");
    let told = plan.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    Ok(vec![
        Goal::new(format!("a claim among {rows} pending rows"), "P99 under 20 ms", measured, p99 < P99),
        Goal::new("its plan", "by scheduled_notifications_due, no scan of the table", told, by_index),
    ])
}

/// Notices of a thousand games, of which the first two of each are due.
pub(crate) async fn arm(world: &World, pending: u32) {
    world
        .does(format!(
            "insert into scheduled_notifications (id, guild_id, game_id, kind, minutes_before, due_at, for_start_at,
                 next_attempt_at, trace_context)
               select gen_random_uuid(), g.guild_id, g.id, 'reminder', n, d.due, g.scheduled_at, d.due, '{{}}'
               from (select * from games where title = 'Prepared' limit 1000) g,
                 generate_series(1, {each}) as n,
                 lateral (select now() + interval '1 second' * (n - 2) * 60 as due) as d
               limit {pending};
             analyze scheduled_notifications;",
            each = pending.div_ceil(1_000),
        ))
        .await;
}

/// How long so many claims took, each of which is taken back.
pub(crate) async fn claim(world: &World, times: usize) -> Result<Vec<Duration>> {
    let db = Db::open(&world.database, "bench", 1)?;
    let mut taken = Vec::new();
    for _ in 0..times {
        let mut tx = db.begin().await.context("beginning")?;
        let since = Instant::now();
        let claim = schedule::claim_notice(&mut tx).await.map_err(shared::error::Error::into_fault)?;
        taken.push(since.elapsed());
        ensure!(claim.is_some(), "a row is due");
        tx.rollback().await.context("rolling back")?;
    }
    Ok(taken)
}

/// The statement of the claim, from the source.
fn statement() -> Result<String> {
    let from = SOURCE.find("/* claim due notice */").context("the claim is where it was")?;
    let to = SOURCE[from..].find("\"#").context("the statement ends")?;
    Ok(SOURCE[from..from + to].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_found_in_the_source() {
        let statement = statement().unwrap();
        assert!(statement.contains("skip locked") && !statement.contains("let row"), "{statement}");
    }
}
