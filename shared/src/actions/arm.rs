//! What lies before a game is armed here, whoever asks for it.

use crate::app::App;
use crate::domain::game::Game;
use crate::domain::roster::Row;
use crate::domain::schedule;
use crate::error::Result;
use crate::store::{Sql, announcements, schedule as due};

/// Arms the full set of transitions that lie before a game (LI-19).
pub(super) async fn transitions(sql: &mut Sql, app: &App, game: &Game) -> Result<()> {
    due::arm_transitions(sql, game, &schedule::transitions(game, app.clock.now())).await
}

/// Arms the reminders that are still ahead; none before the announcement.
pub(super) async fn reminders(sql: &mut Sql, app: &App, game: &Game) -> Result<()> {
    due::arm_notices(sql, game, None, &schedule::reminders(game, app.clock.now())).await
}

/// Arms what people are told once a game is announced: where the starters stand, and the reminders (LI-33).
pub(super) async fn notices(sql: &mut Sql, app: &App, game: &Game, starters: &[Row]) -> Result<()> {
    let now = app.clock.now();
    for row in starters.iter().filter(|row| row.who.user().is_some() && game.is_announced(now)) {
        due::arm_notices(sql, game, Some(row.id), &[schedule::join_notice(game, now)]).await?;
    }
    reminders(sql, app, game).await
}

/// A deferred announcement is due: it is posted, and people are told from now on (LI-33).
pub(super) async fn post(sql: &mut Sql, app: &App, game: &Game, starters: &[Row]) -> Result<()> {
    notices(sql, app, game, starters).await?;
    Ok(announcements::release(sql, game.id).await?)
}
