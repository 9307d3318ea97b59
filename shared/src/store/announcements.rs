//! Announcements: the version that is wanted, the version that Discord shows, and who is at it (DI-36).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::deliveries::{base62, seconds};
use super::{Sql, discord_id};
use crate::domain::ids::{Discord, DiscordChannel, DiscordGuild, DiscordMessage, GameId, GuildId};
use crate::telemetry::carry;

/// A turn at an announcement: won, and ours until the lease ends.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Claimed {
    pub game: GameId,
    /// Each turn has its own; what an older turn writes meets no row.
    pub fence: i64,
    /// Tries since it was last shown right, this one included.
    pub attempts: i32,
    pub desired_version: i64,
    pub channel: DiscordChannel,
    pub message: Option<DiscordMessage>,
    pub generation: i32,
    /// How long it has been unknown whether the post exists.
    pub unknown_for: Option<Duration>,
    /// When the outcome became unknown; the search for the post begins there.
    pub first_unknown_at: Option<DateTime<Utc>>,
    pub changed_at: DateTime<Utc>,
}

/// An announcement that shows an old version and is due.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Stale {
    pub game: GameId,
    pub guild: DiscordGuild,
    pub trace_context: Value,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    /// By the database's clock.
    pub lateness: Duration,
}

/// A turn that ended well.
#[derive(Clone, Copy, Debug)]
pub struct Rendered {
    /// From the change until Discord showed it.
    pub freshness: Duration,
    /// The game changed meanwhile.
    pub behind: bool,
}

/// How a turn ended without showing the version it was to show.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Try again: what went wrong, and after how long.
    Retry(Duration, &'static str),
    /// The post may exist: the same nonce, or a search.
    Uncertain(Duration, &'static str),
    /// A right is missing; looked at again after this time.
    Blocked(Duration, &'static str),
    /// Someone deleted the post.
    Lost,
    /// It can never work; a person must look.
    Parked(&'static str),
    /// Not begun, because the process stops.
    Released,
}

/// The nonce of a post: `s`, the game, and which post of it.
#[must_use]
pub fn nonce(game: GameId, generation: i32) -> String {
    let generation = u128::from(generation.unsigned_abs());
    format!("s{}{}", base62(game.0.as_u128(), 22), base62(generation, 2))
}

/// A new game's announcement, to be posted at once or, `deferred`, when its time comes.
///
/// # Errors
/// When the database refuses or is away.
pub async fn create(
    sql: &mut Sql,
    game: GameId,
    guild: GuildId,
    channel: DiscordChannel,
    deferred: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "/* INSERT announcements */ insert into announcements
           (game_id, guild_id, channel_id, state, changed_at, next_attempt_at, trace_context)
         values ($1, $2, $3, $4, now(), now() + interval '3 s', $5)",
        game.0,
        guild.0,
        discord_id(channel),
        if deferred { "deferred" } else { "pending" },
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// The game changed: one more version is wanted. The 3 s are the head start of the message that says so.
///
/// # Errors
/// When the database refuses or is away.
pub async fn want(sql: &mut Sql, game: GameId) -> sqlx::Result<()> {
    sqlx::query!(
        "/* UPDATE announcements */ update announcements set
           desired_version = desired_version + 1, changed_at = now(), trace_context = $2,
           next_attempt_at = case when rendered_version < desired_version then next_attempt_at
                                  else now() + interval '3 s' end
         where game_id = $1",
        game.0,
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// The game is cancelled: a post that is there says so, one that was never made is never made (LI-42). One that is
/// under way, or may exist, is first found out about.
///
/// # Errors
/// When the database is away.
pub async fn cancel(sql: &mut Sql, game: GameId) -> sqlx::Result<()> {
    sqlx::query!(
        "/* UPDATE announcements */ update announcements set
           state = case when message_id is null and lease_owner is null and state in ('deferred', 'pending', 'blocked')
                        then 'removed' else state end,
           desired_version = desired_version + 1, changed_at = now(), trace_context = $2,
           next_attempt_at = case when rendered_version < desired_version then next_attempt_at
                                  else now() + interval '3 s' end
         where game_id = $1",
        game.0,
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// The time of a deferred post came: it is wanted now.
///
/// # Errors
/// When the database is away.
pub async fn release(sql: &mut Sql, game: GameId) -> sqlx::Result<()> {
    sqlx::query!(
        "/* UPDATE announcements */ update announcements set
           state = case when state = 'deferred' then 'pending' else state end,
           desired_version = desired_version + 1, changed_at = now(), trace_context = $2,
           next_attempt_at = now() + interval '3 s'
         where game_id = $1",
        game.0,
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Takes the turn at an announcement that shows an old version, unless someone has it or it waits for its time.
///
/// # Errors
/// When the database is away.
pub async fn claim(sql: &mut Sql, game: GameId, owner: &str) -> sqlx::Result<Option<Claimed>> {
    let row = sqlx::query!(
        r#"/* UPDATE announcements */ update announcements set
             /* the last owner died in flight: a first post may exist, an edit repeats safely */
             state = case when lease_owner is null or message_id is not null then state else 'uncertain' end,
             first_unknown_at = case when lease_owner is null or message_id is not null then first_unknown_at
                                     else coalesce(first_unknown_at, lease_until - interval '20 s') end,
             fence = fence + 1, attempts = attempts + 1, lease_owner = $2,
             lease_until = now() + interval '20 s', next_attempt_at = now() + interval '20 s'
           where game_id = $1 and rendered_version < desired_version and parked_at is null
             and state not in ('deferred', 'lost', 'removed')
             and (attempts = 0 or next_attempt_at <= now())
             and (lease_until is null or lease_until < now())
           returning fence, attempts, desired_version, channel_id, message_id, generation,
             extract(epoch from now() - first_unknown_at)::float8 as unknown_for, first_unknown_at, changed_at"#,
        game.0,
        owner,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(row.map(|row| Claimed {
        game,
        fence: row.fence,
        attempts: row.attempts,
        desired_version: row.desired_version,
        channel: Discord::new(row.channel_id.cast_unsigned()),
        message: row.message_id.map(|id| Discord::new(id.cast_unsigned())),
        generation: row.generation,
        unknown_for: row.unknown_for.map(seconds),
        first_unknown_at: row.first_unknown_at,
        changed_at: row.changed_at,
    }))
}

/// Discord shows the version of this turn; none when a newer turn has the row.
///
/// # Errors
/// When the database is away.
pub async fn rendered(sql: &mut Sql, turn: &Claimed, message: DiscordMessage) -> sqlx::Result<Option<Rendered>> {
    let row = sqlx::query!(
        r#"/* UPDATE announcements */ update announcements set
             rendered_version = $3, message_id = $4, state = 'posted', attempts = 0, next_attempt_at = now(),
             first_unknown_at = null, last_error = null, lease_owner = null, lease_until = null
           where game_id = $1 and fence = $2
           returning extract(epoch from now() - $5::timestamptz)::float8 as "freshness!",
             desired_version > rendered_version as "behind!""#,
        turn.game.0,
        turn.fence,
        turn.desired_version,
        discord_id(message),
        turn.changed_at,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(row.map(|row| Rendered { freshness: seconds(row.freshness), behind: row.behind }))
}

/// Writes how a turn ended otherwise; false when a newer turn has the row.
///
/// # Errors
/// When the database is away.
pub async fn ended(sql: &mut Sql, turn: &Claimed, end: End) -> sqlx::Result<bool> {
    let (state, wait, error) = match end {
        End::Retry(wait, error) => (None, wait, Some(error)),
        End::Uncertain(wait, error) => (Some("uncertain"), wait, Some(error)),
        End::Blocked(wait, error) => (Some("blocked"), wait, Some(error)),
        End::Lost => (Some("lost"), Duration::ZERO, Some("deleted")),
        End::Parked(error) => (None, Duration::ZERO, Some(error)),
        End::Released => (None, Duration::ZERO, None),
    };
    let written = sqlx::query!(
        "/* UPDATE announcements */ update announcements set
           state = coalesce($3, state), next_attempt_at = now() + make_interval(secs => $4),
           last_error = coalesce($5, last_error),
           first_unknown_at = case when $3 = 'uncertain' then coalesce(first_unknown_at, lease_until - interval '20 s')
                                   else first_unknown_at end,
           parked_at = case when $6 then now() else parked_at end,
           attempts = attempts - $7, lease_owner = null, lease_until = null
         where game_id = $1 and fence = $2",
        turn.game.0,
        turn.fence,
        state,
        wait.as_secs_f64(),
        error,
        matches!(end, End::Parked(_)),
        i32::from(matches!(end, End::Released)),
    )
    .execute(&mut *sql)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// The bot may post in this channel again: what was blocked there is tried at once.
///
/// # Errors
/// When the database is away.
pub async fn unblock(sql: &mut Sql, channel: DiscordChannel) -> sqlx::Result<()> {
    sqlx::query!(
        "/* UPDATE announcements */ update announcements set next_attempt_at = now()
         where channel_id = $1 and state = 'blocked' and lease_owner is null",
        discord_id(channel),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Announcements that are due, the longest waiting first. Only a list: each is claimed by itself.
///
/// # Errors
/// When the database is away.
pub async fn stale(sql: &mut Sql, limit: i64) -> sqlx::Result<Vec<Stale>> {
    let rows = sqlx::query!(
        r#"/* SELECT announcements */ select game_id, trace_context, attempts, next_attempt_at,
             extract(epoch from now() - next_attempt_at)::float8 as "lateness!",
             (select discord_id from guilds where guilds.id = guild_id) as "guild!"
           from announcements
           where rendered_version < desired_version and parked_at is null and state not in ('deferred', 'lost', 'removed')
             and next_attempt_at <= now()
           order by next_attempt_at limit $1"#,
        limit,
    )
    .fetch_all(&mut *sql)
    .await?;
    let stale = rows.into_iter().map(|row| Stale {
        game: GameId(row.game_id),
        guild: Discord::new(row.guild.cast_unsigned()),
        trace_context: row.trace_context,
        attempts: row.attempts,
        due_at: row.next_attempt_at,
        lateness: seconds(row.lateness),
    });
    Ok(stale.collect())
}

/// Until the next announcement is due; none when every one shows what it should.
///
/// # Errors
/// When the database is away.
pub async fn next_due(sql: &mut Sql) -> sqlx::Result<Option<Duration>> {
    let due_in = sqlx::query_scalar!(
        "/* SELECT announcements */ select extract(epoch from min(next_attempt_at) - now())::float8
         from announcements
         where rendered_version < desired_version and parked_at is null and state not in ('deferred', 'lost', 'removed')"
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(due_in.map(seconds))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_post_of_a_game_has_its_own_nonce_of_25_characters() {
        let game = GameId(Uuid::max());
        assert_eq!(nonce(game, 0), "s7n42DGM5Tflk9n8mt7Fhc700");
        assert_eq!(nonce(game, 61), "s7n42DGM5Tflk9n8mt7Fhc70z");
        assert_eq!(nonce(game, 62), "s7n42DGM5Tflk9n8mt7Fhc710");
    }
}
