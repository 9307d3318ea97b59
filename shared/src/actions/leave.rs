//! Leaving a game.

use serde_json::json;
use tracing::instrument;

use super::must_see;
use crate::app::{Actor, App};
use crate::domain::ids::GameId;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange, RosterEvent};
use crate::store::{announcements, audit, deliveries, games, outbox, rosters};

/// What leaving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The row is gone.
    Left,
    /// There was none: success without effect (GE-08).
    WasNotIn,
}

/// Leaves by oneself (RO-14): the waiting join notice and letters go with the row, and nobody is written to about it.
///
/// # Errors
/// Refuses what is hidden or not open any more.
#[instrument(skip_all, fields(gamesched.game.id = %game))]
pub async fn leave(app: &App, game: GameId, actor: &Actor) -> Result<Left> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let user = actor.user(&mut tx, app.clock).await?;

    let game = games::lock(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
    let mut roster = rosters::of(&mut tx, &game).await?;
    must_see(&game, &roster, user, actor, now).or_else(visible_to_members)?;
    let Some(row) = roster.leave(user) else {
        tx.rollback().await?;
        return Ok(Left::WasNotIn);
    };
    if !game.is_open(now) {
        return Err(Refusal::NotOpen(game.status).into());
    }

    rosters::remove(&mut tx, game.id, row.id).await?;
    // Whoever runs the game is still told about it.
    if game.host != user {
        deliveries::expire(&mut tx, game.id, Some(user), "left").await?;
    }
    announcements::want(&mut tx, game.id).await?;
    let place = (game.guild, game.id);
    audit::write(&mut tx, place, (Some(user), actor.face), "leave", json!({ "participant": row.id })).await?;
    let (change, roster) = (GameChange::RosterChanged, vec![RosterEvent::Left]);
    outbox::put(&mut tx, &Event::Game { change, game: game.id, guild: game.guild, face: actor.face, roster }).await?;

    tx.commit().await?;
    app.hint.wake();
    Ok(Left::Left)
}

/// Somebody outside the player gate leaves what they are not in with success (PE-14); a hidden game stays hidden.
fn visible_to_members(error: crate::error::Error) -> Result<()> {
    match error {
        crate::error::Error::Refused(Refusal::Forbidden { .. }) => Ok(()),
        other => Err(other),
    }
}
