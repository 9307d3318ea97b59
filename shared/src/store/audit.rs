//! Who did what to which game (GE-11).

use serde_json::Value;
use uuid::Uuid;

use super::Sql;
use crate::domain::game::Face;
use crate::domain::ids::{GameId, GuildId, UserId};
use crate::error::Result;
use crate::telemetry::carry;

/// Writes one row, in the transaction of the change, with the current trace id.
///
/// # Errors
/// When the database is away.
pub async fn write(
    sql: &mut Sql,
    (guild, game): (GuildId, GameId),
    (actor, face): (Option<UserId>, Face),
    verb: &'static str,
    changes: Value,
) -> Result<()> {
    insert(sql, (Some(guild.0), Some(game.0)), (actor, face), verb, changes).await
}

/// Writes what a person at the command line did, where no user of ours acted. The guild and the game are named where
/// they are known.
///
/// # Errors
/// When the database is away.
pub async fn operator(
    sql: &mut Sql,
    (guild, game): (Option<Uuid>, Option<Uuid>),
    verb: &'static str,
    changes: Value,
) -> Result<()> {
    insert(sql, (guild, game), (None, Face::Operator), verb, changes).await
}

async fn insert(
    sql: &mut Sql,
    (guild, game): (Option<Uuid>, Option<Uuid>),
    (actor, face): (Option<UserId>, Face),
    verb: &'static str,
    changes: Value,
) -> Result<()> {
    sqlx::query!(
        "/* INSERT audit_log */ insert into audit_log (id, guild_id, game_id, actor, face, verb, changes, trace_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        guild,
        game,
        actor.map(|actor| actor.0),
        face.as_str(),
        verb,
        changes,
        carry::trace_id(),
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}
