//! Deliveries: direct messages, each owed to one person at most once (SE-01 to SE-07).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Sql, discord_id};
use crate::domain::ids::{
    DeliveryId, Discord, DiscordChannel, DiscordGuild, DiscordMessage, DiscordUser, GameId, GuildId, MessageId, UserId,
};
use crate::domain::schedule::Notice;
use crate::telemetry::carry;

/// A direct message that is to be sent.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The guild it is about.
    pub guild: GuildId,
    /// The game it is about.
    pub game: GameId,
    /// Kind, game, subject, recipient: what makes a second one the same one.
    pub dedupe_key: String,
    /// Who gets it.
    pub recipient: DiscordUser,
    /// The kind of notice.
    pub kind: &'static str,
    /// What is said.
    pub payload: Value,
    /// When it should be sent.
    pub due_at: DateTime<Utc>,
    /// The start that it speaks of; with another start it is stale.
    pub for_start_at: Option<DateTime<Utc>>,
    /// See [`nonce`].
    pub nonce: String,
    /// Later it is not sent at all.
    pub not_after: DateTime<Utc>,
}

/// A turn at a delivery: won, and ours until the lease ends.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Claimed {
    pub id: DeliveryId,
    pub game: Option<GameId>,
    /// Each turn has its own; what an older turn writes meets no row.
    pub fence: i64,
    /// This try included.
    pub attempts: i32,
    pub park_after: i32,
    /// Tries whose outcome nobody knows.
    pub unknowns: i32,
    pub unknown_for: Option<Duration>,
    pub first_attempt_at: DateTime<Utc>,
    /// Past `not_after`.
    pub too_late: bool,
    /// It became untrue: the game no longer starts when this says, or will not take place, or is over.
    pub moved: bool,
    pub recipient: DiscordUser,
    pub kind: String,
    pub payload: Value,
    pub nonce: String,
    /// Since it should have been sent.
    pub lateness: Duration,
}

/// A delivery that is due.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Due {
    pub id: DeliveryId,
    pub guild: DiscordGuild,
    pub trace_context: Value,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    /// By the database's clock.
    pub lateness: Duration,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Discord has it. Only where it was found or posted is there an id.
    Sent(DiscordChannel, Option<DiscordMessage>),
    /// Discord refuses for good, with this code.
    Failed(i32),
    /// Deliberately not sent.
    Expired(&'static str),
    /// Try again after this time.
    Retry(Duration, &'static str),
    /// Try again after this time; the try does not count.
    Wait(Duration, &'static str),
    /// It may have arrived.
    Uncertain(Duration, &'static str),
    /// The tries are spent, or it can never work; a person must look.
    Parked(&'static str),
    /// It may have arrived and nothing proves either; a person decides.
    NoProof,
    /// Not begun, because the process stops.
    Released,
}

/// The nonce of a delivery: `n` and its id, 23 characters.
#[must_use]
pub fn nonce(id: DeliveryId) -> String {
    format!("n{}", base62(id.0.as_u128(), 22))
}

/// A number in base 62, filled up with zeros. 22 digits hold 128 bits.
pub(super) fn base62(mut number: u128, digits: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = vec!['0'; digits];
    for place in text.iter_mut().rev() {
        *place = char::from(DIGITS[usize::try_from(number % 62).unwrap_or_default()]);
        number /= 62;
    }
    text.into_iter().collect()
}

/// A difference of the database's times; what is not yet due counts as now.
pub(super) fn seconds(difference: f64) -> Duration {
    Duration::try_from_secs_f64(difference).unwrap_or_default()
}

/// Writes deliveries and the events that wake their sender, in one statement. Those that exist already are left out.
///
/// # Errors
/// When the database refuses or is away.
pub async fn bear(sql: &mut Sql, new: &[NewDelivery]) -> sqlx::Result<Vec<DeliveryId>> {
    let column = |pick: fn(&NewDelivery) -> Uuid| new.iter().map(pick).collect::<Vec<_>>();
    let messages: Vec<Uuid> = new.iter().map(|_| MessageId::new().0).collect();
    let born = sqlx::query_scalar!(
        r#"/* INSERT deliveries INSERT outbox */ with given as (
             select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[],
                                  $8::jsonb[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::timestamptz[])
               as row(id, message_id, guild_id, game_id, dedupe_key, recipient, kind, payload, due_at, for_start_at,
                      nonce, not_after)
           ), born as (
             insert into deliveries (id, guild_id, game_id, dedupe_key, recipient, kind, payload, due_at, for_start_at,
                                     nonce, not_after, next_attempt_at, trace_context)
             select id, guild_id, game_id, dedupe_key, recipient, kind, payload, due_at, for_start_at, nonce, not_after,
                    now() + interval '3 s', $13
             from given on conflict (dedupe_key) do nothing returning id
           ), told as (
             insert into outbox (id, routing_key, payload, trace_context)
             select given.message_id, 'delivery.due', jsonb_build_object('v', 1, 'delivery', born.id), $13
             from born join given using (id)
           )
           select id as "id!" from born"#,
        &column(|new| new.id.0),
        &messages,
        &column(|new| new.guild.0),
        &column(|new| new.game.0),
        &new.iter().map(|new| new.dedupe_key.clone()).collect::<Vec<_>>(),
        &new.iter().map(|new| discord_id(new.recipient)).collect::<Vec<_>>(),
        &new.iter().map(|new| new.kind.to_owned()).collect::<Vec<_>>(),
        &new.iter().map(|new| new.payload.clone()).collect::<Vec<_>>(),
        &new.iter().map(|new| new.due_at).collect::<Vec<_>>(),
        &new.iter().map(|new| new.for_start_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &new.iter().map(|new| new.nonce.clone()).collect::<Vec<_>>(),
        &new.iter().map(|new| new.not_after).collect::<Vec<_>>(),
        carry::row(),
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(born.into_iter().map(DeliveryId).collect())
}

/// SE-01: takes the turn, unless the delivery has ended, waits for its time, or someone is at it. A last owner that
/// died in flight makes the outcome unknown; a repeated message cannot cut a back-off or a 429 short.
///
/// # Errors
/// When the database is away.
#[expect(clippy::too_many_lines, reason = "one statement and its columns")]
pub async fn claim(sql: &mut Sql, id: DeliveryId, owner: &str) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query!(
        r#"/* UPDATE deliveries */ update deliveries set
             state = case when lease_owner is null then state else 'uncertain' end,
             unknowns = unknowns + (lease_owner is not null)::int,
             first_unknown_at =
               coalesce(first_unknown_at, case when lease_owner is not null then lease_until - interval '20 s' end),
             fence = fence + 1, attempts = attempts + 1, lease_owner = $2, lease_until = now() + interval '20 s',
             next_attempt_at = now() + interval '20 s', first_attempt_at = coalesce(first_attempt_at, now())
           where id = $1 and state in ('pending', 'uncertain') and parked_at is null
             and (fence = 0 or next_attempt_at <= now()) and (lease_until is null or lease_until < now())
           returning game_id, fence, attempts, park_after, unknowns, recipient, kind, payload, nonce,
             extract(epoch from now() - first_unknown_at)::float8 as unknown_for,
             first_attempt_at as "first_attempt_at!", now() > not_after as "too_late!",
             (for_start_at is not null and not exists (select from games where games.id = deliveries.game_id
                and games.scheduled_at = deliveries.for_start_at)
              or exists (select from games where games.id = deliveries.game_id
                and (games.status = 'CANCELLED' and deliveries.kind <> all($3)
                     or games.status in ('COMPLETED', 'ARCHIVED') and deliveries.kind <> all($4)))) as "moved!",
             extract(epoch from now() - due_at)::float8 as "lateness!""#,
        id.0,
        owner,
        &kinds(Notice::outlives_a_cancellation),
        &kinds(Notice::outlives_the_game),
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(row.map(|row| Claimed {
        id,
        game: row.game_id.map(GameId),
        fence: row.fence,
        attempts: row.attempts,
        park_after: row.park_after,
        unknowns: row.unknowns,
        unknown_for: row.unknown_for.map(seconds),
        first_attempt_at: row.first_attempt_at,
        too_late: row.too_late,
        moved: row.moved,
        recipient: Discord::new(row.recipient.cast_unsigned()),
        kind: row.kind,
        payload: row.payload,
        nonce: row.nonce,
        lateness: seconds(row.lateness),
    }))
}

/// What an [`End`] writes.
#[derive(Default)]
struct Written {
    state: Option<&'static str>,
    wait: Duration,
    class: Option<&'static str>,
    code: Option<i32>,
    parked: Option<&'static str>,
    /// Tries that do not count.
    given_back: i32,
    unknowns: i32,
    channel: Option<i64>,
    message: Option<i64>,
}

impl From<End> for Written {
    fn from(end: End) -> Self {
        let same = Self::default();
        match end {
            End::Sent(channel, message) => Self {
                state: Some("sent"),
                channel: Some(discord_id(channel)),
                message: message.map(discord_id),
                ..same
            },
            End::Failed(code) => Self { state: Some("failed"), code: Some(code), class: Some("permanent"), ..same },
            End::Expired(reason) => Self { state: Some("expired"), class: Some(reason), ..same },
            End::Retry(wait, class) => Self { wait, class: Some(class), ..same },
            End::Wait(wait, class) => Self { wait, class: Some(class), given_back: 1, ..same },
            End::Uncertain(wait, class) => {
                Self { state: Some("uncertain"), wait, class: Some(class), unknowns: 1, ..same }
            }
            End::Parked(reason) => {
                // Parking is a mark. Only spent tries are a failure; what may have arrived stays uncertain.
                let state = (reason == "attempts").then_some("failed");
                Self { state, class: Some(reason), parked: Some(reason), ..same }
            }
            End::NoProof => Self { state: Some("uncertain"), parked: Some("no_proof"), ..same },
            End::Released => Self { given_back: 1, ..same },
        }
    }
}

/// SE-06: writes how the turn ended. The time since it was due, or none when a newer turn has the row.
///
/// # Errors
/// When the database is away.
pub async fn ended(sql: &mut Sql, turn: &Claimed, end: End) -> sqlx::Result<Option<Duration>> {
    let end = Written::from(end);
    let lateness = sqlx::query_scalar!(
        r#"/* UPDATE deliveries */ update deliveries set
             state = coalesce($3, state), next_attempt_at = now() + make_interval(secs => $4),
             last_error = coalesce($5, last_error), last_code = coalesce($6, last_code),
             parked_at = case when $7::text is null then parked_at else now() end,
             parked_reason = coalesce($7, parked_reason),
             attempts = attempts - $8, unknowns = unknowns + $9,
             first_unknown_at = case when $9 = 0 then first_unknown_at
                                     else coalesce(first_unknown_at, lease_until - interval '20 s') end,
             channel_id = coalesce($10, channel_id), discord_message_id = coalesce($11, discord_message_id),
             sent_at = case when $3 = 'sent' then now() end, lease_owner = null, lease_until = null
           where id = $1 and fence = $2 and state in ('pending', 'uncertain')
           returning extract(epoch from now() - due_at)::float8 as "lateness!""#,
        turn.id.0,
        turn.fence,
        end.state,
        end.wait.as_secs_f64(),
        end.class,
        end.code,
        end.parked,
        end.given_back,
        end.unknowns,
        end.channel,
        end.message,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(lateness.map(seconds))
}

/// Kinds as they are stored.
fn kinds(which: fn(Notice) -> bool) -> Vec<String> {
    Notice::ALL.iter().filter(|kind| which(**kind)).map(|kind| kind.as_str().to_owned()).collect()
}

/// Letters of these kinds about a game, to one person or to all, that nobody will need: they expire, except those in
/// flight, which are judged at their claim. The kinds of those that certainly nobody has read.
///
/// # Errors
/// When the database refuses or is away.
pub async fn expire(
    sql: &mut Sql,
    game: GameId,
    recipient: Option<UserId>,
    which: fn(Notice) -> bool,
    reason: &'static str,
) -> sqlx::Result<Vec<Notice>> {
    let expired = sqlx::query!(
        "/* UPDATE deliveries */ update deliveries set
           state = 'expired', last_error = $3, parked_at = null
         where game_id = $1 and ($2::uuid is null or recipient = (select discord_id from users where id = $2))
           and state in ('pending', 'uncertain') and lease_owner is null and kind = any($4)
         returning kind, unknowns",
        game.0,
        recipient.map(|user| user.0),
        reason,
        &kinds(which),
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(expired.iter().filter(|row| row.unknowns == 0).filter_map(|row| row.kind.parse().ok()).collect())
}

/// Deliveries that are due, the longest waiting first. Only a list: each is claimed by itself.
///
/// # Errors
/// When the database is away.
pub async fn due(sql: &mut Sql, limit: i64) -> sqlx::Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"/* SELECT deliveries */ select id, trace_context, attempts, next_attempt_at,
             extract(epoch from now() - next_attempt_at)::float8 as "lateness!",
             (select discord_id from guilds where guilds.id = guild_id) as "guild!"
           from deliveries
           where state in ('pending', 'uncertain') and parked_at is null and next_attempt_at <= now()
           order by next_attempt_at limit $1"#,
        limit,
    )
    .fetch_all(&mut *sql)
    .await?;
    let due = rows.into_iter().map(|row| Due {
        id: DeliveryId(row.id),
        guild: Discord::new(row.guild.cast_unsigned()),
        trace_context: row.trace_context,
        attempts: row.attempts,
        due_at: row.next_attempt_at,
        lateness: seconds(row.lateness),
    });
    Ok(due.collect())
}

/// Until the next delivery is due; none when nothing waits.
///
/// # Errors
/// When the database is away.
pub async fn next_due(sql: &mut Sql) -> sqlx::Result<Option<Duration>> {
    let due_in = sqlx::query_scalar!(
        "/* SELECT deliveries */ select extract(epoch from min(next_attempt_at) - now())::float8
         from deliveries where state in ('pending', 'uncertain') and parked_at is null"
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(due_in.map(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parking_marks_a_delivery_and_only_spent_tries_fail_it() {
        let state = |end| Written::from(end).state;
        assert_eq!(state(End::Parked("attempts")), Some("failed"));
        assert_eq!(state(End::Parked("poison")), None);
        assert_eq!(state(End::NoProof), Some("uncertain"));
    }

    #[test]
    fn every_id_has_a_nonce_of_23_characters() {
        assert_eq!(nonce(DeliveryId(Uuid::nil())), "n0000000000000000000000");
        assert_eq!(nonce(DeliveryId(Uuid::max())), "n7n42DGM5Tflk9n8mt7Fhc7");
        assert_eq!(nonce(DeliveryId(Uuid::from_u128(61 * 62 + 10))), "n00000000000000000000zA");
    }
}
