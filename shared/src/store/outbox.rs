//! The outbox: what a transaction wants to tell, until the broker has confirmed it.

use std::time::Duration;

use serde_json::Value;

use super::{Sql, Tx};
use crate::domain::ids::MessageId;
use crate::error::Result;
use crate::events::{Event, VERSION};
use crate::telemetry::carry;

/// A message that waits to be published.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Becomes the message id.
    pub id: MessageId,
    /// What the exchange routes by.
    pub routing_key: String,
    /// Of the payload.
    pub schema_version: i16,
    /// How often an operator sent it again.
    pub redrive: i16,
    /// The body.
    pub payload: Value,
    /// Of the span that wrote the row.
    pub trace_context: Value,
    /// By the database's clock.
    pub age: Duration,
}

/// Writes an event next to what it tells about, so that both are committed or neither.
///
/// # Errors
/// When the database is away.
pub async fn put(sql: &mut Sql, event: &Event) -> Result<()> {
    sqlx::query!(
        "/* INSERT outbox */ insert into outbox (id, routing_key, schema_version, payload, trace_context)
         values ($1, $2, $3, $4, $5)",
        MessageId::new().0,
        event.routing_key(),
        VERSION,
        event.payload(),
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// A message that is to be published again under its id.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Its id.
    pub id: MessageId,
    /// What it was published with.
    pub routing_key: &'a str,
    /// Of the payload; the first one where the message does not say.
    pub schema_version: Option<i16>,
    /// How often it is sent again with this one.
    pub redrive: i16,
    /// The body.
    pub payload: &'a Value,
    /// What led to the message.
    pub trace_context: &'a Value,
}

/// Has a message published again: by its own row, while that is kept, or by a new one. False when the outbox cannot
/// hold such a body; the transaction is then of no use any more.
///
/// # Errors
/// When the database is away.
pub async fn again(sql: &mut Sql, message: &Again<'_>) -> Result<bool> {
    let written = sqlx::query!(
        "/* INSERT outbox */ insert into outbox (id, routing_key, schema_version, redrive, payload, trace_context)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do update set published_at = null, redrive = outbox.redrive + 1",
        message.id.0,
        message.routing_key,
        message.schema_version.unwrap_or(1),
        message.redrive,
        message.payload,
        message.trace_context,
    )
    .execute(&mut *sql)
    .await;
    match written {
        Ok(_) => Ok(true),
        // A value that cannot be stored (22), or one that is too long (23514).
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.starts_with("22") || code == "23514") =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Locks the oldest unpublished rows that nobody else is publishing, of at least this age, without the keys that no
/// queue wants at present. The transaction is ended by the server soon after the confirms should have come.
///
/// # Errors
/// When the database is away.
pub async fn claim(tx: &mut Tx, older: Duration, limit: i64, sleeping: &[String]) -> Result<Vec<OutboxRow>> {
    let sql: &mut Sql = tx;
    sqlx::query!("/* SELECT set_config */ select set_config('idle_in_transaction_session_timeout', '6s', true)")
        .fetch_one(&mut *sql)
        .await?;
    let rows = sqlx::query!(
        r#"/* SELECT outbox */ select id, routing_key, schema_version, redrive, payload, trace_context,
             extract(epoch from clock_timestamp() - created_at)::float8 as "age!"
           from outbox
           where published_at is null and routing_key <> all($1)
             and created_at <= clock_timestamp() - make_interval(secs => $2)
           order by id limit $3 for update skip locked"#,
        sleeping,
        older.as_secs_f64(),
        limit,
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OutboxRow {
            id: MessageId(row.id),
            routing_key: row.routing_key,
            schema_version: row.schema_version,
            redrive: row.redrive,
            payload: row.payload,
            trace_context: row.trace_context,
            age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
        })
        .collect())
}

/// Marks what the broker has.
///
/// # Errors
/// When the database is away.
pub async fn published(tx: &mut Tx, ids: &[MessageId]) -> Result<()> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let sql: &mut Sql = tx;
    sqlx::query!("/* UPDATE outbox */ update outbox set published_at = now() where id = any($1)", &ids)
        .execute(&mut *sql)
        .await?;
    Ok(())
}
