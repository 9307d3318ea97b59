//! Signing in with Discord: the code for tokens, and who that is. Follows no redirects.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::edge::{Base, Ended, Told};
use super::failure::{Class, Effect, Failure};
use super::limits;
use crate::domain::ids::{DiscordGuild, DiscordUser};

/// A person waits in front of a browser.
const DEADLINE: Duration = Duration::from_secs(5);

/// Discord, for the web's sign-in.
#[derive(Clone, Debug)]
pub struct OAuth {
    http: reqwest::Client,
    base: Base,
    client_id: String,
    client_secret: SecretString,
}

/// What Discord grants.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    /// For calls as the person.
    #[serde(rename = "access_token")]
    pub access: SecretString,
    /// For the next pair; each is good once.
    #[serde(rename = "refresh_token")]
    pub refresh: SecretString,
    /// Seconds until the access token ends.
    pub expires_in: u64,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct Me {
    pub id: DiscordUser,
    pub username: String,
    pub global_name: Option<String>,
    pub avatar: Option<String>,
}

/// A guild of theirs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct MyGuild {
    pub id: DiscordGuild,
    pub name: String,
    pub icon: Option<String>,
    pub owner: bool,
    /// The permission bits, as Discord's decimal text.
    pub permissions: String,
}

impl OAuth {
    /// A client for the application's credentials.
    ///
    /// # Errors
    /// When `api_url` is no HTTP URL.
    pub fn new(api_url: &str, client_id: &str, client_secret: SecretString) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .user_agent(concat!("game-scheduler/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("building the client for sign-ins")?;
        Ok(Self { http, base: Base::parse(api_url)?, client_id: client_id.to_owned(), client_secret })
    }

    /// The code of a callback for tokens.
    ///
    /// # Errors
    /// Class `Permanent` when Discord refuses the code, others when it is away.
    pub async fn exchange(&self, code: &str, verifier: &str, redirect_uri: &str) -> Result<Tokens, Failure> {
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ];
        read(&self.grant("/oauth2/token", &grant).await?)
    }

    /// A refresh token for the next pair.
    ///
    /// # Errors
    /// Class `Permanent` when Discord refuses it, others when it is away.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, Failure> {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
        read(&self.grant("/oauth2/token", &grant).await?)
    }

    /// Ends the whole authorisation.
    ///
    /// # Errors
    /// When Discord does not.
    pub async fn revoke(&self, token: &SecretString) -> Result<(), Failure> {
        self.grant("/oauth2/token/revoke", &[("token", token.expose_secret())]).await.map(drop)
    }

    /// Who the token stands for.
    ///
    /// # Errors
    /// Class `Credential` when the token ended, others when Discord is away.
    pub async fn me(&self, access: &SecretString) -> Result<Me, Failure> {
        read(&self.get("/users/@me", access).await?)
    }

    /// The guilds of the person.
    ///
    /// # Errors
    /// Class `Credential` when the token ended, others when Discord is away.
    pub async fn guilds(&self, access: &SecretString) -> Result<Vec<MyGuild>, Failure> {
        read(&self.get("/users/@me/guilds", access).await?)
    }

    async fn grant(&self, path: &'static str, fields: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let mut form = fields.to_vec();
        form.extend([("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose_secret())]);
        self.call("POST", path, self.http.request(Method::POST, self.base.api(path)).form(&form)).await
    }

    async fn get(&self, path: &'static str, access: &SecretString) -> Result<Vec<u8>, Failure> {
        let request = self.http.request(Method::GET, self.base.api(path)).bearer_auth(access.expose_secret());
        self.call("GET", path, request).await
    }

    async fn call(
        &self,
        method: &'static str,
        path: &'static str,
        request: RequestBuilder,
    ) -> Result<Vec<u8>, Failure> {
        let told = Told::start(&self.base, method, path, path);
        let mut limited = Vec::new();
        let result = told.span().inside(ask(request, &mut limited)).await;
        let status = result.as_ref().map_or_else(|(failure, _)| failure.status, |(status, _)| Some(*status));
        let error = result.as_ref().err().map(|(_, error)| *error);
        let code = result.as_ref().err().and_then(|(failure, _)| failure.code);
        told.end(&Ended { status, code, error, limited, ..Ended::default() });
        result.map(|(_, body)| body).map_err(|(failure, _)| failure)
    }
}

async fn ask(
    request: RequestBuilder,
    limited: &mut Vec<&'static str>,
) -> Result<(u16, Vec<u8>), (Failure, &'static str)> {
    let response = request.send().await.map_err(sort)?;
    let status = response.status().as_u16();
    if status == 429 {
        limited.push(limits::scope(response.headers()));
    }
    let body = response.bytes().await.map_err(sort)?;
    if (200..300).contains(&status) {
        return Ok((status, body.to_vec()));
    }
    let mut failure = Failure::answered(status, &body, Effect::Changes);
    // Here a 400 is a refused grant (RFC 6749, 5.2).
    if status == 400 {
        failure.class = Class::Permanent;
    }
    Err((failure, "answer"))
}

fn sort(error: reqwest::Error) -> (Failure, &'static str) {
    if error.is_connect() {
        return (Failure::silent(Class::Retry), "connect");
    }
    (Failure::silent(Class::Unknown), if error.is_timeout() { "timeout" } else { "io" })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::silent(Class::Unknown))
}
