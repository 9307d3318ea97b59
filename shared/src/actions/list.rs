//! Looking at lists.

use tracing::info_span;

use crate::app::App;
use crate::error::Result;
use crate::store::games::{self, Filter, GameView};
use crate::telemetry::span::action;

/// A page of games.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The games in the order of LS-03.
    pub games: Vec<GameView>,
    /// How many there are on all pages together (LS-04).
    pub total: i64,
}

/// The games that a reader may open, of those they ask for: the same for the web and for commands (LS-01, DI-10).
///
/// # Errors
/// When the database is away.
pub async fn list(app: &App, filter: &Filter) -> Result<Page> {
    action(info_span!("list"), async {
        let now = app.clock.now();
        let mut sql = app.db.connection().await?;
        let (ids, total) = games::find(&mut sql, filter, now).await?;
        let games = games::views(&mut sql, &ids).await?;
        Ok(Page { games, total })
    })
    .await
}
