//! What an operator does to something parked: send it again under its own id, or discard it; both are audited (OP-05).

use serde_json::{Value, json};
use uuid::Uuid;

use super::parked::{Item, Source};
use super::{Sql, audit, outbox};
use crate::domain::ids::MessageId;
use crate::error::Result;

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is as ordered.
    Yes,
    /// It is not, because somebody else was there first, or it was sent again a moment ago.
    Meanwhile,
    /// It cannot be, for this reason.
    Never(&'static str),
}

/// Why an order is given, and whether what protects from hurry is to be left aside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order<'a> {
    /// For whoever reads the audit.
    pub note: Option<&'a str>,
    /// Send again although that was done less than ten minutes ago, or although it is older than 13 days.
    pub force: bool,
}

/// Sends it again. In the caller's transaction, which is to be given up unless the answer is `Yes`.
///
/// # Errors
/// When the database is away.
pub async fn redrive(sql: &mut Sql, item: &Item, order: Order<'_>) -> Result<Done> {
    let done = match item.source {
        Source::Message => message(sql, item.id, order).await?,
        Source::Delivery => delivery(sql, item.id).await?,
        Source::Announcement => announcement(sql, item.id).await?,
    };
    audited(sql, item, "redrive", order, done).await
}

/// Nothing is to be done about it any more. In the caller's transaction, as `redrive`.
///
/// # Errors
/// When the database is away.
pub async fn discard(sql: &mut Sql, item: &Item, order: Order<'_>) -> Result<Done> {
    let changed = match item.source {
        Source::Message => {
            sqlx::query!(
                "/* UPDATE parked */ update parked set discarded_at = now(), note = coalesce($2, note)
                 where id = $1 and discarded_at is null",
                item.id,
                order.note,
            )
            .execute(&mut *sql)
            .await?
        }
        Source::Delivery => {
            sqlx::query!(
            "/* UPDATE deliveries */ update deliveries set state = 'failed', last_error = 'discarded', parked_at = null
                 where id = $1 and parked_at is not null",
            item.id,
        )
            .execute(&mut *sql)
            .await?
        }
        // It stays as Discord shows it, until the game changes again.
        Source::Announcement => {
            sqlx::query!(
                "/* UPDATE announcements */ update announcements set
                   rendered_version = desired_version, attempts = 0, last_error = 'discarded', parked_at = null
                 where game_id = $1 and parked_at is not null",
                item.id,
            )
            .execute(&mut *sql)
            .await?
        }
    };
    let done = if changed.rows_affected() == 1 { Done::Yes } else { Done::Meanwhile };
    audited(sql, item, "discard", order, done).await
}

/// A message goes back into the outbox as what it was: its row there, where it is still kept, knows best.
async fn message(sql: &mut Sql, id: Uuid, order: Order<'_>) -> Result<Done> {
    let row = sqlx::query!(
        "/* UPDATE parked */ update parked set
           redriven = redriven + 1, redriven_at = now(), note = coalesce($2, note)
         where id = $1 and discarded_at is null
           and ($3 or ((redriven_at is null or redriven_at < now() - interval '10 minutes')
                       and last_at > now() - interval '13 days'))
         returning message_key, routing_key, headers, body, redriven",
        id,
        order.note,
        order.force,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(Done::Meanwhile) };
    let Ok(id) = row.message_key.parse::<MessageId>() else { return Ok(Done::Never("it has no message id of ours")) };
    let Ok(payload) = serde_json::from_slice::<Value>(&row.body) else { return Ok(Done::Never("its body is no JSON")) };
    let again = outbox::Again {
        id,
        routing_key: &row.routing_key,
        schema_version: row.headers["schema-version"].as_i64().and_then(|version| i16::try_from(version).ok()),
        redrive: i16::try_from(row.redriven).unwrap_or(i16::MAX),
        payload: &payload,
        trace_context: &context(&row.headers),
    };
    Ok(if outbox::again(sql, &again).await? { Done::Yes } else { Done::Never("the outbox does not take its body") })
}

/// Of the headers those that lead back to what caused the message.
fn context(headers: &Value) -> Value {
    let ours = ["traceparent", "tracestate"].into_iter();
    ours.filter_map(|name| Some((name.to_owned(), headers.get(name)?.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// It is tried as if it had never been. Where nothing proved whether it arrived, the operator has decided that it did
/// not; a lost answer of other rows is still looked for first.
async fn delivery(sql: &mut Sql, id: Uuid) -> Result<Done> {
    let changed = sqlx::query!(
        "/* UPDATE deliveries */ update deliveries set
           state = case when unknowns > 0 and parked_reason is distinct from 'no_proof' then 'uncertain' else 'pending' end,
           unknowns = case when parked_reason = 'no_proof' then 0 else unknowns end,
           first_unknown_at = case when parked_reason = 'no_proof' then null else first_unknown_at end,
           attempts = 0, parked_at = null, parked_reason = null, next_attempt_at = now()
         where id = $1 and parked_at is not null",
        id,
    )
    .execute(&mut *sql)
    .await?;
    Ok(if changed.rows_affected() == 1 { Done::Yes } else { Done::Meanwhile })
}

/// The newest state is shown; as with deliveries, the operator has decided where nothing could be proved.
async fn announcement(sql: &mut Sql, game: Uuid) -> Result<Done> {
    let changed = sqlx::query!(
        "/* UPDATE announcements */ update announcements set
           state = case when last_error = 'no_proof' and state = 'uncertain' then 'pending' else state end,
           first_unknown_at = case when last_error = 'no_proof' then null else first_unknown_at end,
           attempts = 0, last_error = null, parked_at = null, next_attempt_at = now()
         where game_id = $1 and parked_at is not null",
        game,
    )
    .execute(&mut *sql)
    .await?;
    Ok(if changed.rows_affected() == 1 { Done::Yes } else { Done::Meanwhile })
}

/// One row a thing that was changed.
async fn audited(sql: &mut Sql, item: &Item, verb: &'static str, order: Order<'_>, done: Done) -> Result<Done> {
    if done == Done::Yes {
        let changes = json!({
            "source": item.source.as_str(), "id": item.id, "queue": item.queue, "reason": item.reason, "note": order.note,
        });
        audit::operator(sql, (item.guild, item.game), verb, changes).await?;
    }
    Ok(done)
}
