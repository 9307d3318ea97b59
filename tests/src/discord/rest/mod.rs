//! The REST interface, version 10.

mod callbacks;
mod channels;
mod commands;
mod guilds;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::refusal::{Answer, Refusal};
use super::state::App;

/// Every route below `/api/v10`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .merge(guilds::routes())
        .merge(channels::routes())
        .merge(commands::routes())
        .merge(callbacks::routes())
        .merge(super::oauth::routes())
}

/// Proof that a request carries the bot's token.
struct Bot;

/// Whoever a request speaks for.
enum Caller {
    /// The bot.
    Bot,
    /// A person who signed in, with the scopes they gave.
    Person(u64, String),
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Answer<Self> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, token) = given.split_once(' ').unwrap_or_default();
        app.read(|world| match scheme {
            "Bot" if token == world.application.bot_token => Ok(Self::Bot),
            "Bearer" => {
                let (user, scope) = world.bearer(token).ok_or_else(Refusal::unauthorized)?;
                Ok(Self::Person(user, scope.into()))
            }
            _ => Err(Refusal::unauthorized()),
        })
    }
}

impl FromRequestParts<App> for Bot {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Answer<Self> {
        match Caller::from_request_parts(parts, app).await? {
            Caller::Bot => Ok(Self),
            Caller::Person(..) => Err(Refusal::unauthorized()),
        }
    }
}
