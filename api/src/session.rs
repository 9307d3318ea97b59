//! Sessions: a random token in a cookie, its hash in Postgres, a copy in Redis for half a minute.

use axum::extract::FromRequestParts;
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use shared::cache::{Away, Copied, Permit};
use shared::domain::ids::{DiscordUser, UserId};
use shared::error::Refusal;
use shared::store::sessions::{self, Hash, Session};
use shared::telemetry::span::note;
use shared::telemetry::users;

use crate::Api;
use crate::problem::Problem;
use crate::seal::{hex, sha256};
use crate::windows::Limit;

/// The cookie that carries the session.
pub(crate) const COOKIE: &str = "session_token";
/// Without use a session ends after this (L-33).
const IDLE: TimeDelta = TimeDelta::hours(24);
/// However much it is used, a session ends after this (L-33).
const ABSOLUTE: TimeDelta = TimeDelta::days(30);
/// A session that is used is written no more often than this (L-33).
const WRITTEN: TimeDelta = TimeDelta::minutes(5);

/// Whoever sent the request, signed in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: UserId,
    pub(crate) discord: DiscordUser,
    pub(crate) username: String,
    pub(crate) avatar: Option<String>,
}

/// A session as Redis keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    user: UserId,
    discord: DiscordUser,
    username: String,
    avatar: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

impl From<Session> for Kept {
    fn from(session: Session) -> Self {
        Self {
            user: session.user,
            discord: session.discord,
            username: session.username,
            avatar: session.avatar,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            ends_at: session.ends_at,
        }
    }
}

/// When a session that is used now ends.
pub(crate) fn ends_at(created_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    (now + IDLE).min(created_at + ABSOLUTE)
}

/// The hash of the session token that came along, if one did.
pub(crate) fn hash(jar: &CookieJar) -> Option<Hash> {
    jar.get(COOKIE).map(|cookie| sha256(cookie.value().as_bytes()))
}

/// The cookie of a new session (AU-04). It outlives an idle session, which ends on our side.
pub(crate) fn cookie(name: &'static str, value: String, lasts: TimeDelta, secure: bool) -> Cookie<'static> {
    let cookie = Cookie::build((name, value)).http_only(true).same_site(SameSite::Lax).path("/").secure(secure);
    let lasts = lasts.to_std().unwrap_or_default().try_into();
    lasts.map_or_else(|_| cookie.clone(), |lasts| cookie.clone().max_age(lasts)).build()
}

/// The cookie that takes the session's cookie away.
pub(crate) fn removal(secure: bool) -> Cookie<'static> {
    cookie(COOKIE, String::new(), TimeDelta::zero(), secure)
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let jar = CookieJar::from_headers(&parts.headers);
        let token = hash(&jar).ok_or(Refusal::SignedOut)?;
        let limit = if parts.method.is_safe() { Limit::Reads } else { Limit::Writes };
        let (session, permit) = enter(api, &token, limit).await?;
        if let Some(person) = users::shown(session.discord) {
            note("gamesched.user.id", person);
        }
        match permit {
            Some(answer) => api.windows.decide(limit, &hex(&token), answer)?,
            None => api.windows.pass(limit, &hex(&token)).await?,
        }
        let session = slide(api, &token, session, WRITTEN).await?;
        Ok(session.into())
    }
}

impl From<Kept> for Caller {
    fn from(kept: Kept) -> Self {
        Self { user: kept.user, discord: kept.discord, username: kept.username, avatar: kept.avatar }
    }
}

/// The session, and what Redis said of its window if it was asked: it is when it has a copy of the session, in one way
/// there and back, and tokens that nobody was given count for nobody.
async fn enter(api: &Api, token: &Hash, limit: Limit) -> Result<(Kept, Option<Result<Permit, Away>>), Problem> {
    let (copied, permit) = match api.windows.enter(limit, &hex(token)).await {
        Ok((copied, permit)) => (Ok(copied), permit.map(Ok)),
        Err(away) => (Err(away), Some(Err(away))),
    };
    Ok((known(api, token, copied).await?, permit))
}

async fn find(api: &Api, token: &Hash) -> Result<Kept, Problem> {
    let copied = api.cache.session(&hex(token)).await;
    known(api, token, copied).await
}

/// The copy in Redis, else the truth in Postgres; Redis being away is no reason to ask anybody to sign in again.
async fn known(api: &Api, token: &Hash, copied: Result<Copied<Kept>, Away>) -> Result<Kept, Problem> {
    let now = api.app.clock.now();
    match copied {
        Ok(Copied::Here(kept)) if kept.ends_at > now => return Ok(kept),
        Ok(Copied::Ended) => return Err(Refusal::SignedOut.into()),
        Ok(Copied::Here(_) | Copied::Missing) | Err(_) => {}
    }
    let session = sessions::find(&mut api.sql().await?, token, now).await?;
    let kept = Kept::from(session.ok_or(Refusal::SignedOut)?);
    let _ = api.cache.keep_session(&hex(token), &kept).await;
    Ok(kept)
}

/// Whether a session goes on; `None` when that cannot be found out.
pub(crate) async fn goes_on(api: &Api, token: &Hash) -> Option<bool> {
    match find(api, token).await {
        Ok(_) => Some(true),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Some(false),
        Err(_) => None,
    }
}

/// Extends a session that was last written longer ago than `unless`.
async fn slide(api: &Api, token: &Hash, kept: Kept, unless: TimeDelta) -> Result<Kept, Problem> {
    let now = api.app.clock.now();
    if now - kept.last_seen_at < unless {
        return Ok(kept);
    }
    let ends_at = ends_at(kept.created_at, now);
    if !sessions::touch(&mut api.sql().await?, token, now, ends_at).await? {
        return Err(Refusal::SignedOut.into());
    }
    let kept = Kept { last_seen_at: now, ends_at, ..kept };
    let _ = api.cache.keep_session(&hex(token), &kept).await;
    Ok(kept)
}

/// Extends the session now. When it ends.
pub(crate) async fn refresh(api: &Api, jar: &CookieJar) -> Result<DateTime<Utc>, Problem> {
    let token = hash(jar).ok_or(Refusal::SignedOut)?;
    let kept = find(api, &token).await?;
    Ok(slide(api, &token, kept, TimeDelta::zero()).await?.ends_at)
}

/// Keeps the first copy of a session that was just opened, and drops those that ended for it.
pub(crate) async fn opened(api: &Api, token: &Hash, session: Session, ended: &[Vec<u8>]) {
    let _ = api.cache.keep_session(&hex(token), &Kept::from(session)).await;
    for hash in ended {
        let _ = api.cache.forget_session(&hex(hash)).await;
        api.live.end(hash);
    }
}

/// Ends a session, if there was one (AU-11). Its sealed Discord tokens.
pub(crate) async fn end(api: &Api, token: &Hash) -> Result<Option<Vec<u8>>, Problem> {
    let sealed = sessions::end(&mut api.sql().await?, token).await?;
    let _ = api.cache.forget_session(&hex(token)).await;
    api.live.end(token);
    Ok(sealed)
}

/// How long the cookie of a session lasts.
pub(crate) const fn lasts() -> TimeDelta {
    ABSOLUTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let told = cookie(COOKIE, "t".into(), lasts(), true).to_string();
        for attribute in ["session_token=t", "HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=2592000"] {
            assert!(told.contains(attribute), "{told} lacks {attribute}");
        }
        assert!(!told.contains("Domain"), "{told}");
        assert!(!cookie(COOKIE, "t".into(), lasts(), false).to_string().contains("Secure"));
    }

    #[test]
    fn a_session_slides_a_day_at_a_time_and_never_past_thirty() {
        let created = DateTime::UNIX_EPOCH;
        let day = TimeDelta::days(1);
        assert_eq!(ends_at(created, created), created + day);
        assert_eq!(ends_at(created, created + day * 10), created + day * 11);
        assert_eq!(ends_at(created, created + day * 29 + TimeDelta::hours(12)), created + day * 30);
    }
}
