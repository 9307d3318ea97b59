//! More and more daemons on one machine: they share what is due, and no row is worked on twice.

use std::time::{Duration, Instant};

use ::tests::discord::{Setup, ids};
use ::tests::world::{Replica, Service};
use anyhow::{Result, ensure};

use super::Options;
use super::curve::{Curve, Series, Unit};
use super::fit::Work;
use super::replicas::REPLICAS;
use crate::crowd::Crowd;

/// They have looked and sleep.
const SETTLE: Duration = Duration::from_secs(1);
/// Something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon and the rows that make it work.
struct Errand {
    service: Service,
    /// Makes one row due in every prepared game, in the state in which all games are at first.
    due: &'static str,
    /// Rows that are not ended.
    left: &'static str,
    /// How often rows were worked on, how many of them were, and how many letters or moved games came of it.
    worked: &'static str,
}

const NOTICES: Errand = Errand {
    service: Service::NotificationDaemon,
    due: "truncate scheduled_notifications, deliveries, outbox;
          insert into scheduled_notifications (id, guild_id, game_id, kind, minutes_before, due_at, for_start_at,
              next_attempt_at, trace_context)
            select gen_random_uuid(), guild_id, id, 'reminder', 1, now(), scheduled_at, now(), '{}'
            from games where title = 'Prepared';
          analyze scheduled_notifications;
          select pg_notify('gamesched', 'scheduled_notifications');",
    left: "select count(*)::text from scheduled_notifications where state = 'pending'",
    worked:
        "select format('%s attempts, %s done, %s games told', sum(attempts), count(*) filter (where state = 'done'),
               (select count(distinct game_id) from deliveries)) from scheduled_notifications",
};

const TRANSITIONS: Errand = Errand {
    service: Service::StatusDaemon,
    due: "truncate scheduled_transitions, outbox, audit_log;
          update games set status = 'SCHEDULED', started_at = null, version = 1 where title = 'Prepared';
          insert into scheduled_transitions (id, guild_id, game_id, target, due_at, for_start_at, next_attempt_at,
              trace_context)
            select gen_random_uuid(), guild_id, id, 'IN_PROGRESS', now(), scheduled_at, now(), '{}'
            from games where title = 'Prepared';
          analyze scheduled_transitions;
          select pg_notify('gamesched', 'scheduled_transitions');",
    left: "select count(*)::text from scheduled_transitions where state = 'pending'",
    worked:
        "select format('%s attempts, %s done, %s games told', sum(attempts), count(*) filter (where state = 'done'),
               (select count(*) from games where title = 'Prepared' and status = 'IN_PROGRESS' and version = 2))
             from scheduled_transitions",
};

pub(super) async fn notification(options: &Options) -> Result<Vec<Curve>> {
    measure(options, &NOTICES).await
}

pub(super) async fn status(options: &Options) -> Result<Vec<Curve>> {
    measure(options, &TRANSITIONS).await
}

async fn measure(options: &Options, errand: &Errand) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather_in(Setup::demo()).await?;
    let rows = options.rows;
    crowd.populate(1, rows).await;
    seat_one(&crowd).await;
    let series = vec![Series::new("time a row, all together", Work::Constant)];
    let notes = format!("{rows} rows due at once, until none waits; each was worked on once.");
    let name = format!("replicas of the {}", errand.service);
    let mut curve = Curve::new(name, "daemons", Unit::Seconds, series, &notes);
    for size in options.sizes(&REPLICAS) {
        let taken = work(&crowd, errand, size, rows).await?;
        curve.add(size, &[taken.as_secs_f64() / rows as f64]);
        curve.note(&format!("{size}: {:.0} rows a second.", rows as f64 / taken.as_secs_f64()));
    }
    Ok(vec![curve])
}

/// One player in every game, so that somebody is told.
async fn seat_one(crowd: &Crowd) {
    crowd
        .world
        .does(format!(
            "insert into participants (id, game_id, user_id, position_type, position, joined_at)
               select gen_random_uuid(), g.id, u.id, 24000, 32767, now() from games g, users u
               where g.title = 'Prepared' and u.discord_id = {};
             analyze participants;",
            ids::ADA
        ))
        .await;
}

/// How long so many daemons take for all rows.
async fn work(crowd: &Crowd, errand: &Errand, size: usize, rows: usize) -> Result<Duration> {
    let world = &crowd.world;
    let mut daemons: Vec<Replica> = Vec::new();
    for number in 0..size {
        daemons.push(world.replica(errand.service, &format!("{}-{number}", errand.service), &[]).await?);
    }
    tokio::time::sleep(SETTLE).await;
    world.does(errand.due.to_owned()).await;
    let since = Instant::now();
    while world.ask(errand.left).await != "0" {
        ensure!(since.elapsed() < PATIENCE, "rows still wait after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = since.elapsed();
    let worked = world.ask(errand.worked).await;
    ensure!(worked == format!("{rows} attempts, {rows} done, {rows} games told"), "of {rows} rows: {worked}");
    Ok(taken)
}
