//! What waits for a person: messages that no consumer could use, and rows whose work can never succeed (OP-05).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::Sql;
use crate::domain::game::words;
use crate::error::Result;

words! {
    /// What kind of thing is parked.
    Source {
        /// A message that a consumer refused for good, or that was tried too often.
        Message = "message",
        /// A direct message.
        Delivery = "delivery",
        /// The announcement of a game.
        Announcement = "announcement",
    }
}

/// A message out of a parking queue, whole.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The queue whose consumer could not use it, without namespace.
    pub queue: &'a str,
    /// Its id, if it has one.
    pub message_id: Option<&'a str>,
    /// What it was published with.
    pub routing_key: &'a str,
    /// Why.
    pub reason: &'a str,
    /// All of them, `traceparent` too.
    pub headers: &'a Value,
    /// As it came.
    pub body: &'a [u8],
    /// How often an operator had sent it again when it was refused.
    pub redriven: i32,
}

/// Something that is parked, as lists show it.
#[derive(Clone, Debug)]
pub struct Item {
    /// What kind of thing it is.
    pub source: Source,
    /// Of the parked message or the delivery; of an announcement its game's.
    pub id: Uuid,
    /// Whose consumer does its work.
    pub queue: String,
    /// Why.
    pub reason: String,
    /// A message's routing key, a delivery's kind, an announcement's state.
    pub subject: String,
    /// When it was parked last.
    pub at: DateTime<Utc>,
    /// How often a message came; tries of a row.
    pub times: i32,
    /// It was sent again within the last ten minutes.
    pub recent: bool,
    /// It has been parked for longer than consumers remember what they did.
    pub old: bool,
    /// The game it is about, where a row says so.
    pub game: Option<Uuid>,
    /// That game's guild.
    pub guild: Option<Uuid>,
    /// Headers or column that hold the context of what caused it.
    pub cause: Value,
}

/// Which parked things are meant; what is empty restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// These. A message that was sent again already is found by its id only.
    pub ids: Vec<Uuid>,
    /// Of the consumer of this queue.
    pub queue: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
    /// Parked within this time.
    pub since: Option<Duration>,
    /// Discarded messages, too.
    pub discarded: bool,
    /// At most so many, the longest parked first.
    pub limit: i64,
}

/// How much waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "one number a source")]
pub struct Waiting {
    pub messages: i64,
    pub deliveries: i64,
    pub announcements: i64,
}

/// Keeps a refused message. Keeping it again, because the broker brought it again, counts and makes no second one. A
/// late copy of what an operator has discarded or sent again since is no news: then nothing changes, and the answer is
/// false. What has no id cannot be told from a copy, and is always news.
///
/// # Errors
/// When the database is away.
pub async fn keep(sql: &mut Sql, message: &Refused<'_>) -> Result<bool> {
    let kept = sqlx::query!(
        "/* INSERT parked */ insert into parked
           (id, queue, message_key, routing_key, reason, headers, body, first_at, last_at)
         values ($1, $2, coalesce($3, 'sha256:' || encode(sha256($7), 'hex')), $4, $5, $6, $7, now(), now())
         on conflict (queue, message_key) do update set
           routing_key = excluded.routing_key, reason = excluded.reason, headers = excluded.headers,
           body = excluded.body, last_at = now(), times = parked.times + 1, discarded_at = null
         where $3::text is null or (parked.discarded_at is null
           and (parked.redriven_at is null or parked.redriven_at < parked.last_at or parked.redriven <= $8))",
        Uuid::now_v7(),
        message.queue,
        message.message_id,
        message.routing_key,
        message.reason,
        message.headers,
        message.body,
        message.redriven,
    )
    .execute(&mut *sql)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// What is parked, the longest first.
///
/// # Errors
/// When the database is away.
#[expect(clippy::too_many_lines, reason = "it is one statement and its columns")]
pub async fn find(sql: &mut Sql, filter: &Filter) -> Result<Vec<Item>> {
    let rows = sqlx::query!(
        r#"/* SELECT parked deliveries announcements */
           select source as "source!", id as "id!", queue as "queue!", reason as "reason!", subject as "subject!",
             at as "at!", times as "times!", recent as "recent!", at < now() - interval '13 days' as "old!",
             game, guild, cause as "cause!"
           from (
             select 'message' as source, p.id, p.queue, p.reason, p.routing_key as subject, p.last_at as at, p.times,
               coalesce(p.redriven_at > now() - interval '10 minutes', false) as recent,
               null::uuid as game, null::uuid as guild, p.headers as cause
             from parked p
             where (p.discarded_at is null or $6)
               and (p.redriven_at is null or p.redriven_at < p.last_at or p.id = any($1))
             union all
             select 'delivery', d.id, 'bot.deliveries', coalesce(d.parked_reason, 'attempts'), d.kind, d.parked_at,
               d.attempts, exists (select from audit_log a where a.game_id = d.game_id and a.verb = 'redrive'
                 and a.changes ->> 'id' = d.id::text and a.at > now() - interval '10 minutes'),
               d.game_id, d.guild_id, d.trace_context
             from deliveries d where d.parked_at is not null
             union all
             select 'announcement', n.game_id, 'bot.announcements', coalesce(n.last_error, 'poison'), n.state,
               n.parked_at, n.attempts, exists (select from audit_log a where a.game_id = n.game_id
                 and a.verb = 'redrive' and a.changes ->> 'id' = n.game_id::text
                 and a.at > now() - interval '10 minutes'),
               n.game_id, n.guild_id, n.trace_context
             from announcements n where n.parked_at is not null
           ) as item
           where (cardinality($1::uuid[]) = 0 or id = any($1)) and ($2::text is null or queue = $2)
             and ($3::text is null or reason = $3)
             and ($4::float8 is null or at >= now() - make_interval(secs => $4))
           order by at, id limit $5"#,
        &filter.ids,
        filter.queue,
        filter.reason,
        filter.since.map(|since| since.as_secs_f64()),
        filter.limit,
        filter.discarded,
    )
    .fetch_all(&mut *sql)
    .await?;
    let items = rows.into_iter().map(|row| -> Result<Item> {
        Ok(Item {
            source: row.source.parse()?,
            id: row.id,
            queue: row.queue,
            reason: row.reason,
            subject: row.subject,
            at: row.at,
            times: row.times,
            recent: row.recent,
            old: row.old,
            game: row.game,
            guild: row.guild,
            cause: row.cause,
        })
    });
    items.collect()
}

/// What else is known of a parked thing, as labels and texts; never what a person wrote.
///
/// # Errors
/// When the database is away.
pub async fn details(sql: &mut Sql, item: &Item) -> Result<Vec<(&'static str, String)>> {
    match item.source {
        Source::Message => message(sql, item.id).await,
        Source::Delivery => delivery(sql, item.id).await,
        Source::Announcement => announcement(sql, item.id).await,
    }
}

async fn message(sql: &mut Sql, id: Uuid) -> Result<Vec<(&'static str, String)>> {
    let row = sqlx::query!(
        "/* SELECT parked */ select message_key, first_at, redriven, redriven_at, discarded_at, note, headers, body
         from parked where id = $1",
        id,
    )
    .fetch_one(&mut *sql)
    .await?;
    let body = match String::from_utf8(row.body) {
        Ok(text) => text.chars().filter(|letter| !letter.is_control()).collect(),
        Err(bytes) => format!("{} bytes that are no text", bytes.as_bytes().len()),
    };
    Ok(vec![
        ("message id", row.message_key),
        ("first parked", time(Some(row.first_at))),
        ("redriven", format!("{} times, last {}", row.redriven, time(row.redriven_at))),
        ("discarded", time(row.discarded_at)),
        ("note", row.note.unwrap_or_default()),
        ("headers", row.headers.to_string()),
        ("body", body),
    ])
}

async fn delivery(sql: &mut Sql, id: Uuid) -> Result<Vec<(&'static str, String)>> {
    let row = sqlx::query!(
        "/* SELECT deliveries */ select recipient, state, unknowns, last_error, last_code, due_at, not_after
         from deliveries where id = $1",
        id,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(vec![
        ("recipient", row.recipient.to_string()),
        ("state", row.state),
        ("lost answers", row.unknowns.to_string()),
        ("last error", row.last_error.unwrap_or_default()),
        ("last code", row.last_code.map(|code| code.to_string()).unwrap_or_default()),
        ("due", time(Some(row.due_at))),
        ("of no use after", time(Some(row.not_after))),
    ])
}

async fn announcement(sql: &mut Sql, game: Uuid) -> Result<Vec<(&'static str, String)>> {
    let row = sqlx::query!(
        "/* SELECT announcements */ select channel_id, message_id, desired_version, rendered_version, changed_at
         from announcements where game_id = $1",
        game,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(vec![
        ("channel", row.channel_id.to_string()),
        ("message", row.message_id.map(|id| id.to_string()).unwrap_or_default()),
        ("shows", format!("version {} of {}", row.rendered_version, row.desired_version)),
        ("changed", time(Some(row.changed_at))),
    ])
}

/// A time as people and programs read it; nothing for none.
#[must_use]
pub fn time(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}

/// Counts what waits for a person.
///
/// # Errors
/// When the database is away.
pub async fn waiting(sql: &mut Sql) -> Result<Waiting> {
    let row = sqlx::query!(
        r#"/* SELECT parked deliveries announcements */ select
           (select count(*) from parked
            where discarded_at is null and (redriven_at is null or redriven_at < last_at)) as "messages!",
           (select count(*) from deliveries where parked_at is not null) as "deliveries!",
           (select count(*) from announcements where parked_at is not null) as "announcements!""#,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(Waiting { messages: row.messages, deliveries: row.deliveries, announcements: row.announcements })
}
