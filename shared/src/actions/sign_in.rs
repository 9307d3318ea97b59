//! Signing in.

use chrono::{DateTime, Utc};
use tracing::info_span;

use crate::app::App;
use crate::domain::ids::UserId;
use crate::error::Result;
use crate::store::people::{self, Profile};
use crate::store::sessions::{self, Hash, Opening};
use crate::telemetry::span::action;

/// Proof of who somebody is, and the session that it opens.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// Who Discord says it is.
    pub profile: &'a Profile,
    /// The hash of the new session's token.
    pub token: Hash,
    /// When the session ends unless it is used.
    pub ends_at: DateTime<Utc>,
    /// Which kind of browser, in one word.
    pub user_agent_family: &'static str,
    /// Discord's tokens, sealed for this session.
    pub sealed_discord_tokens: &'a [u8],
    /// The session that this browser had before.
    pub replaces: Option<Hash>,
}

/// Makes or refreshes the user and opens a session (AU-03, AU-05). The user, and the sessions that ended for it.
///
/// # Errors
/// When the database is away.
pub async fn sign_in(app: &App, sign_in: &SignIn<'_>) -> Result<(UserId, Vec<Vec<u8>>)> {
    action(info_span!("sign_in"), async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = people::meet(&mut tx, sign_in.profile, now).await?;
        let opening = Opening {
            token: sign_in.token,
            user,
            now,
            ends_at: sign_in.ends_at,
            user_agent_family: sign_in.user_agent_family,
            sealed_discord_tokens: sign_in.sealed_discord_tokens,
            replaces: sign_in.replaces,
        };
        let ended = sessions::open(&mut tx, &opening).await?;
        tx.commit().await?;
        Ok((user, ended))
    })
    .await
}
