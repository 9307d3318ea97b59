//! Joining a game.

use serde_json::json;
use tracing::info_span;

use super::{must_be_open, must_see};
use crate::app::{Actor, App};
use crate::domain::game::{Game, SignupMethod};
use crate::domain::ids::{GameId, ParticipantId, UserId};
use crate::domain::permission::Unseen;
use crate::domain::roster::{Joined, Place, Roster, RosterRefusal, Row};
use crate::domain::{permission, schedule};
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange, RosterEvent};
use crate::store::{announcements, audit, games, outbox, rosters, schedule as due};
use crate::telemetry::span::action;

/// Where somebody sits.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The row.
    pub row: Row,
    /// Confirmed or waiting, and the number.
    pub place: Place,
    /// How many seats there are.
    pub seats: i32,
    /// How people get one.
    pub method: SignupMethod,
    /// They were in before: nothing changed (GE-08).
    pub already: bool,
}

/// Joins by oneself (RO-12): the same from every face.
///
/// # Errors
/// Refuses what is hidden, gated, not open, or the host's to decide.
pub async fn join(app: &App, game: GameId, actor: &Actor) -> Result<Seat> {
    action(info_span!("join", gamesched.game.id = %game), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = actor.user(&mut tx, app.clock).await?;

        let game = games::lock(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
        let mut roster = rosters::of(&mut tx, &game).await?;
        must_see(&game, &roster, user, actor, now)?;
        must_pass(&game, &roster, user, actor)?;
        must_be_open(&game, now)?;
        let joined = roster.join(user, &actor.roles, &game.priority_roles, now).map_err(refusal)?;
        let seat = |row, already| Seat {
            row,
            place: joined.place(),
            seats: game.max_players,
            method: game.signup_method,
            already,
        };
        let row = match &joined {
            Joined::Added { row, .. } => row.clone(),
            Joined::Already { .. } => {
                let row = roster.rows().iter().find(|row| row.who.user() == Some(user)).cloned();
                tx.rollback().await?;
                return Ok(seat(row.ok_or(Refusal::NotFound)?, true));
            }
        };

        rosters::add(&mut tx, game.id, std::slice::from_ref(&row)).await?;
        due::arm_notices(&mut tx, &game, Some(row.id), &[schedule::join_notice(&game, now)]).await?;
        announcements::want(&mut tx, game.id).await?;
        let place = (game.guild, game.id);
        audit::write(&mut tx, place, (Some(user), actor.face), "join", changes(row.id)).await?;
        let (change, roster) = (GameChange::RosterChanged, vec![RosterEvent::Joined]);
        outbox::put(&mut tx, &Event::Game { change, game: game.id, guild: game.guild, face: actor.face, roster })
            .await?;

        tx.commit().await?;
        app.hint.wake();
        Ok(seat(row, false))
    })
    .await
}

/// The player gate holds on every face and for managers, too; the host passes, and so does who is in (PE-06).
fn must_pass(game: &Game, roster: &Roster, user: UserId, actor: &Actor) -> Result<()> {
    let passes = game.host == user || roster.place_of_user(user).is_some();
    if passes || permission::may_join(&game.player_roles, &actor.roles) {
        return Ok(());
    }
    Err(Refusal::from(Unseen::Gated).into())
}

fn changes(row: ParticipantId) -> serde_json::Value {
    json!({ "participant": row })
}

fn refusal(refusal: RosterRefusal) -> Refusal {
    match refusal {
        RosterRefusal::HostPicks => Refusal::HostPicks,
        RosterRefusal::RosterFull => Refusal::RosterFull,
    }
}
