//! Editing a game.

use serde_json::json;
use tracing::instrument;

use super::create::arm;
use super::must_run;
use crate::app::{Actor, App};
use crate::domain::form::{Edit, EditRefusal};
use crate::domain::game::Game;
use crate::domain::ids::GameId;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::{Sql, announcements, audit, games, outbox, rosters, schedule as due, templates};

/// Changes a game (LI-25 to LI-29). Whether anything changed: a form that is sent again changes nothing (LI-26).
///
/// # Errors
/// Refuses who does not run the game, values that do not hold, and what may not change now.
#[instrument(skip_all, fields(gamesched.game.id = %game))]
pub async fn update(app: &App, game: GameId, edit: Edit, actor: &Actor) -> Result<bool> {
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
    rearm(&mut tx, app, &before, &after).await?;
    announcements::want(&mut tx, game).await?;
    let place = (after.guild, game);
    audit::write(&mut tx, place, (Some(user), actor.face), "update", json!({ "fields": changed(&before, &after) }))
        .await?;
    let event = Event::Game { change: GameChange::Updated, game, guild: after.guild, face: actor.face, roster: vec![] };
    outbox::put(&mut tx, &event).await?;

    tx.commit().await?;
    app.hint.wake();
    app.notifier.due_soon("scheduled_notifications");
    app.notifier.due_soon("scheduled_transitions");
    Ok(true)
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

/// A moved start, run time, offset or posting time moves what is due (LI-37).
async fn rearm(sql: &mut Sql, app: &App, before: &Game, after: &Game) -> Result<()> {
    let times = |game: &Game| (game.scheduled_at, game.reminder_minutes.clone(), game.ends_at(), game.post_at);
    if times(before) == times(after) {
        return Ok(());
    }
    due::expire_reminders(sql, after.id).await?;
    arm(sql, app, after).await
}

fn changed(before: &Game, after: &Game) -> Vec<&'static str> {
    let fields = [
        ("title", before.title != after.title),
        ("description", before.description != after.description),
        ("where", before.location != after.location),
        ("signup_instructions", before.signup_instructions != after.signup_instructions),
        ("scheduled_at", before.scheduled_at != after.scheduled_at),
        ("max_players", before.max_players != after.max_players),
        ("expected_duration_minutes", before.expected_duration_minutes != after.expected_duration_minutes),
        ("reminder_minutes", before.reminder_minutes != after.reminder_minutes),
        ("signup_method", before.signup_method != after.signup_method),
        ("rewards", before.rewards != after.rewards),
        ("post_at", before.post_at != after.post_at),
    ];
    fields.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
}

fn refusal(refusal: EditRefusal) -> Refusal {
    match refusal {
        EditRefusal::Invalid(fields) => Refusal::Invalid(fields),
        EditRefusal::NotEditableNow { status, fields } => Refusal::NotEditableNow { status, fields },
    }
}
