//! Somebody with a browser and with Discord.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::discord::{Discord, Message, Pressed, ids};

/// Seats for three, an hour, and a reminder an hour before.
pub const WHOLE: [(&str, &str); 3] =
    [("max_players", "3"), ("expected_duration_minutes", "60"), ("reminder_minutes", "[60]")];

/// Somebody with a browser and with Discord.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their id in Discord.
    pub id: u64,
    api: String,
    discord: Discord,
    http: Client,
    cookies: Vec<(String, String)>,
    asked: Arc<AtomicUsize>,
}

/// What the api answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; null when it is empty or no JSON.
    pub body: Value,
}

impl Answer {
    /// A text of the body.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }
}

impl Person {
    pub(super) fn new(id: u64, api: String, discord: Discord, asked: Arc<AtomicUsize>) -> Self {
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(15))
            .build()
            .expect("the client can be built");
        Self { id, api, discord, http, cookies: Vec::new(), asked }
    }

    /// Somebody of a system that runs elsewhere, by their id in its Discord.
    #[must_use]
    pub fn visiting(id: u64, api: &str, discord: &Discord) -> Self {
        Self::new(id, api.trim_end_matches('/').to_owned(), discord.clone(), Arc::default())
    }

    /// Signs in as a browser does: the address, Discord's page, the way back.
    ///
    /// # Errors
    /// When a step does not lead to the next one.
    pub async fn sign_in(&mut self) -> Result<()> {
        let back = self.begins_sign_in().await?;
        self.ends_sign_in(&back).await
    }

    /// The first half of signing in, as far as Discord's page. What Discord sends the browser back with.
    ///
    /// # Errors
    /// When a step does not lead to the next one.
    pub async fn begins_sign_in(&mut self) -> Result<String> {
        let back = format!("{}/auth/callback", self.api);
        let login = self.request(Method::GET, &format!("/api/v1/auth/login?redirect_uri={back}")).send().await?;
        self.keep_cookies(&login);
        let login: Value = login.json().await?;
        let page = login["authorization_url"].as_str().context("no authorization_url")?;
        let approved = self.http.get(format!("{page}&as={}", self.id)).send().await?;
        let returned = approved.headers().get(LOCATION).context("Discord did not send back")?.to_str()?;
        Ok(returned.split_once('?').context("nothing came back")?.1.to_owned())
    }

    /// The second half, with what Discord sent the browser back with.
    ///
    /// # Errors
    /// When the api does not sign in.
    pub async fn ends_sign_in(&mut self, query: &str) -> Result<()> {
        let callback = self.request(Method::GET, &format!("/api/v1/auth/callback?{query}")).send().await?;
        self.keep_cookies(&callback);
        let status = callback.status();
        ensure!(status == StatusCode::OK, "the callback answered {status}: {}", callback.text().await?);
        Ok(())
    }

    /// The same person with the same session at another replica.
    pub(super) fn at(&self, api: String) -> Self {
        Self { api, ..self.clone() }
    }

    /// Somebody who reads no more than so many bytes of an answer until they ask for them; for this person's requests.
    #[must_use]
    pub fn reading_slowly(&self, bytes: u32) -> Self {
        let slow = Client::builder().http2_prior_knowledge().http2_initial_stream_window_size(bytes).build();
        Self { http: slow.expect("the client can be built"), ..self.clone() }
    }

    /// What the browser keeps under a name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    /// A request with this person's cookies. It counts as made: who asks for one sends it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.api));
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    /// Sends a request and reads the answer.
    pub async fn sends(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the api answers");
        let status = response.status().as_u16();
        let body = response.bytes().await.expect("the answer can be read");
        Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// Reads something.
    pub async fn gets(&self, path: &str) -> Answer {
        self.sends(self.request(Method::GET, path)).await
    }

    /// Does something without a body.
    pub async fn posts(&self, path: &str) -> Answer {
        self.sends(self.request(Method::POST, path)).await
    }

    /// Creates a game from the guild's default template with these fields of the form.
    pub async fn creates(&self, fields: &[(&str, &str)]) -> Answer {
        let template = self.default_template().await.expect("the guild has a default template");
        let form: Vec<_> = [("template_id", template.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.sends(self.request(Method::POST, "/api/v1/games").form(&form)).await
    }

    /// Creates the game "Citadel" in two hours, unless the fields say otherwise. Its id.
    pub async fn plans(&self, fields: &[(&str, &str)]) -> String {
        let start = in_minutes(120);
        let usual = [("title", "Citadel"), ("scheduled_at", start.as_str())];
        let unsaid = usual.into_iter().filter(|(name, _)| fields.iter().all(|(other, _)| other != name));
        let answer = self.creates(&unsaid.chain(fields.iter().copied()).collect::<Vec<_>>()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("id").to_owned()
    }

    /// Changes a game of their own.
    pub async fn edits(&self, game: &str, fields: &[(&str, &str)]) {
        let request = self.request(Method::PUT, &format!("/api/v1/games/{game}")).form(fields);
        let answer = self.sends(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The default template of the guild that this person sees first.
    ///
    /// # Errors
    /// When there is none.
    pub async fn default_template(&self) -> Result<String> {
        let guilds = self.gets("/api/v1/guilds").await;
        let guild = guilds.body["guilds"][0]["id"].as_str().with_context(|| format!("no guild: {guilds:?}"))?;
        let templates = self.gets(&format!("/api/v1/guilds/{guild}/templates")).await;
        let template = templates.body[0]["id"].as_str().with_context(|| format!("no template: {templates:?}"))?;
        Ok(template.to_owned())
    }

    /// Joins a game on the web.
    pub async fn joins(&self, game: &str) -> Answer {
        self.posts(&format!("/api/v1/games/{game}/join")).await
    }

    /// Leaves a game on the web.
    pub async fn leaves(&self, game: &str) -> Answer {
        self.posts(&format!("/api/v1/games/{game}/leave")).await
    }

    /// Cancels a game on the web.
    pub async fn cancels(&self, game: &str) -> Answer {
        self.sends(self.request(Method::DELETE, &format!("/api/v1/games/{game}"))).await
    }

    /// Presses a button of the newest announcement in `#games`.
    ///
    /// # Errors
    /// When there is no such button, or nobody answers.
    pub async fn presses(&self, label: &str) -> Result<Pressed> {
        let messages = self.discord.channel(ids::GAMES).await;
        let message = messages.last().context("there is no announcement")?;
        let button = message.button(label).with_context(|| format!("no button {label}: {}", message.as_text()))?;
        self.discord.press(self.id, message.id, &button).await
    }

    /// Sends a command in a channel of the demonstration guild, `/list-games`.
    ///
    /// # Errors
    /// When it is not registered, not offered there, or nobody answers.
    pub async fn commands(&self, channel: u64, name: &str, options: &[(&str, &str)]) -> Result<Pressed> {
        let name = self.registered(name).await?;
        self.discord.command(self.id, Some(ids::TAVERN), channel, name, options).await
    }

    /// Sends a command in the direct conversation with the bot.
    ///
    /// # Errors
    /// As `commands`.
    pub async fn commands_directly(&self, name: &str) -> Result<Pressed> {
        let name = self.registered(name).await?;
        self.discord.command(self.id, None, 0, name, &[]).await
    }

    /// The bot tells its commands a moment after it is ready.
    async fn registered<'a>(&self, name: &'a str) -> Result<&'a str> {
        let name = name.trim_start_matches('/');
        self.discord.wait_command(name, Duration::from_secs(15)).await?;
        Ok(name)
    }

    /// The direct messages that this person got.
    pub async fn inbox(&self) -> Vec<Message> {
        self.discord.inbox(self.id).await
    }

    fn keep_cookies(&mut self, response: &reqwest::Response) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let Some((name, rest)) = cookie.to_str().ok().and_then(|text| text.split_once('=')) else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.retain(|(kept, _)| kept != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The first words of a problem: what a refusal must say.
impl Answer {
    /// Status and code of a problem.
    ///
    /// # Errors
    /// When it is no problem document with a sentence.
    pub fn problem(&self) -> Result<(u16, String)> {
        let Some(code) = self.body["code"].as_str() else { bail!("no problem: {self:?}") };
        ensure!(self.body["detail"].as_str().is_some_and(|detail| detail.len() > 5), "no sentence: {self:?}");
        Ok((self.status, code.to_owned()))
    }
}

/// An instant as the form takes it.
#[must_use]
pub fn in_minutes(minutes: i64) -> String {
    #[expect(clippy::disallowed_methods, reason = "people look at their own clocks")]
    let at = chrono::Utc::now() + chrono::TimeDelta::minutes(minutes);
    json!(at).as_str().unwrap_or_default().to_owned()
}
