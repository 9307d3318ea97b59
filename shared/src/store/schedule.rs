//! Due rows: notices and transitions. The database's clock decides what is due.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Sql, deliveries, snowflake};
use crate::domain::game::Game;
use crate::domain::ids::{DiscordGuild, GameId, GuildId, JobId, ParticipantId, UserId};
use crate::domain::schedule::{DueNotice, DueTransition, Notice, Target};
use crate::error::Result;
use crate::telemetry::carry;

/// A row whose time has come.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of the due tables, by their own names")]
pub struct Job<Kind> {
    pub id: JobId,
    pub guild: GuildId,
    pub guild_discord: DiscordGuild,
    pub game: GameId,
    pub kind: Kind,
    pub due_at: DateTime<Utc>,
    pub for_start_at: DateTime<Utc>,
    /// Of this attempt, the first is 1.
    pub attempt: i32,
    /// By the database's clock, never below zero.
    pub lateness: Duration,
    pub trace_context: Value,
}

/// What a look at a due table won.
#[derive(Clone, Debug)]
pub enum Claim<Kind> {
    /// A row to be worked on.
    Won(Job<Kind>),
    /// A row of a kind that this release does not know; it would be won again and again.
    Unknown(JobId, String),
}

/// What a notice row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeKind {
    /// What it says.
    pub notice: Notice,
    /// Whom it is about, if one person.
    pub participant: Option<ParticipantId>,
    /// For a reminder: how long before the start.
    pub minutes_before: Option<i32>,
    /// For a move: the start that people know.
    pub was_at: Option<DateTime<Utc>>,
    /// For a move: who made it.
    pub actor: Option<UserId>,
}

/// Arms notices for a game, or for one row of its roster. What is armed already stays as it is, what expired before
/// its time, because an edit had moved the game away from it, waits again.
///
/// # Errors
/// When the database is away.
pub async fn arm_notices(
    sql: &mut Sql,
    game: &Game,
    participant: Option<ParticipantId>,
    notices: &[DueNotice],
) -> Result<()> {
    if notices.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = notices.iter().map(|_| JobId::new().0).collect();
    let kinds: Vec<String> = notices.iter().map(|notice| notice.kind.as_str().to_owned()).collect();
    let minutes: Vec<Option<i32>> = notices.iter().map(|notice| notice.minutes_before).collect();
    let due: Vec<DateTime<Utc>> = notices.iter().map(|notice| notice.due_at).collect();
    sqlx::query!(
        "/* INSERT scheduled_notifications */ insert into scheduled_notifications
           (id, guild_id, game_id, participant_id, kind, minutes_before, due_at, for_start_at, next_attempt_at,
            trace_context)
         select id, $1, $2, $3, kind, minutes_before, due_at, $4, due_at, $5
         from unnest($6::uuid[], $7::text[], $8::int[], $9::timestamptz[]) as new (id, kind, minutes_before, due_at)
         on conflict (game_id, kind, participant_id, minutes_before, for_start_at) do update
           set state = 'pending', due_at = excluded.due_at, next_attempt_at = excluded.next_attempt_at, attempts = 0,
               last_error = null, done_at = null, trace_context = excluded.trace_context
           where scheduled_notifications.state = 'expired'",
        game.guild.0,
        game.id.0,
        participant.map(|row| row.0),
        game.scheduled_at,
        carry::row(),
        &ids,
        &kinds,
        &minutes as &[Option<i32>],
        &due,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Arms the notice of a move of the start from `was_at` by `actor`. A move before it that nobody was told of folds into
/// it, and back at the start that people know there is nothing to tell (NO-09). An id of its own makes its letters new
/// when the game moves to a start once more that it had been moved to before.
///
/// # Errors
/// When the database is away.
pub async fn arm_move(
    sql: &mut Sql,
    game: &Game,
    notice: &DueNotice,
    (was_at, actor): (DateTime<Utc>, UserId),
) -> Result<()> {
    sqlx::query!(
        "/* INSERT scheduled_notifications */ with untold as (
           update scheduled_notifications set state = 'expired', last_error = 'moved_again', done_at = now()
           where game_id = $3 and kind = $4 and state = 'pending' returning was_at
         ), known as (
           select coalesce((select was_at from untold), $5) as was_at
         )
         insert into scheduled_notifications
           (id, guild_id, game_id, kind, was_at, actor, due_at, for_start_at, next_attempt_at, trace_context)
         select $1, $2, $3, $4, was_at, $6, $7, $8, $7, $9 from known where was_at <> $8
         on conflict (game_id, kind, participant_id, minutes_before, for_start_at) do update
           set id = excluded.id, was_at = excluded.was_at, actor = excluded.actor, state = 'pending',
               due_at = excluded.due_at, next_attempt_at = excluded.next_attempt_at, attempts = 0, last_error = null,
               done_at = null, trace_context = excluded.trace_context",
        JobId::new().0,
        game.guild.0,
        game.id.0,
        notice.kind.as_str(),
        was_at,
        actor.0,
        notice.due_at,
        notice.for_start_at,
        carry::row(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// The rows of a roster whose join notice still waits.
///
/// # Errors
/// When the database is away.
pub async fn unheard(sql: &mut Sql, game: GameId) -> Result<Vec<ParticipantId>> {
    let rows = sqlx::query_scalar!(
        r#"/* SELECT scheduled_notifications */ select participant_id as "participant!" from scheduled_notifications
         where game_id = $1 and kind = 'joined' and state = 'pending' and participant_id is not null"#,
        game.0,
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(rows.into_iter().map(ParticipantId).collect())
}

/// Arms the given transitions; one that is armed already moves (LI-19).
///
/// # Errors
/// When the database is away.
pub async fn arm_transitions(sql: &mut Sql, game: &Game, transitions: &[DueTransition]) -> Result<()> {
    if transitions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = transitions.iter().map(|_| JobId::new().0).collect();
    let targets: Vec<String> = transitions.iter().map(|transition| transition.target.as_str().to_owned()).collect();
    let due: Vec<DateTime<Utc>> = transitions.iter().map(|transition| transition.due_at).collect();
    sqlx::query!(
        "/* INSERT scheduled_transitions */ insert into scheduled_transitions
           (id, guild_id, game_id, target, due_at, for_start_at, next_attempt_at, trace_context)
         select id, $1, $2, target, due_at, $3, due_at, $4
         from unnest($5::uuid[], $6::text[], $7::timestamptz[]) as new (id, target, due_at)
         on conflict (game_id, target) where state = 'pending' do update
           set due_at = excluded.due_at, for_start_at = excluded.for_start_at, attempts = 0,
               next_attempt_at = excluded.next_attempt_at, trace_context = excluded.trace_context",
        game.guild.0,
        game.id.0,
        game.scheduled_at,
        carry::row(),
        &ids,
        &targets,
        &due,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Expires all waiting reminders of a game whose start or offsets changed (NO-16).
///
/// # Errors
/// When the database is away.
pub async fn expire_reminders(sql: &mut Sql, game: GameId) -> Result<()> {
    sqlx::query!(
        "/* UPDATE scheduled_notifications */ update scheduled_notifications
         set state = 'expired', last_error = 'stale', done_at = now()
         where game_id = $1 and kind = 'reminder' and state = 'pending'",
        game.0,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Expires everything of a game that is still to come: due rows, and letters that nobody has in hand.
///
/// # Errors
/// When the database is away.
pub async fn expire_all(sql: &mut Sql, game: GameId, reason: &'static str) -> Result<()> {
    sqlx::query!(
        "/* UPDATE scheduled_notifications scheduled_transitions */ with notices as (
           update scheduled_notifications set state = 'expired', last_error = $2, done_at = now()
           where game_id = $1 and state = 'pending')
         update scheduled_transitions set state = 'expired', last_error = $2, done_at = now()
         where game_id = $1 and state = 'pending'",
        game.0,
        reason,
    )
    .execute(&mut *sql)
    .await?;
    deliveries::expire(sql, game, None, |kind| !kind.outlives_a_cancellation(), reason).await?;
    Ok(())
}

/// Locks the one notice that is due for longest, and its game; what somebody else has is skipped. People lock the game
/// first and its due rows then: whoever locks them the other way round must not wait for the second.
///
/// # Errors
/// When the database is away.
pub async fn claim_notice(sql: &mut Sql) -> Result<Option<Claim<NoticeKind>>> {
    let row = sqlx::query!(
        r#"/* claim due notice */ select n.id, n.guild_id, n.game_id, n.participant_id, n.kind, n.minutes_before, n.was_at,
           n.actor, n.due_at, n.for_start_at, n.attempts, n.trace_context, d.discord_id,
           greatest(extract(epoch from now() - n.due_at), 0)::float8 as "lateness!"
         from scheduled_notifications n join games g on g.id = n.game_id join guilds d on d.id = g.guild_id
         where n.state = 'pending' and n.next_attempt_at <= now()
         order by n.next_attempt_at limit 1
         /* the letters refer to the game and change nothing in it */
         for update of n skip locked for key share of g skip locked"#,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Ok(notice) = row.kind.parse() else { return Ok(Some(Claim::Unknown(JobId(row.id), row.kind))) };
    Ok(Some(Claim::Won(Job {
        id: JobId(row.id),
        guild: GuildId(row.guild_id),
        guild_discord: snowflake(row.discord_id)?,
        game: GameId(row.game_id),
        kind: NoticeKind {
            notice,
            participant: row.participant_id.map(ParticipantId),
            minutes_before: row.minutes_before,
            was_at: row.was_at,
            actor: row.actor.map(UserId),
        },
        due_at: row.due_at,
        for_start_at: row.for_start_at,
        attempt: row.attempts + 1,
        lateness: Duration::from_secs_f64(row.lateness),
        trace_context: row.trace_context,
    })))
}

/// Locks the one transition that is due for longest, and its game, as `claim_notice` does. A game's transitions run in
/// the order in which they were due, also when the earlier one is tried again (LI-20).
///
/// # Errors
/// When the database is away.
pub async fn claim_transition(sql: &mut Sql) -> Result<Option<Claim<Target>>> {
    let row = sqlx::query!(
        r#"/* claim due transition */ select t.id, t.guild_id, t.game_id, t.target, t.due_at, t.for_start_at, t.attempts,
           t.trace_context, d.discord_id, greatest(extract(epoch from now() - t.due_at), 0)::float8 as "lateness!"
         from scheduled_transitions t join games g on g.id = t.game_id join guilds d on d.id = g.guild_id
         where t.state = 'pending' and t.next_attempt_at <= now()
           and not exists (select from scheduled_transitions e
                           where e.game_id = t.game_id and e.state = 'pending' and e.due_at < t.due_at)
         order by t.next_attempt_at, t.due_at limit 1 for update of t, g skip locked"#,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Ok(kind) = row.target.parse() else { return Ok(Some(Claim::Unknown(JobId(row.id), row.target))) };
    Ok(Some(Claim::Won(Job {
        id: JobId(row.id),
        guild: GuildId(row.guild_id),
        guild_discord: snowflake(row.discord_id)?,
        game: GameId(row.game_id),
        kind,
        due_at: row.due_at,
        for_start_at: row.for_start_at,
        attempt: row.attempts + 1,
        lateness: Duration::from_secs_f64(row.lateness),
        trace_context: row.trace_context,
    })))
}

/// The outcome of a due row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was acted on.
    Done,
    /// Deliberately not acted on, for this reason.
    Expired(&'static str),
    /// It cannot be acted on, for this reason; someone must look.
    Failed(&'static str),
}

impl End {
    /// The stored and told word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.columns().0
    }

    fn columns(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Done => ("done", None),
            Self::Expired(reason) => ("expired", Some(reason)),
            Self::Failed(reason) => ("failed", Some(reason)),
        }
    }
}

/// Ends a notice, in the transaction of its work.
///
/// # Errors
/// When the database is away.
pub async fn end_notice(sql: &mut Sql, id: JobId, end: End) -> Result<()> {
    let (state, reason) = end.columns();
    sqlx::query!(
        "/* UPDATE scheduled_notifications */ update scheduled_notifications
         set state = $2, last_error = $3, attempts = attempts + 1, done_at = now() where id = $1",
        id.0,
        state,
        reason,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Ends a transition, in the transaction of its work.
///
/// # Errors
/// When the database is away.
pub async fn end_transition(sql: &mut Sql, id: JobId, end: End) -> Result<()> {
    let (state, reason) = end.columns();
    sqlx::query!(
        "/* UPDATE scheduled_transitions */ update scheduled_transitions
         set state = $2, last_error = $3, attempts = attempts + 1, done_at = now() where id = $1",
        id.0,
        state,
        reason,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}
