//! What is kept no longer (OP-04), deleted a batch of one table at a time.

use super::Sql;
use crate::error::Result;

/// How many rows one statement deletes at most.
pub const BATCH: u64 = 5000;

/// What is kept for a while only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Messages that the broker has.
    Outbox,
    /// What was received.
    Inbox,
    /// Direct messages that ended.
    Deliveries,
    /// Notices that ended.
    Notices,
    /// Transitions that ended.
    Transitions,
    /// Answers to repeated requests.
    IdempotencyKeys,
    /// Sign-ins that nobody completed.
    OauthStates,
    /// Sessions that ended.
    Sessions,
    /// Processes that are gone.
    Heartbeats,
}

impl Old {
    /// Everything that is purged.
    pub const ALL: [Self; 9] = [
        Self::Outbox,
        Self::Inbox,
        Self::Deliveries,
        Self::Notices,
        Self::Transitions,
        Self::IdempotencyKeys,
        Self::OauthStates,
        Self::Sessions,
        Self::Heartbeats,
    ];
}

/// How many rows are kept no longer, up to a batch a table.
///
/// # Errors
/// When the database is away.
pub async fn found(sql: &mut Sql) -> Result<i64> {
    let found = sqlx::query_scalar!(
        r#"/* what is kept no longer */ select count(*) as "found!" from (
             (select 1 as one from outbox where published_at < now() - interval '3 days' limit $1)
             union all (select 1 from inbox where at < now() - interval '14 days' limit $1)
             union all (select 1 from deliveries where state in ('sent', 'failed', 'expired') and parked_at is null
                          and created_at < now() - interval '90 days' limit $1)
             union all (select 1 from scheduled_notifications where done_at < now() - interval '30 days' limit $1)
             union all (select 1 from scheduled_transitions where done_at < now() - interval '30 days' limit $1)
             union all (select 1 from idempotency_keys where created_at < now() - interval '48 hours' limit $1)
             union all (select 1 from oauth_states where expires_at < now() limit $1)
             union all (select 1 from sessions where ends_at < now() limit $1)
             union all (select 1 from process_heartbeats where seen_at < now() - interval '1 hour' limit $1)) as old"#,
        BATCH.cast_signed(),
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(found)
}

/// Deletes a batch and says how many rows went; as many as [`BATCH`]: there can be more.
///
/// # Errors
/// When the database is away.
#[expect(clippy::too_many_lines, reason = "one statement a table")]
pub async fn purge(sql: &mut Sql, old: Old) -> Result<u64> {
    let batch = BATCH.cast_signed();
    let gone = match old {
        Old::Outbox => sqlx::query!(
            "/* DELETE outbox */ delete from outbox where id in (
               select id from outbox where published_at < now() - interval '3 days' limit $1)",
            batch,
        ),
        Old::Inbox => sqlx::query!(
            "/* DELETE inbox */ delete from inbox where (consumer, message_id) in (
               select consumer, message_id from inbox where at < now() - interval '14 days' limit $1)",
            batch,
        ),
        // What is parked waits for a person, however long.
        Old::Deliveries => sqlx::query!(
            "/* DELETE deliveries */ delete from deliveries where id in (
               select id from deliveries where state in ('sent', 'failed', 'expired') and parked_at is null
                 and created_at < now() - interval '90 days' limit $1)",
            batch,
        ),
        Old::Notices => sqlx::query!(
            "/* DELETE scheduled_notifications */ delete from scheduled_notifications where id in (
               select id from scheduled_notifications where done_at < now() - interval '30 days' limit $1)",
            batch,
        ),
        Old::Transitions => sqlx::query!(
            "/* DELETE scheduled_transitions */ delete from scheduled_transitions where id in (
               select id from scheduled_transitions where done_at < now() - interval '30 days' limit $1)",
            batch,
        ),
        Old::IdempotencyKeys => sqlx::query!(
            "/* DELETE idempotency_keys */ delete from idempotency_keys where (principal, key) in (
               select principal, key from idempotency_keys where created_at < now() - interval '48 hours' limit $1)",
            batch,
        ),
        Old::OauthStates => sqlx::query!(
            "/* DELETE oauth_states */ delete from oauth_states where state_sha256 in (
               select state_sha256 from oauth_states where expires_at < now() limit $1)",
            batch,
        ),
        Old::Sessions => sqlx::query!(
            "/* DELETE sessions */ delete from sessions where token_sha256 in (
               select token_sha256 from sessions where ends_at < now() limit $1)",
            batch,
        ),
        Old::Heartbeats => sqlx::query!(
            "/* DELETE process_heartbeats */ delete from process_heartbeats where instance in (
               select instance from process_heartbeats where seen_at < now() - interval '1 hour' limit $1)",
            batch,
        ),
    };
    Ok(gone.execute(&mut *sql).await?.rows_affected())
}
