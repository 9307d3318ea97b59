//! Sessions and sign-ins under way: of a token only its hash is here.

use chrono::{DateTime, Utc};

use super::{Sql, snowflake};
use crate::domain::ids::{DiscordUser, UserId};
use crate::error::Result;

/// Sessions a user may have at once; beyond that the oldest ends (L-34).
const SESSIONS: i64 = 20;

/// The SHA-256 of a token.
pub type Hash = [u8; 32];

/// A session and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Session {
    pub user: UserId,
    pub discord: DiscordUser,
    pub username: String,
    pub global_name: Option<String>,
    pub avatar: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// A session to be.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct Opening<'a> {
    pub token: Hash,
    pub user: UserId,
    pub now: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub user_agent_family: &'static str,
    pub sealed_discord_tokens: &'a [u8],
    /// The session that this browser had before; it ends at once (AU-05).
    pub replaces: Option<Hash>,
}

/// A sign-in under way.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns, by their own names")]
pub struct SignIn {
    pub cookie: Vec<u8>,
    pub sealed_verifier: Vec<u8>,
    /// Which of the configured addresses it returns to.
    pub return_to: i16,
    pub expires_at: DateTime<Utc>,
}

/// The session of a token, unless it ended.
///
/// # Errors
/// When the database is away.
pub async fn find(sql: &mut Sql, token: &Hash, now: DateTime<Utc>) -> Result<Option<Session>> {
    let row = sqlx::query!(
        "/* SELECT sessions users */ select s.user_id, u.discord_id, u.username, u.global_name, u.avatar, s.created_at,
           s.last_seen_at, s.ends_at
         from sessions s join users u on u.id = s.user_id
         where s.token_sha256 = $1 and s.ends_at > $2",
        &token[..],
        now,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Session {
        user: UserId(row.user_id),
        discord: snowflake(row.discord_id)?,
        username: row.username,
        global_name: row.global_name,
        avatar: row.avatar,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        ends_at: row.ends_at,
    }))
}

/// Opens a session. The hashes of those that ended for it: the one it replaces, and the oldest beyond the limit.
///
/// # Errors
/// When the database is away.
pub async fn open(sql: &mut Sql, opening: &Opening<'_>) -> Result<Vec<Vec<u8>>> {
    let ended = sqlx::query_scalar!(
        "/* INSERT sessions */ with added as (
           insert into sessions
             (token_sha256, user_id, created_at, last_seen_at, ends_at, user_agent_family, sealed_discord_tokens)
           values ($1, $2, $3, $3, $4, $5, $6))
         delete from sessions where token_sha256 = $7 or token_sha256 in (
           select token_sha256 from sessions where user_id = $2 and token_sha256 is distinct from $7
           order by created_at desc, token_sha256 offset $8)
         returning token_sha256",
        &opening.token[..],
        opening.user.0,
        opening.now,
        opening.ends_at,
        opening.user_agent_family,
        opening.sealed_discord_tokens,
        opening.replaces.as_ref().map(|hash| &hash[..]),
        SESSIONS - 1,
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(ended)
}

/// Extends a session that was used; false when it ended meanwhile.
///
/// # Errors
/// When the database is away.
pub async fn touch(sql: &mut Sql, token: &Hash, now: DateTime<Utc>, ends_at: DateTime<Utc>) -> Result<bool> {
    let touched = sqlx::query!(
        "/* UPDATE sessions */ update sessions set last_seen_at = $2, ends_at = $3
         where token_sha256 = $1 and ends_at > $2",
        &token[..],
        now,
        ends_at,
    )
    .execute(&mut *sql)
    .await?;
    Ok(touched.rows_affected() == 1)
}

/// Ends a session. Its sealed Discord tokens, if there was one.
///
/// # Errors
/// When the database is away.
pub async fn end(sql: &mut Sql, token: &Hash) -> Result<Option<Vec<u8>>> {
    let sealed = sqlx::query_scalar!(
        "/* DELETE sessions */ delete from sessions where token_sha256 = $1 returning sealed_discord_tokens",
        &token[..],
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(sealed.flatten())
}

/// Keeps a sign-in until the browser comes back from Discord.
///
/// # Errors
/// When the database is away.
pub async fn begin_sign_in(sql: &mut Sql, state: &Hash, sign_in: &SignIn) -> Result<()> {
    sqlx::query!(
        "/* INSERT oauth_states */ insert into oauth_states
           (state_sha256, cookie_sha256, sealed_verifier, return_to, expires_at)
         values ($1, $2, $3, $4, $5)",
        &state[..],
        sign_in.cookie,
        sign_in.sealed_verifier,
        sign_in.return_to,
        sign_in.expires_at,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Takes a sign-in, once and never again, whatever becomes of it (AU-02).
///
/// # Errors
/// When the database is away.
pub async fn take_sign_in(sql: &mut Sql, state: &Hash) -> Result<Option<SignIn>> {
    let row = sqlx::query!(
        "/* DELETE oauth_states */ delete from oauth_states where state_sha256 = $1
         returning cookie_sha256, sealed_verifier, return_to, expires_at",
        &state[..],
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(row.map(|row| SignIn {
        cookie: row.cookie_sha256,
        sealed_verifier: row.sealed_verifier,
        return_to: row.return_to,
        expires_at: row.expires_at,
    }))
}
