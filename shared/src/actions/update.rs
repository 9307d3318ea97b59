//! Editing a game.

use serde_json::json;
use tracing::info_span;

use super::moves::{self, Change};
use super::{arm, must_run};
use crate::app::{Actor, App};
use crate::domain::form::{Edit, EditRefusal, changed_fields};
use crate::domain::game::Game;
use crate::domain::ids::{GameId, UserId};
use crate::domain::roster::Roster;
use crate::domain::schedule;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::{Sql, announcements, audit, games, outbox, rosters, schedule as due, templates};
use crate::telemetry::span::action;

/// Changes a game (LI-25 to LI-29). Whether anything changed: a form that is sent again changes nothing (LI-26).
///
/// # Errors
/// Refuses who does not run the game, values that do not hold, and what may not change now.
pub async fn update(app: &App, game: GameId, edit: Edit, actor: &Actor) -> Result<bool> {
    action(info_span!("update", gamesched.game.id = %game), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = actor.user(&mut tx, app.clock).await?;

        let before = games::lock(&mut tx, game).await?.ok_or(Refusal::NotFound)?;
        let roster = rosters::of(&mut tx, &before).await?;
        must_run(&before, &roster, user, actor, now)?;
        let Some(after) = edit.apply(&before, now).map_err(refusal)? else {
            tx.rollback().await?;
            return Ok(false);
        };

        must_allow(&mut tx, &before, &after).await?;

        games::save(&mut tx, &after, now).await?;
        rearm(&mut tx, app, (&before, &after), &roster).await?;
        tell_move(&mut tx, app, (&before, &after), user).await?;
        let seats = reseated(&roster, &after);
        let change = Change { game: &after, before: &roster, after: &seats, left: None };
        let roster = moves::tell(&mut tx, &change, now).await?;
        let (place, fields) = ((after.guild, game), changed_fields(&before, &after));
        audit::write(&mut tx, place, (Some(user), actor.face), "update", json!({ "fields": fields })).await?;
        let event = Event::Game { change: GameChange::Updated, game, guild: after.guild, face: actor.face, roster };
        outbox::put(&mut tx, &event).await?;

        tx.commit().await?;
        app.hint.wake();
        app.notifier.due_soon("scheduled_notifications");
        app.notifier.due_soon("scheduled_transitions");
        Ok(true)
    })
    .await
}

/// The same rows with the seats and the method that the game has now (RO-26).
fn reseated(roster: &Roster, game: &Game) -> Roster {
    let mut after = roster.clone();
    after.resize(game.max_players);
    after.change_method(game.signup_method);
    after
}

/// A minute after the last move of the start everybody but who made it is told of the old and the new one (LI-38).
async fn tell_move(sql: &mut Sql, app: &App, (before, after): (&Game, &Game), user: UserId) -> Result<()> {
    match schedule::move_notice(before, after, app.clock.now()) {
        Some(notice) => due::arm_move(sql, after, &notice, (before.scheduled_at, user)).await,
        None => Ok(()),
    }
}

/// The template, while there is one, says which methods its games may have (TE-08).
async fn must_allow(sql: &mut Sql, before: &Game, after: &Game) -> Result<()> {
    let Some(template) = after.template.filter(|_| before.signup_method != after.signup_method) else { return Ok(()) };
    match templates::by_id(sql, template).await? {
        Some(template) if !template.allows(after.signup_method) => Err(Refusal::field(
            "signup_method",
            "method_not_allowed",
            "The template of this game does not allow this signup method.",
        )
        .into()),
        Some(_) | None => Ok(()),
    }
}

/// A moved start, run time or posting time moves the transitions, a moved start or other offsets replace the reminders
/// and no other notice (LI-37, NO-16). Without its posting time a deferred announcement is due now.
async fn rearm(sql: &mut Sql, app: &App, (before, after): (&Game, &Game), roster: &Roster) -> Result<()> {
    let times = |game: &Game| (game.scheduled_at, game.ends_at(), game.post_at);
    if times(before) != times(after) {
        arm::transitions(sql, app, after).await?;
    }
    let reminders = |game: &Game| (game.scheduled_at, game.reminder_minutes.clone());
    if reminders(before) != reminders(after) {
        due::expire_reminders(sql, after.id).await?;
        arm::reminders(sql, app, after).await?;
    }
    if before.post_at.is_some() && after.post_at.is_none() {
        return arm::post(sql, app, after, roster.rows()).await;
    }
    Ok(announcements::want(sql, after.id).await?)
}

fn refusal(refusal: EditRefusal) -> Refusal {
    match refusal {
        EditRefusal::Invalid(fields) => Refusal::Invalid(fields),
        EditRefusal::NotEditableNow { status, fields } => Refusal::NotEditableNow { status, fields },
    }
}
