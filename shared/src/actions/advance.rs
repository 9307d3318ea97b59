//! A transition that is due: start, completion, and the post of a deferred announcement.

use serde_json::json;
use tracing::info_span;

use super::arm;
use crate::app::App;
use crate::domain::game::{Face, Game, Status};
use crate::domain::lifecycle::Step;
use crate::domain::schedule::Target;
use crate::error::{Refusal, Result};
use crate::events::{Event, GameChange};
use crate::store::schedule::{End, Job, end_transition, expire_reminders};
use crate::store::{Tx, announcements, audit, games, outbox, rosters};
use crate::telemetry::span::action;

/// What became of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// It happened.
    Done,
    /// Deliberately nothing, for this reason.
    Expired(&'static str),
}

/// Moves a game along and ends the due row, all in the transaction that claimed it (LI-17, LI-18).
///
/// # Errors
/// When the database is away; the row stays due.
pub async fn advance(app: &App, tx: Tx, job: &Job<Target>) -> Result<Advanced> {
    match job.kind {
        Target::InProgress => start(app, tx, job).await,
        Target::Completed => complete(app, tx, job).await,
        Target::Post => post(app, tx, job).await,
        Target::Archived | Target::Cancelled => step(app, tx, job, "advance").await,
    }
}

async fn start(app: &App, tx: Tx, job: &Job<Target>) -> Result<Advanced> {
    action(info_span!("start", gamesched.game.id = %job.game), async { step(app, tx, job, "start").await }).await
}

async fn complete(app: &App, tx: Tx, job: &Job<Target>) -> Result<Advanced> {
    action(info_span!("complete", gamesched.game.id = %job.game), async { step(app, tx, job, "complete").await }).await
}

/// The time of a deferred announcement came: reminders and the post are armed with it (LI-33).
async fn post(app: &App, tx: Tx, job: &Job<Target>) -> Result<Advanced> {
    action(info_span!("post", gamesched.game.id = %job.game), async {
        let mut tx = tx;
        let game = games::lock(&mut tx, job.game).await?.ok_or(Refusal::NotFound)?;
        // The start may have moved since: that does not withhold the post.
        if game.post_at.is_none() || matches!(game.status, Status::PendingConfirmation | Status::Cancelled) {
            return expire(tx, job, "stale").await;
        }
        let roster = rosters::of(&mut tx, &game).await?;
        let posted = Game { post_at: None, ..game };
        games::save(&mut tx, &posted, app.clock.now()).await?;
        arm::post(&mut tx, app, &posted, roster.rows()).await?;
        let advanced = finish(app, tx, job, &posted, GameChange::Updated, "post").await?;
        app.notifier.due_soon("scheduled_notifications");
        Ok(advanced)
    })
    .await
}

async fn step(app: &App, tx: Tx, job: &Job<Target>, verb: &'static str) -> Result<Advanced> {
    let mut tx = tx;
    let game = games::lock(&mut tx, job.game).await?.ok_or(Refusal::NotFound)?;
    let Some((target, change)) = goal(job.kind) else { return expire(tx, job, "stale").await };
    if game.scheduled_at != job.for_start_at {
        return expire(tx, job, "stale").await;
    }
    match game.status.may_become(target) {
        Ok(Step::Take) => {}
        Ok(Step::AlreadyTaken) => return expire(tx, job, "already_done").await,
        Err(_) => return expire(tx, job, "illegal_transition").await,
    }
    let moved = Game { status: target, ..game };
    games::save(&mut tx, &moved, app.clock.now()).await?;
    if target == Status::InProgress {
        expire_reminders(&mut tx, moved.id).await?;
    }
    announcements::want(&mut tx, moved.id).await?;
    finish(app, tx, job, &moved, change, verb).await
}

async fn finish(
    app: &App,
    tx: Tx,
    job: &Job<Target>,
    game: &Game,
    change: GameChange,
    verb: &'static str,
) -> Result<Advanced> {
    let mut tx = tx;
    let place = (game.guild, game.id);
    audit::write(&mut tx, place, (None, Face::Daemon), verb, json!({ "status": game.status.as_str() })).await?;
    let event = Event::Game { change, game: game.id, guild: game.guild, face: Face::Daemon, roster: vec![] };
    outbox::put(&mut tx, &event).await?;
    end_transition(&mut tx, job.id, End::Done).await?;
    tx.commit().await?;
    app.hint.wake();
    Ok(Advanced::Done)
}

async fn expire(tx: Tx, job: &Job<Target>, reason: &'static str) -> Result<Advanced> {
    let mut tx = tx;
    end_transition(&mut tx, job.id, End::Expired(reason)).await?;
    tx.commit().await?;
    Ok(Advanced::Expired(reason))
}

fn goal(target: Target) -> Option<(Status, GameChange)> {
    match target {
        Target::InProgress => Some((Status::InProgress, GameChange::Started)),
        Target::Completed => Some((Status::Completed, GameChange::Completed)),
        Target::Archived => Some((Status::Archived, GameChange::Archived)),
        Target::Cancelled => Some((Status::Cancelled, GameChange::Cancelled)),
        Target::Post => None,
    }
}
