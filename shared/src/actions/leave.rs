//! Leaving a game.

use serde_json::json;
use tracing::info_span;

use super::moves::{self, Change, Leaver};
use super::{must_be_open, must_see};
use crate::app::{Actor, App};
use crate::domain::game::Game;
use crate::domain::ids::{GameId, UserId};
use crate::domain::roster::Row;
use crate::domain::schedule::Notice;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::{Sql, announcements, audit, deliveries, games, outbox, rosters};
use crate::telemetry::span::action;

/// What leaving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The row is gone.
    Left,
    /// There was none: success without effect (GE-08).
    WasNotIn,
}

/// Leaves by oneself (RO-14): the waiting join notice and letters go with the row, and whoever gets the seat is told.
///
/// # Errors
/// Refuses what is hidden or not open any more.
pub async fn leave(app: &App, game: GameId, actor: &Actor) -> Result<Left> {
    action(info_span!("leave", gamesched.game.id = %game), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = actor.user(&mut tx, app.clock).await?;

        let game = games::lock(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
        let before = rosters::of(&mut tx, &game).await?;
        must_see(&game, &before, user, actor, now).or_else(visible_to_members)?;
        let mut after = before.clone();
        let Some(row) = after.leave(user) else {
            tx.rollback().await?;
            return Ok(Left::WasNotIn);
        };
        must_be_open(&game, now)?;

        let heard = remove(&mut tx, &game, &row, user).await?;
        let left = Some(Leaver { row: &row, heard });
        let roster = moves::tell(&mut tx, &Change { game: &game, before: &before, after: &after, left }, now).await?;
        announcements::want(&mut tx, game.id).await?;
        let place = (game.guild, game.id);
        audit::write(&mut tx, place, (Some(user), actor.face), "leave", json!({ "participant": row.id })).await?;
        let change = GameChange::RosterChanged;
        outbox::put(&mut tx, &Event::Game { change, game: game.id, guild: game.guild, face: actor.face, roster })
            .await?;

        tx.commit().await?;
        app.hint.wake();
        Ok(Left::Left)
    })
    .await
}

/// Takes the row out, and what was still to be said to its player. Whether they had been told that they were in.
async fn remove(sql: &mut Sql, game: &Game, row: &Row, user: UserId) -> Result<bool> {
    let unheard = rosters::remove(sql, game.id, row.id).await?;
    // Whoever runs the game is still told about it.
    let which = if game.host == user { Notice::tells_a_place } else { |kind: Notice| !kind.outlives_a_cancellation() };
    let unsent = deliveries::expire(sql, game.id, Some(user), which, "left").await?;
    Ok(!unheard && !unsent.iter().any(|kind| matches!(kind, Notice::Joined | Notice::Waitlisted)))
}

/// Somebody outside the player gate leaves what they are not in with success (PE-14); a hidden game stays hidden.
fn visible_to_members(error: crate::error::Error) -> Result<()> {
    match error {
        crate::error::Error::Refused(Refusal::Forbidden { .. }) => Ok(()),
        other => Err(other),
    }
}
