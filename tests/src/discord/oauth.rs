//! Signing in: authorize with PKCE, token, refresh, revoke.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Json, Router, routing};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::page::{escape, query_value};
use super::state::{App, World, secret};

const TOKEN_LIFE: Duration = Duration::from_secs(604_800);
const CODE_LIFE: Duration = Duration::from_secs(60);

/// Codes and tokens that were given out.
#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<String, Code>,
    tokens: Vec<Grant>,
}

struct Code {
    user: u64,
    redirect_uri: String,
    challenge: Option<String>,
    scope: String,
    born: Instant,
}

struct Grant {
    user: u64,
    scope: String,
    access: String,
    refresh: String,
    until: Instant,
}

/// What the authorization page is asked.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ask {
    client_id: u64,
    redirect_uri: String,
    response_type: String,
    scope: String,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    #[serde(rename = "as")]
    approve_as: Option<u64>,
    deny: Option<u8>,
}

/// The routes of signing in, below any prefix.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/oauth2/token", routing::post(token)).route("/oauth2/token/revoke", routing::post(revoke))
}

/// `GET /oauth2/authorize`
pub(super) async fn authorize(State(app): State<App>, Query(ask): Query<Ask>) -> Response {
    if let Err(reason) = app.edit(|world| world.may_ask(&ask)) {
        return (StatusCode::BAD_REQUEST, reason).into_response();
    }
    if ask.deny.is_some() {
        return back(&ask, "error=access_denied&error_description=The+resource+owner+denied+the+request");
    }
    let Some(user) = ask.approve_as else {
        return app.read(|world| world.sign_in_page(&ask));
    };
    match app.edit(|world| world.approve(&ask, user)) {
        Some(code) => back(&ask, &format!("code={code}")),
        None => (StatusCode::BAD_REQUEST, "there is no such user").into_response(),
    }
}

fn back(ask: &Ask, with: &str) -> Response {
    let mark = if ask.redirect_uri.contains('?') { '&' } else { '?' };
    let state = ask.state.as_deref().map(|state| format!("&state={}", query_value(state))).unwrap_or_default();
    (StatusCode::FOUND, [(header::LOCATION, format!("{}{mark}{with}{state}", ask.redirect_uri))]).into_response()
}

impl World {
    fn may_ask(&mut self, ask: &Ask) -> Result<(), &'static str> {
        let places = &self.application.redirect_uris;
        if ask.client_id != self.application.id {
            return Err("Unknown Application");
        }
        if !places.is_empty() && !places.contains(&ask.redirect_uri) {
            return Err("Invalid OAuth2 redirect_uri");
        }
        if ask.response_type != "code" {
            return Err("Invalid response_type");
        }
        if ask.code_challenge.is_some() && ask.code_challenge_method.as_deref() != Some("S256") {
            return Err("Invalid code_challenge_method");
        }
        if ask.code_challenge.is_none() {
            self.violation("authorize without code_challenge");
        }
        if ask.state.is_none() {
            self.violation("authorize without state");
        }
        Ok(())
    }

    fn approve(&mut self, ask: &Ask, user: u64) -> Option<String> {
        self.users.get(&user)?;
        let code = secret("oauth-code");
        let granted = Code {
            user,
            redirect_uri: ask.redirect_uri.clone(),
            challenge: ask.code_challenge.clone(),
            scope: ask.scope.clone(),
            born: Instant::now(),
        };
        self.grants.codes.insert(code.clone(), granted);
        Some(code)
    }

    fn sign_in_page(&self, ask: &Ask) -> Response {
        let mut fixed = format!(
            "/oauth2/authorize?client_id={}&response_type=code&redirect_uri={}&scope={}",
            ask.client_id,
            query_value(&ask.redirect_uri),
            query_value(&ask.scope),
        );
        let optional = [
            ("state", &ask.state),
            ("code_challenge", &ask.code_challenge),
            ("code_challenge_method", &ask.code_challenge_method),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                fixed += &format!("&{name}={}", query_value(value));
            }
        }
        let fixed = escape(&fixed);
        let people = self.users.values().filter(|user| !user.bot);
        let links: String = people
            .map(|user| format!("<li><a href=\"{fixed}&amp;as={}\">{}</a></li>", user.id, escape(&user.username)))
            .collect();
        let name = escape(&self.application.name);
        Html(format!(
            "<!doctype html><meta charset=utf-8><title>Sign in</title><style>body{{font:16px sans-serif;margin:3em}}\
             </style><h1>{name} wants to know who you are</h1><p>Continue as:</p><ul>{links}</ul>\
             <p><a href=\"{fixed}&amp;deny=1\">Refuse</a></p>"
        ))
        .into_response()
    }

    fn redeem(&mut self, form: &HashMap<String, String>) -> Result<Value, &'static str> {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        // Single use: it is gone even when the rest does not fit.
        let code = self.grants.codes.remove(field("code")).ok_or("invalid_grant")?;
        let verified = match &code.challenge {
            None => true,
            Some(challenge) => {
                *challenge == BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier").as_bytes()))
            }
        };
        if !verified || code.redirect_uri != field("redirect_uri") || code.born.elapsed() > CODE_LIFE {
            return Err("invalid_grant");
        }
        Ok(self.grants.give(code.user, &code.scope))
    }

    fn refresh(&mut self, form: &HashMap<String, String>) -> Result<Value, &'static str> {
        let wanted = form.get("refresh_token").ok_or("invalid_request")?;
        let at = self.grants.tokens.iter().position(|grant| grant.refresh == *wanted).ok_or("invalid_grant")?;
        let old = self.grants.tokens.remove(at);
        Ok(self.grants.give(old.user, &old.scope))
    }

    fn is_client(&self, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic = basic.and_then(|value| value.strip_prefix("Basic "));
        let decoded =
            basic.and_then(|value| BASE64_STANDARD.decode(value).ok()).and_then(|raw| String::from_utf8(raw).ok());
        let given = match decoded {
            Some(pair) => pair.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())),
            None => form.get("client_id").cloned().zip(form.get("client_secret").cloned()),
        };
        given.is_some_and(|(id, secret)| {
            id == self.application.id.to_string() && secret == self.application.client_secret
        })
    }

    /// Who a bearer token speaks for, and what it may ask.
    pub(super) fn bearer(&self, token: &str) -> Option<(u64, &str)> {
        let grant = self.grants.tokens.iter().find(|grant| grant.access == token && grant.until > Instant::now())?;
        Some((grant.user, &grant.scope))
    }

    /// Ends every sign-in of a user, as if they had removed the application.
    pub(super) fn forget_grants(&mut self, user: u64) {
        self.grants.tokens.retain(|grant| grant.user != user);
    }
}

impl Grants {
    fn give(&mut self, user: u64, scope: &str) -> Value {
        let (access, refresh) = (secret("oauth-access"), secret("oauth-refresh"));
        let answer = json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "scope": scope,
            "expires_in": TOKEN_LIFE.as_secs(),
        });
        self.tokens.push(Grant { user, scope: scope.into(), access, refresh, until: Instant::now() + TOKEN_LIFE });
        answer
    }
}

async fn token(State(app): State<App>, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    app.edit(|world| {
        if !world.is_client(&headers, &form) {
            return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
        }
        let granted = match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => world.redeem(&form),
            Some("refresh_token") => world.refresh(&form),
            Some(_) | None => Err("unsupported_grant_type"),
        };
        match granted {
            Ok(tokens) => Json(tokens).into_response(),
            Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response(),
        }
    })
}

async fn revoke(State(app): State<App>, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    app.edit(|world| {
        if !world.is_client(&headers, &form) {
            return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
        }
        let token = form.get("token").cloned().unwrap_or_default();
        let tokens = &world.grants.tokens;
        // Revoking one token revokes the whole authorization of that person.
        let owner = tokens.iter().find(|grant| grant.access == token || grant.refresh == token).map(|grant| grant.user);
        if let Some(user) = owner {
            world.forget_grants(user);
        }
        Json(json!({})).into_response()
    })
}

/// `GET /api/oauth2/authorize` leads to the page.
pub(super) async fn to_page(request: axum::extract::Request) -> Redirect {
    let query = request.uri().query().unwrap_or_default();
    Redirect::temporary(&format!("/oauth2/authorize?{query}"))
}
