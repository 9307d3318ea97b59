//! Signing in with Discord, who is signed in, and signing out (AU-01 to AU-11).

use axum::Json;
use axum::extract::{Extension, State};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use http::HeaderMap;
use http::header::USER_AGENT;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::actions::{self, SignIn};
use shared::discord::oauth::{Me, Tokens};
use shared::discord::{Class, Failure};
use shared::domain::ids::UserId;
use shared::error::Refusal;
use shared::store::people::Profile;
use shared::store::sessions::{self, Session};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use crate::Api;
use crate::extract::Pairs;
use crate::problem::Problem;
use crate::seal::{self, sha256};
use crate::session::{self, COOKIE, Caller, cookie};
use crate::trace::Client;
use crate::windows::Limit;

/// Ties a sign-in to the browser that began it (AU-02).
const BROWSER: &str = "sign_in_browser";
/// A sign-in may take this long (L-35).
const SIGN_IN: TimeDelta = TimeDelta::minutes(10);
/// What sealed verifiers are bound to, before the hash of their state.
const VERIFIER: &[u8] = b"oauth_states|sealed_verifier|";
/// What sealed tokens are bound to, before the hash of their session.
const TOKENS: &[u8] = b"sessions|sealed_discord_tokens|";

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Begun {
    authorization_url: String,
    state: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Opened {
    success: bool,
    message: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Extended {
    access_token: &'static str,
    expires_in: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said {
    message: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhoAmI {
    id: String,
    #[schema(value_type = Uuid)]
    user_uuid: UserId,
    username: String,
    avatar: Option<String>,
    can_be_maintainer: bool,
    is_maintainer: bool,
}

/// Discord's tokens as they are sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    access: String,
    refresh: String,
    ends_at: i64,
}

/// Begins a sign-in: where to send the browser.
#[utoipa::path(get, path = "/auth/login", params(("redirect_uri" = String, Query)),
    responses((status = 200, description = "Discord's address.", body = Begun)))]
pub(crate) async fn login(
    State(api): State<Api>,
    client: Option<Extension<Client>>,
    jar: CookieJar,
    query: Pairs,
) -> Result<(CookieJar, Json<Begun>), Problem> {
    let address = client.map_or_else(|| "unknown".to_owned(), |Extension(client)| client.0.to_string());
    api.windows.pass(Limit::SignIns, &address).await?;
    let (return_to, redirect) = api.web.redirect(query.first("redirect_uri").unwrap_or_default()).ok_or_else(|| {
        let sentence = "This is no address that may be returned to after signing in.";
        Problem::from(Refusal::field("redirect_uri", "redirect_not_allowed", sentence)).in_query()
    })?;
    let (state, verifier) = (seal::token()?, seal::token()?);
    // Two tabs that sign in at once share the cookie, so that both succeed.
    let browser = match jar.get(BROWSER).map(|cookie| cookie.value().to_owned()).filter(|value| value.len() == 43) {
        Some(browser) => browser,
        None => seal::token()?,
    };
    let hash = sha256(state.as_bytes());
    let sign_in = sessions::SignIn {
        cookie: sha256(browser.as_bytes()).to_vec(),
        sealed_verifier: api.keys.seal(&[VERIFIER, &hash].concat(), verifier.as_bytes())?,
        return_to,
        expires_at: api.app.clock.now() + SIGN_IN,
    };
    sessions::begin_sign_in(&mut api.sql().await?, &hash, &sign_in).await?;
    let authorization_url = api.web.authorization_url(redirect.as_str(), &state, &challenge(&verifier));
    let jar = jar.add(cookie(BROWSER, browser, SIGN_IN, api.web.cookie_secure));
    Ok((jar, Json(Begun { authorization_url, state })))
}

/// PKCE, S256 (RFC 7636).
fn challenge(verifier: &str) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    BASE64_URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// Ends a sign-in: the browser is back from Discord.
#[utoipa::path(get, path = "/auth/callback",
    params(("code" = Option<String>, Query), ("state" = Option<String>, Query), ("error" = Option<String>, Query)),
    responses((status = 200, description = "Signed in; the cookie is set.", body = Opened)))]
pub(crate) async fn callback(
    State(api): State<Api>,
    headers: HeaderMap,
    jar: CookieJar,
    query: Pairs,
) -> Result<(CookieJar, Json<Opened>), Problem> {
    let (verifier, redirect) = take(&api, &jar, &query).await?;
    let code = query.first("code").filter(|_| query.first("error").is_none()).ok_or(Refusal::SignInFailed)?;
    let tokens = api.oauth.exchange(code, &verifier, &redirect).await.map_err(refused)?;
    let me = api.oauth.me(&tokens.access).await.map_err(refused)?;
    let token = open(&api, &headers, &jar, &tokens, me).await?;
    // The browser's cookie stays until it ends by itself: another tab may be signing in with it, and a state works once.
    let jar = jar.add(cookie(COOKIE, token, session::lasts(), api.web.cookie_secure));
    Ok((jar, Json(Opened { success: true, message: "You are signed in." })))
}

/// The verifier and the address of a sign-in, if this browser began it and nobody took it before.
async fn take(api: &Api, jar: &CookieJar, query: &Pairs) -> Result<(String, String), Problem> {
    let state = query.first("state").ok_or(Refusal::SignInFailed)?;
    let hash = sha256(state.as_bytes());
    let taken = sessions::take_sign_in(&mut api.sql().await?, &hash).await?.ok_or(Refusal::SignInFailed)?;
    let browser = jar.get(BROWSER).map(|cookie| sha256(cookie.value().as_bytes())).unwrap_or_default();
    let is_ours = bool::from(browser.ct_eq(taken.cookie.as_slice())) && taken.expires_at > api.app.clock.now();
    let verifier = api.keys.open(&[VERIFIER, &hash].concat(), &taken.sealed_verifier);
    let verifier = verifier.filter(|_| is_ours).and_then(|verifier| String::from_utf8(verifier).ok());
    let redirect = api.web.return_to(taken.return_to).map(ToString::to_string);
    Ok(verifier.zip(redirect).ok_or(Refusal::SignInFailed)?)
}

/// What Discord does not grant is one answer; that it is away is another.
fn refused(failure: Failure) -> Problem {
    match failure.class {
        Class::Permanent | Class::Credential => Refusal::SignInFailed.into(),
        _ => {
            tracing::warn!(error.type = "discord", "nobody can sign in: {failure}");
            Refusal::TryLater { seconds: 5 }.into()
        }
    }
}

/// Opens the session. Its token, which is kept nowhere but in the cookie.
async fn open(api: &Api, headers: &HeaderMap, jar: &CookieJar, tokens: &Tokens, me: Me) -> Result<String, Problem> {
    let now = api.app.clock.now();
    let token = seal::token()?;
    let hash = sha256(token.as_bytes());
    let ends_at = now.timestamp().saturating_add_unsigned(tokens.expires_in);
    let plain = json!(Sealed {
        access: tokens.access.expose_secret().to_owned(),
        refresh: tokens.refresh.expose_secret().to_owned(),
        ends_at,
    });
    let sealed = api.keys.seal(&[TOKENS, &hash].concat(), plain.to_string().as_bytes())?;
    let profile = Profile { discord: me.id, username: me.username, global_name: me.global_name, avatar: me.avatar };
    let sign_in = SignIn {
        profile: &profile,
        token: hash,
        ends_at: session::ends_at(now, now),
        user_agent_family: family(headers),
        sealed_discord_tokens: &sealed,
        replaces: session::hash(jar),
    };
    let (user, ended) = actions::sign_in(&api.app, &sign_in).await?;
    let ends_at = sign_in.ends_at;
    let Profile { discord, username, global_name, avatar } = profile;
    let opened = Session { user, discord, username, global_name, avatar, created_at: now, last_seen_at: now, ends_at };
    session::opened(api, &hash, opened, &ended).await;
    Ok(token)
}

/// One word for a person to recognise the browser by.
fn family(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // In this order, since most name those after them as well.
    let known = [("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")];
    known.into_iter().find(|(mark, _)| agent.contains(mark)).map_or("Other", |(_, family)| family)
}

/// Extends the session.
#[utoipa::path(post, path = "/auth/refresh",
    responses((status = 200, description = "When it ends, in seconds.", body = Extended)))]
pub(crate) async fn refresh(State(api): State<Api>, _: Caller, jar: CookieJar) -> Result<Json<Extended>, Problem> {
    let ends_at = session::refresh(&api, &jar).await?;
    let expires_in = (ends_at - api.app.clock.now()).num_seconds();
    Ok(Json(Extended { access_token: "in the cookie", expires_in }))
}

/// Ends the session, if there is one.
#[utoipa::path(post, path = "/auth/logout", responses((status = 200, description = "Signed out.", body = Said)))]
pub(crate) async fn logout(State(api): State<Api>, jar: CookieJar) -> Result<(CookieJar, Json<Said>), Problem> {
    if let Some(hash) = session::hash(&jar)
        && let Some(sealed) = session::end(&api, &hash).await?
    {
        revoke(&api, &[TOKENS, &hash].concat(), &sealed).await;
    }
    let jar = jar.add(session::removal(api.web.cookie_secure));
    Ok((jar, Json(Said { message: "You are signed out." })))
}

/// As best we can: the session is over either way (AU-11).
async fn revoke(api: &Api, place: &[u8], sealed: &[u8]) {
    let Some(plain) = api.keys.open(place, sealed) else { return };
    let Ok(tokens) = serde_json::from_slice::<Sealed>(&plain) else { return };
    if let Err(failure) = api.oauth.revoke(&SecretString::from(tokens.access)).await {
        tracing::warn!(error.type = "discord", "a token of Discord's could not be revoked: {failure}");
    }
}

/// Who is signed in.
#[utoipa::path(get, path = "/auth/user", responses((status = 200, description = "The caller.", body = WhoAmI)))]
pub(crate) async fn user(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI {
        id: caller.discord.to_string(),
        user_uuid: caller.user,
        username: caller.username,
        avatar: caller.avatar,
        can_be_maintainer: false,
        is_maintainer: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
