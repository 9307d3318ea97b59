//! One call to Discord as the bot: bounded, told, measured, sorted.

use std::time::Duration;

use hyper_util::client::legacy::Error as Transport;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use twilight_http::error::{Error, ErrorType};
use twilight_http::request::Request;
use twilight_http::routing::Route;

use super::edge::{Base, Ended, Told};
use super::failure::{Class, Effect, Failure};
use super::overhear::{Flight, State, overhear, quietly};

/// Discord, for the bot.
#[derive(Clone, Debug)]
pub struct Discord {
    http: std::sync::Arc<twilight_http::Client>,
    base: Base,
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

impl Discord {
    /// A client for the bot's token. Call it inside a runtime: the rate limiter runs beside it.
    ///
    /// # Errors
    /// When `api_url` is no HTTP URL.
    pub fn new(api_url: &str, token: &SecretString) -> anyhow::Result<Self> {
        let base = Base::parse(api_url)?;
        let mut builder = twilight_http::Client::builder().token(token.expose_secret().to_owned());
        if let Some((address, clear)) = base.proxy() {
            builder = builder.proxy(address, clear);
        }
        Ok(Self { http: builder.build().into(), base })
    }

    pub(super) async fn call(&self, call: Call<'_>) -> Result<Value, Failure> {
        let method = call.route.method().name();
        let path = format!("/{}", call.route);
        let path = path.split('?').next().unwrap_or_default();
        let shown = call.secret.map_or_else(|| path.to_owned(), |secret| path.replace(secret, "REDACTED"));
        let told = Told::start(&self.base, method, call.template, &shown);
        let flight = Flight::new();
        let until = Instant::now() + call.deadline;
        let tried = tokio::time::timeout_at(until, told.span().inside(self.ask(call, until, &flight))).await;
        let state = flight.state();
        let result = tried.unwrap_or_else(|_| Err(past_deadline(state)));
        let (result, status, error) = match result {
            Ok((status, value)) => (Ok(value), Some(status), None),
            Err((failure, error)) => {
                let status = failure.status;
                (Err(failure), status, Some(error))
            }
        };
        let code = result.as_ref().err().and_then(|failure| failure.code);
        told.end(&Ended { status, code, error, resends: state.resends, waited: state.waited });
        result
    }

    async fn ask(
        &self,
        call: Call<'_>,
        until: Instant,
        flight: &std::sync::Arc<Flight>,
    ) -> Result<(u16, Value), (Failure, &'static str)> {
        let mut request = Request::builder(&call.route).use_authorization_token(call.secret.is_none());
        if let Some(body) = &call.body {
            request = request.body(body.to_string().into_bytes());
        }
        let request = request.build().map_err(|_| (Failure::silent(Class::Poison), "client"))?;
        let mut future = quietly(|| self.http.request::<()>(request));
        let permitted = std::sync::Arc::clone(flight);
        future.set_pre_flight(move || {
            let early = Instant::now() < until;
            if early {
                permitted.permitted();
            }
            early
        });
        let answer = overhear(std::sync::Arc::clone(flight), future).await;
        let response = answer.map_err(|error| sort(error, call.effect))?;
        let status = response.status().get();
        let unreadable = (Failure::silent(Class::Unknown), "unreadable");
        let bytes = response.bytes().await.map_err(|_| unreadable.clone())?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        Ok((status, serde_json::from_slice(&bytes).map_err(|_| unreadable)?))
    }
}

/// Past the deadline: waiting for a permit nothing was done, else nobody knows.
fn past_deadline(state: State) -> (Failure, &'static str) {
    if state.in_flight {
        (Failure::silent(Class::Unknown), "timeout")
    } else {
        (Failure::silent(Class::Wait), "ratelimited")
    }
}

fn sort(error: Error, effect: Effect) -> (Failure, &'static str) {
    let (kind, source) = error.into_parts();
    match kind {
        ErrorType::Response { body, status, .. } => (Failure::answered(status.get(), &body, effect), "answer"),
        ErrorType::Unauthorized => (Failure::silent(Class::Credential), "unauthorized"),
        ErrorType::RequestCanceled => (Failure::silent(Class::Wait), "ratelimited"),
        ErrorType::RequestTimedOut => (Failure::silent(Class::Unknown), "timeout"),
        ErrorType::RequestError => {
            let transport = source.as_ref().and_then(|source| source.downcast_ref::<Transport>());
            match transport.is_some_and(Transport::is_connect) {
                true => (Failure::silent(Class::Retry), "connect"),
                false => (Failure::silent(Class::Unknown), "io"),
            }
        }
        ErrorType::BuildingRequest | ErrorType::CreatingHeader { .. } | ErrorType::Json | ErrorType::Validation => {
            (Failure::silent(Class::Poison), "client")
        }
        // An error page of something in between; twilight does not say with which status.
        ErrorType::Parsing { .. } => (Failure::silent(Class::Unknown), "unreadable"),
        // The enum may grow; whatever comes, the effect may exist.
        _ => (Failure::silent(Class::Unknown), "io"),
    }
}
