//! The HTTP server edge: one span and one measurement a request, hooked in by `api/src/trace.rs`.

use std::future::Future;
use std::net::IpAddr;
use std::time::Instant;

use http::{HeaderMap, Method, Request, Response, Version};
use opentelemetry::KeyValue;

use super::carry::{self, Headers, Place};
use super::instruments;
use super::span::{self, Span, SpanKind};

/// A method that the conventions do not know; its spans are called HTTP.
const OTHER: &str = "_OTHER";

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
    /// The route's template; `None` when nothing matched.
    pub route: Option<String>,
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
    let labels =
        vec![KeyValue::new("http.request.method", method(request.method())), KeyValue::new("url.scheme", known.scheme)];
    let measured = Measured::start(labels, known.route.clone());
    let span = start(&request, &known);
    let response = span.inside(next(request)).await;
    let status = i64::from(response.status().as_u16());
    span.set(KeyValue::new("http.response.status_code", status));
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

fn start<B>(request: &Request<B>, known: &Known) -> Span {
    let method = method(request.method());
    let verb = if method == OTHER { "HTTP" } else { method };
    let name = match &known.route {
        Some(route) => format!("{verb} {route}"),
        None => verb.to_owned(),
    };
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.path", short(request.uri().path())),
        KeyValue::new("url.scheme", known.scheme),
        KeyValue::new("network.protocol.version", version(request.version())),
    ];
    attributes.extend(known.route.clone().map(|route| KeyValue::new("http.route", route)));
    attributes.extend(known.server.as_deref().map(|server| KeyValue::new("server.address", short(server))));
    attributes.extend(known.client.map(|client| KeyValue::new("client.address", client.to_string())));
    let agent = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    attributes.extend(agent.map(|agent| KeyValue::new("user_agent.original", short(agent))));
    let Place { parent, links } = place(request.headers(), known.trusted);
    span::begin(SpanKind::Server, name, attributes, links, &parent)
}

/// A trusted peer's context is the parent; anyone else's is only linked to.
fn place(headers: &HeaderMap, trusted: bool) -> Place {
    let text = |name: &str| Some((name.to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    let carried: Headers = ["traceparent", "tracestate"].into_iter().filter_map(text).collect();
    let cause = carry::extract(&carried);
    if trusted { carry::below(cause) } else { carry::root_linked(cause, "inbound") }
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
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(256)].to_owned()
}

/// Counts a request while it runs and measures it at its end, which may be that the client went away.
struct Measured {
    since: Instant,
    labels: Vec<KeyValue>,
    route: Option<String>,
    status: Option<i64>,
}

impl Measured {
    fn start(labels: Vec<KeyValue>, route: Option<String>) -> Self {
        instruments::get().http_server_active.add(1, &labels);
        Self { since: Instant::now(), labels, route, status: None }
    }

    fn end(mut self, status: i64) {
        self.status = Some(status);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        instruments::get().http_server_active.add(-1, &self.labels);
        let mut labels = std::mem::take(&mut self.labels);
        labels.extend(self.route.take().map(|route| KeyValue::new("http.route", route)));
        labels.extend(self.status.map(|status| KeyValue::new("http.response.status_code", status)));
        let failed = match self.status {
            None => Some("cancelled".to_owned()),
            Some(status) => (status >= 500).then(|| status.to_string()),
        };
        labels.extend(failed.map(|error| KeyValue::new("error.type", error)));
        instruments::get().http_server_duration.record(instruments::seconds(self.since), &labels);
    }
}
