//! A request that is repeated with its Idempotency-Key gets the first one's answer (RX-01, RX-02).

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use shared::store::idempotency::{self, Answer, Request, Turn};
use uuid::Uuid;

use crate::Api;
use crate::problem::Problem;
use crate::session::Caller;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that an answer is that of an earlier request.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key that came along, and what it is for.
#[derive(Debug)]
pub(crate) struct Once {
    key: Option<String>,
    method_path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let key = parts.headers.get(KEY).map(readable).transpose()?;
        Ok(Self { key, method_path: format!("{} {}", parts.method, parts.uri.path()) })
    }
}

/// 1 to 255 visible ASCII characters.
fn readable(value: &HeaderValue) -> Result<String, Problem> {
    let key =
        value.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    key.map(str::to_owned).ok_or_else(|| {
        Problem::unreadable("invalid_idempotency_key", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    })
}

/// What a request did.
#[derive(Debug)]
pub(crate) struct Done {
    status: StatusCode,
    body: Vec<u8>,
}

impl Done {
    /// With a body.
    pub(crate) fn with(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(anyhow::Error::new)?;
        Ok(Self { status, body })
    }

    /// Without.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new() }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let kind = if self.status.is_success() { "application/json" } else { "application/problem+json" };
        if self.body.is_empty() {
            return self.status.into_response();
        }
        (self.status, [(CONTENT_TYPE, kind)], self.body).into_response()
    }
}

impl Once {
    /// Does the work, unless a request with this key did it before. What the work makes gets the id that it is given.
    pub(crate) async fn run<F>(
        self,
        api: &Api,
        caller: &Caller,
        body: [u8; 32],
        work: impl FnOnce(Uuid) -> F,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Done, Problem>>,
    {
        let Some(key) = self.key else { return Ok(work(Uuid::now_v7()).await?.into_response()) };
        let request = Request { principal: caller.user, key, method_path: self.method_path, body };
        let id = match idempotency::begin(&mut api.sql().await?, &request, api.app.clock.now()).await? {
            Turn::Work(id) => id,
            Turn::Replay(answer) => return Ok(replay(answer)),
        };
        let result = work(id).await;
        let kept = match &result {
            Ok(done) => Some(Answer { status: done.status.as_u16(), body: done.body.clone() }),
            Err(problem) if problem.is_final() => {
                Some(Answer { status: problem.status().as_u16(), body: problem.body().to_string().into_bytes() })
            }
            Err(_) => None,
        };
        keep(api, &request, kept).await;
        Ok(result?.into_response())
    }
}

/// The work is done and is answered for, whether its answer can be kept or not.
async fn keep(api: &Api, request: &Request, answer: Option<Answer>) {
    let kept = async {
        let mut sql = api.app.db.connection().await?;
        match &answer {
            Some(answer) => idempotency::finish(&mut sql, request, answer).await,
            None => idempotency::give_up(&mut sql, request).await,
        }
    };
    if let Err(error) = kept.await {
        tracing::warn!("the answer to an Idempotency-Key was not kept: {error}");
    }
}

fn replay(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = Done { status, body: answer.body }.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_a_bounded_length() {
        assert_eq!(readable(&HeaderValue::from_static("a-key")).unwrap(), "a-key");
        for bad in [String::new(), "two words".into(), "x".repeat(256)] {
            let problem = readable(&HeaderValue::from_str(&bad).unwrap()).unwrap_err();
            assert_eq!(problem.code(), "invalid_idempotency_key");
        }
    }
}
