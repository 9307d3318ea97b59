//! Creating a game.

use serde_json::json;
use tracing::info_span;

use super::arm;
use crate::app::{Actor, App};
use crate::domain::form::{Form, Template};
use crate::domain::game::Game;
use crate::domain::ids::{GameId, TemplateId};
use crate::domain::permission;
use crate::domain::roster::{Roster, Who};
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::{Sql, announcements, audit, games, guilds, outbox, rosters, templates};
use crate::telemetry::span::action;

/// Creates a game from a template (LI-07, LI-22). A game that has this id already is the one that an earlier try made:
/// nothing is made twice.
///
/// # Errors
/// Refuses a form that does not hold, naming every field, and a template that the caller may not host with.
pub async fn create(
    app: &App,
    id: GameId,
    template: TemplateId,
    form: Form,
    starters: Vec<Who>,
    actor: &Actor,
) -> Result<GameId> {
    action(info_span!("create", gamesched.game.id = %id), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let host = actor.user(&mut tx, app.clock).await?;

        let template = templates::by_id(&mut tx, template).await?.ok_or(Refusal::NotFound)?;
        if !permission::may_host(&template.host_roles, &actor.roles, actor.manager) {
            return Err(Refusal::Forbidden { need: "host games with this template" }.into());
        }
        let draft = form.against(&template, now).map_err(Refusal::Invalid)?;
        let game = draft.game(id, &template, host, now);

        if !games::add(&mut tx, &game).await? {
            tx.rollback().await?;
            return Ok(id);
        }
        let mut roster = Roster::new(game.signup_method, game.max_players, Vec::new());
        let rows = roster.seed_starters(starters, now);
        if !rows.is_empty() {
            rosters::add(&mut tx, game.id, &rows).await?;
        }
        arm::notices(&mut tx, app, &game, &rows).await?;
        arm::transitions(&mut tx, app, &game).await?;
        announce(&mut tx, &game, &template).await?;
        audit::write(&mut tx, (game.guild, game.id), (Some(host), actor.face), "create", json!({})).await?;
        let (change, face) = (GameChange::Created, actor.face);
        outbox::put(&mut tx, &Event::Game { change, game: game.id, guild: game.guild, face, roster: vec![] }).await?;

        tx.commit().await?;
        app.hint.wake();
        app.notifier.due_soon("scheduled_notifications");
        app.notifier.due_soon("scheduled_transitions");
        Ok(game.id)
    })
    .await
}

/// Wants the announcement, at once or when its time comes.
async fn announce(sql: &mut Sql, game: &Game, template: &Template) -> Result<()> {
    let channel = guilds::channel(sql, template.channel).await?.ok_or_else(|| {
        Refusal::field("template_id", "channel_missing", "The channel of this template is gone. Pick another one.")
    })?;
    announcements::create(sql, game.id, game.guild, channel, game.post_at.is_some()).await?;
    Ok(())
}
