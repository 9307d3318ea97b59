//! What holds for every request: room, time, panics, foreign sites, and the headers of every answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use futures_util::FutureExt as _;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use shared::error::Refusal;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::config::Web;
use crate::once::REPLAYED;
use crate::problem::Problem;
use crate::session;

/// Requests at once; one more is sent away instead of waiting without bound.
const ROOM: usize = 512;
/// A request has this long (L-41).
const TIME: Duration = Duration::from_secs(10);

/// On every answer, unless it has its own: a browser keeps, frames, guesses and shares nothing of it.
const HEADERS: [(HeaderName, &str); 9] = [
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), ""),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// What the layer knows.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    room: Arc<Semaphore>,
    origins: Arc<[HeaderValue]>,
    secure: bool,
}

impl Edge {
    pub(crate) fn new(web: &Web) -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM)), origins: web.origins().into(), secure: web.cookie_secure }
    }

    /// Browsers may read our answers from these origins and no others (AU-13).
    pub(crate) fn cors(&self) -> CorsLayer {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins.iter().cloned()))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([header::ETAG, header::RETRY_AFTER, REPLAYED])
            .max_age(Duration::from_secs(600))
    }

    /// A browser that acts for another site is not followed, whatever cookies it brings (AU-13).
    fn is_foreign(&self, method: &Method, headers: &HeaderMap) -> bool {
        if method.is_safe() || CookieJar::from_headers(headers).get(session::COOKIE).is_none() {
            return false;
        }
        let foreign_origin = headers.get(header::ORIGIN).is_some_and(|origin| !self.origins.contains(origin));
        foreign_origin || headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
    }

    fn finish(&self, mut response: Response) -> Response {
        let signed_out = response.status() == StatusCode::UNAUTHORIZED;
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if signed_out {
            let gone = session::removal(self.secure).to_string();
            headers.extend(HeaderValue::from_str(&gone).ok().map(|gone| (header::SET_COOKIE, gone)));
        }
        response
    }
}

/// Puts the headers on every answer, whoever gives it.
pub(crate) async fn careful(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    edge.finish(next.run(request).await)
}

/// Carries a request through, within its bounds.
pub(crate) async fn edge(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    if edge.is_foreign(request.method(), request.headers()) {
        Problem::from(Refusal::CrossSite).into_response()
    } else {
        match edge.room.try_acquire() {
            Ok(_place) => bounded(request, next).await,
            Err(_) => Problem::from(Refusal::TryLater { seconds: 1 }).into_response(),
        }
    }
}

async fn bounded(request: Request, next: Next) -> Response {
    let caught = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(TIME, caught).await {
        Ok(Ok(response)) => response,
        // The panic hook has logged it, with the place and the ids of this span.
        Ok(Err(_)) => Problem::fault().into_response(),
        Err(_) => {
            tracing::warn!(error.type = "timeout", "a request took longer than {} s and was given up", TIME.as_secs());
            Problem::from(Refusal::TryLater { seconds: 2 }).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::web;

    fn foreign(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Edge::new(&web()).is_foreign(&method, &pairs.collect())
    }

    #[test]
    fn a_session_is_not_used_for_another_site() {
        let cookie = ("cookie", "session_token=t");
        assert!(foreign(Method::POST, &[cookie, ("origin", "https://evil.example")]));
        assert!(foreign(Method::POST, &[cookie, ("origin", "null")]));
        assert!(foreign(Method::DELETE, &[cookie, ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn the_client_itself_programs_and_reading_pass() {
        let cookie = ("cookie", "session_token=t");
        assert!(!foreign(Method::POST, &[cookie, ("origin", "https://play.example")]));
        assert!(!foreign(Method::POST, &[cookie]));
        assert!(!foreign(Method::GET, &[cookie, ("origin", "https://evil.example")]));
        assert!(!foreign(Method::POST, &[("origin", "https://evil.example")]));
    }
}
