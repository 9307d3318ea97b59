//! The HTTP service: sign-in, guilds and games for browsers and programs.

mod access;
mod auth;
pub mod config;
mod docs;
mod edge;
mod extract;
mod fields;
mod games;
mod guilds;
mod health;
mod live;
mod mentions;
mod once;
pub mod problem;
mod room;
pub mod router;
pub mod run;
pub mod seal;
pub mod serve;
mod session;
mod templates;
pub mod trace;
mod windows;

use std::sync::Arc;

use shared::app::App;
use shared::cache::Cache;
use shared::cache::projection::Projection;
use shared::discord::oauth::OAuth;
use shared::error::Error;
use shared::store::Sql;
use tokio_util::sync::CancellationToken;

use config::Web;
use live::Live;
use problem::Problem;
use seal::Keys;
use windows::Windows;

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct Api {
    app: App,
    cache: Cache,
    projection: Projection,
    windows: Windows,
    live: Live,
    oauth: OAuth,
    keys: Keys,
    web: Arc<Web>,
}

impl Api {
    /// Puts it together; what stays open ends at `stop`.
    ///
    /// # Errors
    /// When `TOKEN_KEY` holds no key.
    pub fn new(app: App, cache: Cache, oauth: OAuth, web: Web, stop: CancellationToken) -> anyhow::Result<Self> {
        let (projection, windows) = (cache.projection(), Windows::new(cache.clone()));
        let live = Live::new(stop);
        Ok(Self { app, cache, projection, windows, live, oauth, keys: web.keys()?, web: Arc::new(web) })
    }

    /// A connection for single statements.
    async fn sql(&self) -> Result<Sql, Problem> {
        self.app.db.connection().await.map_err(|error| Error::from(error).into())
    }
}
