//! Cancelling a game.

use serde_json::json;
use tracing::info_span;

use super::must_run;
use super::tell::{Occasion, letters};
use crate::app::{Actor, App};
use crate::domain::audience::{About, recipients};
use crate::domain::game::{Game, Status};
use crate::domain::ids::GameId;
use crate::domain::lifecycle::Step;
use crate::domain::schedule::Notice;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::{announcements, audit, games, outbox, rosters, schedule as due};
use crate::telemetry::span::action;

/// Cancels a game (LI-40 to LI-43): row and roster stay, what was due expires, everybody but the actor is told.
/// Cancelling twice succeeds silently.
///
/// # Errors
/// Refuses who does not run the game, and a game that is over.
pub async fn cancel(app: &App, game: GameId, reason: Option<String>, actor: &Actor) -> Result<()> {
    action(info_span!("cancel", gamesched.game.id = %game), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = actor.user(&mut tx, app.clock).await?;

        let before = games::lock(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
        let roster = rosters::of(&mut tx, &before).await?;
        must_run(&before, &roster, user, actor, now)?;
        match before.status.may_become(Status::Cancelled) {
            Ok(Step::Take) => {}
            Ok(Step::AlreadyTaken) => return Ok(tx.rollback().await?),
            Err(_) => return Err(Refusal::AlreadyFinished.into()),
        }

        let hidden = before.is_hidden(now);
        let after = Game { status: Status::Cancelled, cancel_reason: reason, ..before };
        games::save(&mut tx, &after, now).await?;
        due::expire_all(&mut tx, game, "cancelled").await?;
        announcements::cancel(&mut tx, game).await?;
        if !hidden {
            let view = games::view(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
            let told = recipients(&view.game, &view.roster(), Notice::Cancelled, About::AllBut(user));
            let occasion = Occasion::now(view.game.version, now);
            letters(&mut tx, &view, &told, &occasion).await?;
        }
        audit::write(&mut tx, (after.guild, game), (Some(user), actor.face), "cancel", json!({})).await?;
        let event =
            Event::Game { change: GameChange::Cancelled, game, guild: after.guild, face: actor.face, roster: vec![] };
        outbox::put(&mut tx, &event).await?;

        tx.commit().await?;
        app.hint.wake();
        Ok(())
    })
    .await
}
