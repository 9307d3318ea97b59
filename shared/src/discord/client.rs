//! One call to Discord as the bot: bounded, told, measured, sorted.
//!
//! Routes and the limiter are twilight's; sending is ours, since its client tells neither the scope of a 429 nor the
//! status of an error page, and repeats a 429 without saying so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use twilight_http::routing::Route;
use twilight_http_ratelimiting::{Endpoint, RateLimiter};

use super::edge::{Base, Ended, Told};
use super::failure::{Class, Effect, Failure};
use super::flight::{Flight, State};
use super::limits::{self, Limit};
use crate::telemetry::users;

/// Discord wants to know who calls, in this form.
const AGENT: &str = concat!("DiscordBot (https://twilight.rs, ", env!("CARGO_PKG_VERSION"), ") game-scheduler");

/// Discord, for the bot.
#[derive(Clone, Debug)]
pub struct Discord {
    http: reqwest::Client,
    base: Base,
    token: SecretString,
    limiter: RateLimiter,
    /// The token was not accepted: it is not shown again.
    refused: Arc<AtomicBool>,
    /// Until when Discord wants nothing from us at all.
    closed: Arc<Mutex<Option<Instant>>>,
}

/// What is asked of Discord.
pub(super) struct Call<'a> {
    pub(super) route: Route<'a>,
    pub(super) template: &'static str,
    pub(super) body: Option<Value>,
    pub(super) effect: Effect,
    pub(super) deadline: Duration,
    /// A part of the path that is nobody's business; such a call goes without our own token.
    pub(super) secret: Option<&'a str>,
}

/// A call that failed, and the word for it where no status says it.
type Failed = (Failure, &'static str);

impl Discord {
    /// A client for the bot's token that sends at most so many requests `a_second`, answers to interactions left out. Call
    /// it inside a runtime: the rate limiter runs beside it.
    ///
    /// # Errors
    /// When `api_url` is no HTTP URL.
    pub fn new(api_url: &str, token: &SecretString, a_second: u16) -> anyhow::Result<Self> {
        let base = Base::parse(api_url)?;
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(AGENT);
        let http = builder.build().context("building the client for Discord")?;
        let token = format!("Bot {}", token.expose_secret().trim_start_matches("Bot ")).into();
        let limiter = RateLimiter::new(a_second.max(1));
        Ok(Self { http, base, token, limiter, refused: Arc::default(), closed: Arc::default() })
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, Failure> {
        let told = Told::start(&self.base, call.route.method().name(), call.template, &shown(&call));
        let flight = Flight::new();
        let until = Instant::now() + call.deadline;
        let tried = tokio::time::timeout_at(until, told.span().inside(self.ask(&call, until, &flight))).await;
        let state = flight.state();
        let result = tried.unwrap_or_else(|_| Err(past_deadline(&state)));
        let (code, error) = match &result {
            Ok(_) => (None, None),
            Err((failure, error)) => (failure.code, Some(*error)),
        };
        let resends = state.tries.saturating_sub(1);
        let State { status, limited, waited, .. } = state;
        told.end(&Ended { status, code, error, resends, limited, waited: Some(waited) });
        result.map_err(|(failure, _)| failure)
    }

    /// Tries until Discord says something else than 429, with a permit for each try.
    async fn ask(&self, call: &Call<'_>, until: Instant, flight: &Flight) -> Result<Value, Failed> {
        if call.secret.is_none() && self.refused.load(Ordering::Relaxed) {
            return Err((Failure::silent(Class::Credential), "unauthorized"));
        }
        loop {
            let endpoint = Endpoint { method: call.route.method(), path: path(call) };
            let permit = self.limiter.acquire(endpoint).await;
            self.opened(call, until).await?;
            flight.permitted();
            let response = self.send(call).await?;
            let status = response.status().as_u16();
            flight.answered(status);
            if status != 429 {
                permit.complete(limits::bucket(response.headers()));
                return self.read(call, response).await;
            }
            let headers = response.headers().clone();
            let body = response.bytes().await.unwrap_or_default();
            let failure = Failure::answered(status, &body, call.effect);
            let limit = Limit::told(&headers, failure.retry_after);
            let opens = Instant::now() + limit.pause;
            if limit.scope == "global" {
                self.close(opens);
            }
            permit.complete(limit.bucket);
            flight.limited(limit.scope);
            if opens >= until {
                return Err((Failure { retry_after: Some(limit.pause), ..failure }, "ratelimited"));
            }
            sleep_until(opens).await;
        }
    }

    /// Waits while Discord wants nothing from us at all; answers to interactions are none of its business.
    async fn opened(&self, call: &Call<'_>, until: Instant) -> Result<(), Failed> {
        while let Some(opens) = self.closed_until().filter(|opens| call.secret.is_none() && *opens > Instant::now()) {
            if opens >= until {
                let retry_after = Some(opens - Instant::now());
                return Err((Failure { retry_after, ..Failure::silent(Class::Wait) }, "ratelimited"));
            }
            sleep_until(opens).await;
        }
        if Instant::now() >= until {
            return Err((Failure::silent(Class::Wait), "ratelimited"));
        }
        Ok(())
    }

    /// The end of the last limit of everything, which may be over.
    pub(super) fn closed_until(&self) -> Option<Instant> {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, opens: Instant) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = (*closed).max(Some(opens));
    }

    async fn send(&self, call: &Call<'_>) -> Result<Response, Failed> {
        let method = Method::from_bytes(call.route.method().name().as_bytes());
        let method = method.map_err(|_| (Failure::silent(Class::Poison), "client"))?;
        let bodiless = method == Method::GET || method == Method::DELETE;
        let mut request = self.http.request(method, self.base.api(&format!("/{}", call.route)));
        if call.secret.is_none() {
            request = request.header(AUTHORIZATION, self.token.expose_secret());
        }
        request = match &call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
            None if bodiless => request,
            None => request.header(CONTENT_LENGTH, 0),
        };
        request.send().await.map_err(sort)
    }

    async fn read(&self, call: &Call<'_>, response: Response) -> Result<Value, Failed> {
        let status = response.status();
        if status.as_u16() == 401 && call.secret.is_none() {
            self.refused.store(true, Ordering::Relaxed);
        }
        let bytes = response.bytes().await;
        if !status.is_success() {
            // The status says enough, whatever became of the body.
            let body = bytes.unwrap_or_default();
            return Err((Failure::answered(status.as_u16(), &body, call.effect), "answer"));
        }
        let unreadable = (Failure::silent(Class::Unknown), "unreadable");
        let bytes = bytes.map_err(sort)?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| unreadable)
    }
}

/// The path without its query and without a slash in front.
fn path(call: &Call<'_>) -> String {
    let path = call.route.to_string();
    path.split('?').next().unwrap_or_default().to_owned()
}

/// The path as telemetry may show it: secrets taken out, and people as they are shown everywhere.
fn shown(call: &Call<'_>) -> String {
    let path = format!("/{}", path(call));
    let path = call.secret.map_or_else(|| path.clone(), |secret| path.replace(secret, "REDACTED"));
    if !call.template.contains("{user_id}") {
        return path;
    }
    let segments = path.split('/').zip(call.template.split('/')).map(|(segment, template)| match template {
        "{user_id}" => users::shown(segment).unwrap_or_else(|| "REDACTED".to_owned()),
        _ => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Past the deadline: waiting for a permit nothing was done, else nobody knows.
fn past_deadline(state: &State) -> Failed {
    if state.in_flight {
        (Failure::silent(Class::Unknown), "timeout")
    } else {
        (Failure::silent(Class::Wait), "ratelimited")
    }
}

/// A call without an answer: what never connected did nothing, of all else nobody knows.
fn sort(error: reqwest::Error) -> Failed {
    if error.is_builder() {
        return (Failure::silent(Class::Poison), "client");
    }
    if error.is_connect() {
        return (Failure::silent(Class::Retry), "connect");
    }
    (Failure::silent(Class::Unknown), if error.is_timeout() { "timeout" } else { "io" })
}
