//! What waits: when the next row is due, how a failed one goes on, and the numbers that gauges show.

use std::time::Duration;

use super::Sql;
use crate::domain::ids::JobId;
use crate::error::Result;

/// After so many attempts a due row is given up and someone must look (LI-21).
const ATTEMPTS: i32 = 20;

/// A failed notice goes on later, from 2 s up to 15 min, and delays none behind it.
///
/// # Errors
/// When the database is away.
pub async fn retry_notice(sql: &mut Sql, id: JobId, error: &str) -> Result<()> {
    sqlx::query!(
        "/* UPDATE scheduled_notifications */ update scheduled_notifications
         set attempts = attempts + 1, last_error = $2, state = case when attempts + 1 >= $3 then 'failed' else state end,
             done_at = case when attempts + 1 >= $3 then now() end,
             next_attempt_at = now() + random() * least(interval '15 minutes', interval '2 seconds' * power(2, attempts))
         where id = $1 and state = 'pending'",
        id.0,
        error,
        ATTEMPTS,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// A failed transition goes on later, from 5 s up to 10 min (LI-21).
///
/// # Errors
/// When the database is away.
pub async fn retry_transition(sql: &mut Sql, id: JobId, error: &str) -> Result<()> {
    sqlx::query!(
        "/* UPDATE scheduled_transitions */ update scheduled_transitions
         set attempts = attempts + 1, last_error = $2, state = case when attempts + 1 >= $3 then 'failed' else state end,
             done_at = case when attempts + 1 >= $3 then now() end,
             next_attempt_at = now() + least(interval '10 minutes', interval '5 seconds' * power(2, attempts))
         where id = $1 and state = 'pending'",
        id.0,
        error,
        ATTEMPTS,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Until the next notice is due; `None` when none waits.
///
/// # Errors
/// When the database is away.
pub async fn next_notice(sql: &mut Sql) -> Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        "/* next notice */ select extract(epoch from min(next_attempt_at) - now())::float8
         from scheduled_notifications where state = 'pending'",
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}

/// Until the next transition is due that no earlier one of its game holds up; `None` when none waits.
///
/// # Errors
/// When the database is away.
pub async fn next_transition(sql: &mut Sql) -> Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        "/* next transition */ select extract(epoch from min(t.next_attempt_at) - now())::float8
         from scheduled_transitions t where t.state = 'pending'
           and not exists (select from scheduled_transitions e
                           where e.game_id = t.game_id and e.state = 'pending' and e.due_at < t.due_at)",
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}

/// How much waits.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// Unpublished outbox rows.
    pub outbox: i64,
    /// Age of the oldest of them, in milliseconds.
    pub outbox_oldest_ms: i64,
    /// Deliveries to be tried.
    pub deliveries: i64,
    /// Announcements that have shown an old version for over a minute.
    pub stale: i64,
}

/// Counts what waits.
///
/// # Errors
/// When the database is away.
pub async fn count(sql: &mut Sql) -> Result<Backlog> {
    let row = sqlx::query!(
        r#"/* backlog */ select
           (select count(*) from outbox where published_at is null) as "outbox!",
           (select coalesce(extract(epoch from now() - min(created_at)) * 1000, 0)::bigint
            from outbox where published_at is null) as "oldest!",
           (select count(*) from deliveries where state in ('pending', 'uncertain') and parked_at is null) as "deliveries!",
           (select count(*) from announcements where rendered_version < desired_version and parked_at is null
              and state not in ('deferred', 'lost', 'removed') and changed_at < now() - interval '1 minute') as "stale!""#,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(Backlog { outbox: row.outbox, outbox_oldest_ms: row.oldest, deliveries: row.deliveries, stale: row.stale })
}

/// Due rows of one kind that are not done.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// The kind of job, such as `notice.reminder`.
    pub kind: String,
    /// How many.
    pub rows: i64,
    /// Seconds since the oldest was due.
    pub oldest: f64,
}

/// What is due and not done, by the database's clock; kinds without such rows are left out. A row that failed is tried
/// again within a quarter of an hour: with that bound the index on the next attempt leads to all of them.
///
/// # Errors
/// When the database is away.
pub async fn overdue(sql: &mut Sql) -> Result<Vec<Overdue>> {
    let rows = sqlx::query_as!(
        Overdue,
        r#"/* overdue */ select kind as "kind!", count(*) as "rows!",
             extract(epoch from now() - min(due_at))::float8 as "oldest!"
           from (
             select 'notice.' || kind as kind, due_at from scheduled_notifications
             where state = 'pending' and next_attempt_at <= now() + interval '15 minutes' and due_at <= now()
             union all
             select 'transition.' || lower(target), due_at from scheduled_transitions
             where state = 'pending' and next_attempt_at <= now() + interval '15 minutes' and due_at <= now()) as due
           group by kind"#,
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(rows)
}

/// Seconds since the last backup was taken that a test restore proved good; none when there never was one (OP-01).
///
/// # Errors
/// When the database is away.
pub async fn backup_age(sql: &mut Sql) -> Result<Option<f64>> {
    let age = sqlx::query_scalar!("/* backup */ select extract(epoch from now() - max(taken_at))::float8 from backups");
    Ok(age.fetch_one(&mut *sql).await?)
}
