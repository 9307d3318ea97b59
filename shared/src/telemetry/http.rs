//! The HTTP server edge: one span and one measurement a request, hooked in by `api/src/trace.rs`.

mod route;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method, Request, Response, Version};
use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundUpDownCounter;
use opentelemetry::propagation::Extractor;

use super::carry::{self, Place};
use super::instruments;
use super::instruments::series::Series;
use super::span::{self, Span, SpanKind};
pub use route::{Route, Routes};

/// A method that the conventions do not know; its spans are called HTTP.
const OTHER: &str = "_OTHER";
/// Attributes that a request may get, also from extractors, handlers and actions; more make its list grow.
const ATTRIBUTES: usize = 12;

/// What a problem answer tells its span; put into the response's extensions.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// The person was refused, with this code.
    Refused(&'static str),
    /// We failed.
    Fault,
}

/// What the router knows of a request.
#[derive(Debug)]
pub struct Known {
    /// The route that matched.
    pub route: Option<Arc<Route>>,
    /// What it came in by, as far as a trusted hop or we ourselves can say.
    pub scheme: &'static str,
    /// What it called us, if that can be believed.
    pub server: Option<String>,
    /// The last trusted hop.
    pub client: Option<IpAddr>,
    /// Whether the peer's `traceparent` may be the parent.
    pub trusted: bool,
}

/// Runs a request inside its SERVER span and measures it.
pub async fn serve<B, R, F>(request: Request<B>, known: Known, next: impl FnOnce(Request<B>) -> F) -> Response<R>
where
    F: Future<Output = Response<R>>,
{
    let measured = Measured::start(method(request.method()), known.scheme, known.route.clone());
    let span = start(&request, known);
    let response = span.inside(next(request)).await;
    let status = response.status().as_u16();
    span.set(KeyValue::new("http.response.status_code", i64::from(status)));
    match response.extensions().get::<Answer>() {
        Some(Answer::Refused(code)) => span.set(KeyValue::new("gamesched.refusal", *code)),
        Some(Answer::Fault) | None => {}
    }
    if status >= 500 {
        span.fail(status.to_string());
    }
    measured.end(status);
    span.end();
    response
}

fn start<B>(request: &Request<B>, known: Known) -> Span {
    let method = method(request.method());
    let verb = if method == OTHER { "HTTP" } else { method };
    let name = known.route.as_ref().map_or(verb, |route| route.name(verb));
    let Place { parent, links } = place(request.headers(), known.trusted);
    let attributes = || {
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.extend([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", short(request.uri().path()).to_owned()),
            KeyValue::new("url.scheme", known.scheme),
            KeyValue::new("network.protocol.version", version(request.version())),
        ]);
        attributes.extend(known.route.map(|route| KeyValue::new("http.route", route.template.clone())));
        attributes.extend(known.server.map(|server| KeyValue::new("server.address", shortened(server))));
        attributes.extend(known.client.map(|client| KeyValue::new("client.address", client.to_string())));
        let agent = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        attributes.extend(agent.map(|agent| KeyValue::new("user_agent.original", short(agent).to_owned())));
        attributes
    };
    span::begin(SpanKind::Server, name, attributes, links, &parent)
}

/// A trusted peer's context is the parent; anyone else's is only linked to.
fn place(headers: &HeaderMap, trusted: bool) -> Place {
    let cause = carry::extract(&Carried(headers));
    if trusted { carry::below(cause) } else { carry::root_linked(cause, "inbound") }
}

/// Headers of a request as propagators read them.
struct Carried<'a>(&'a HeaderMap);

impl Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => OTHER,
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// What a client chose, and may have chosen long.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

/// The same of what is ours to keep.
fn shortened(mut text: String) -> String {
    text.truncate(short(&text).len());
    text
}

/// Counts a request while it runs and measures it at its end, which may be that the client went away.
struct Measured {
    since: Instant,
    active: BoundUpDownCounter<i64>,
    method: &'static str,
    scheme: &'static str,
    route: Option<Arc<Route>>,
    status: Option<u16>,
}

impl Measured {
    fn start(method: &'static str, scheme: &'static str, route: Option<Arc<Route>>) -> Self {
        static ACTIVE: Series<(&str, &str), BoundUpDownCounter<i64>> = Series::new();
        let labels = || [KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", scheme)];
        let active = ACTIVE.get((method, scheme), || instruments::get().http_server_active.bind(&labels()));
        active.add(1);
        Self { since: Instant::now(), active, method, scheme, route, status: None }
    }

    fn end(mut self, status: u16) {
        self.status = Some(status);
    }

    fn labels(&self) -> Vec<KeyValue> {
        let mut labels =
            vec![KeyValue::new("http.request.method", self.method), KeyValue::new("url.scheme", self.scheme)];
        labels.extend(self.route.as_ref().map(|route| KeyValue::new("http.route", route.template.clone())));
        labels.extend(self.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        let failed = match self.status {
            None => Some("cancelled".to_owned()),
            Some(status) => (status >= 500).then(|| status.to_string()),
        };
        labels.extend(failed.map(|error| KeyValue::new("error.type", error)));
        labels
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.active.add(-1);
        let (taken, all) = (instruments::seconds(self.since), &instruments::get().http_server_duration);
        match &self.route {
            None => all.record(taken, &self.labels()),
            Some(route) => {
                let key = (self.method, self.scheme, self.status);
                route.durations.get(key, || all.bind(&self.labels())).record(taken);
            }
        }
    }
}
