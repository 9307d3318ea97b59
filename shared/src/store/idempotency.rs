//! Idempotency keys: a repeated request gets the first one's answer (RX-01, RX-02).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Sql;
use crate::domain::ids::UserId;
use crate::error::{Refusal, Result};

/// How long an answer is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// How long a request may run before the same key may run again: longer than any request may take.
const RUNNING: TimeDelta = TimeDelta::seconds(30);

/// What makes two requests the same.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub principal: UserId,
    /// The header's value.
    pub key: String,
    /// Method and path.
    pub method_path: String,
    /// The SHA-256 of the body.
    pub body: [u8; 32],
}

/// The stored answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Do the work. What it makes gets this id: a try that died after its commit and the next one make the same thing.
    Work(Uuid),
    /// It was done: give this answer again.
    Replay(Answer),
}

/// Claims a key.
///
/// # Errors
/// Refuses a key that came with another request, or whose first request still runs.
pub async fn begin(sql: &mut Sql, request: &Request, now: DateTime<Utc>) -> Result<Turn> {
    let claimed = sqlx::query_scalar!(
        "/* INSERT idempotency_keys */ insert into idempotency_keys as k
           (principal, key, method_path, body_sha256, state, locked_until, created_at, work_id)
         values ($1, $2, $3, $4, 'running', $6, $5, $8)
         on conflict (principal, key) do update set
           method_path = excluded.method_path, body_sha256 = excluded.body_sha256, state = 'running', status = null,
           response = null, locked_until = excluded.locked_until, created_at = excluded.created_at,
           work_id = case when k.created_at <= $7 then excluded.work_id else k.work_id end
         where k.created_at <= $7
           or (k.state = 'running' and k.locked_until <= $5
               and k.method_path = excluded.method_path and k.body_sha256 = excluded.body_sha256)
         returning work_id",
        request.principal.to_string(),
        request.key,
        request.method_path,
        &request.body[..],
        now,
        now + RUNNING,
        now - KEPT,
        Uuid::now_v7(),
    )
    .fetch_optional(&mut *sql)
    .await?;
    match claimed {
        Some(work) => Ok(Turn::Work(work)),
        None => first(sql, request).await.map(Turn::Replay),
    }
}

async fn first(sql: &mut Sql, request: &Request) -> Result<Answer> {
    let row = sqlx::query!(
        "/* SELECT idempotency_keys */ select method_path, body_sha256, status, response
         from idempotency_keys where principal = $1 and key = $2",
        request.principal.to_string(),
        request.key,
    )
    .fetch_optional(&mut *sql)
    .await?;
    // Given up between the two statements: the next try claims it.
    let Some(row) = row else { return Err(Refusal::KeyInProgress.into()) };
    if row.method_path != request.method_path || row.body_sha256 != request.body {
        return Err(Refusal::KeyReused.into());
    }
    let answer =
        row.status.and_then(|status| Some(Answer { status: u16::try_from(status).ok()?, body: row.response? }));
    answer.ok_or_else(|| Refusal::KeyInProgress.into())
}

/// Stores the answer for whoever repeats the request.
///
/// # Errors
/// When the database is away.
pub async fn finish(sql: &mut Sql, request: &Request, answer: &Answer) -> Result<()> {
    sqlx::query!(
        "/* UPDATE idempotency_keys */ update idempotency_keys
         set state = 'done', status = $3, response = $4, locked_until = null
         where principal = $1 and key = $2 and state = 'running'",
        request.principal.to_string(),
        request.key,
        i32::from(answer.status),
        answer.body,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Gives a key up: what happened is no answer to be repeated, so the next try runs again.
///
/// # Errors
/// When the database is away.
pub async fn give_up(sql: &mut Sql, request: &Request) -> Result<()> {
    sqlx::query!(
        "/* DELETE idempotency_keys */ delete from idempotency_keys
         where principal = $1 and key = $2 and state = 'running'",
        request.principal.to_string(),
        request.key,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}
