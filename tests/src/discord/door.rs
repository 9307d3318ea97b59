//! What every REST request passes: the record, rate limits, scripted faults.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::faults::{self, Effect};
use super::line::Scissors;
use super::refusal::Refusal;
use super::state::{App, World, since_epoch, too_many};

/// One request that came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The method.
    pub method: String,
    /// The path with its ids and tokens replaced, without `/api/v10`.
    pub path: String,
    /// The status of the answer; none while it is out, or when the connection was cut.
    pub status: Option<u16>,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// `bot`, `user`, or `nobody` without credentials.
    pub who: String,
}

/// The state of the limits.
pub(super) struct Traffic {
    per_route: u32,
    in_all: u32,
    bot: VecDeque<Instant>,
    routes: HashMap<String, (Instant, u32)>,
    closed: HashMap<String, Instant>,
}

impl Traffic {
    pub(super) fn new(per_route: u32, in_all: u32) -> Self {
        Self { per_route, in_all, bot: VecDeque::new(), routes: HashMap::new(), closed: HashMap::new() }
    }

    /// Counts a request; answers how many remain in this second and when the next one begins.
    fn count(&mut self, key: &str) -> (Option<u32>, Duration) {
        let window = Duration::from_secs(1);
        let now = Instant::now();
        let (since, used) = self.routes.entry(key.into()).or_insert((now, 0));
        if now.duration_since(*since) >= window {
            (*since, *used) = (now, 0);
        }
        *used += 1;
        (self.per_route.checked_sub(*used), window.saturating_sub(now.duration_since(*since)))
    }
}

struct Arrival {
    record: usize,
    key: String,
    template: String,
    remaining: Option<u32>,
    reset: Duration,
    limit: u32,
    effect: Option<Effect>,
}

/// Records a request, lets scripted faults meet it, and puts the limits on the answer.
pub(super) async fn pass(
    State(app): State<App>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let arrival = app.edit(|world| world.arrive(request.method().as_str(), &path, request.headers()));
    let mut response = meet(&app, &arrival, scissors, request, next).await;
    label(response.headers_mut(), &arrival);
    app.edit(|world| {
        if !matches!(arrival.effect, Some(Effect::Drop | Effect::CommitThenDrop)) {
            world.requests[arrival.record].status = Some(response.status().as_u16());
        }
    });
    response
}

#[expect(clippy::too_many_lines, reason = "one arm a fault")]
async fn meet(app: &App, arrival: &Arrival, scissors: Scissors, request: Request, next: Next) -> Response {
    match &arrival.effect {
        None if arrival.remaining.is_none() => {
            let after = arrival.reset.as_secs_f64();
            app.edit(|world| world.shut(arrival, "user", after));
            limited(after, after, "user")
        }
        None => next.run(request).await,
        Some(Effect::RateLimited { retry_after, scope, header_after }) => {
            let header = header_after.unwrap_or(*retry_after);
            app.edit(|world| world.shut(arrival, scope, retry_after.max(header)));
            limited(*retry_after, header, scope)
        }
        Some(Effect::Status { status }) => {
            (StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY), "<html>scripted</html>").into_response()
        }
        Some(Effect::Code { status, code }) => {
            let (_, sentence) = super::refusal::usual(*code);
            Refusal::with(*status, *code, sentence).into_response()
        }
        Some(Effect::Says { status, code, message }) => Refusal::with(*status, *code, message).into_response(),
        Some(Effect::CommitThenDrop) => {
            let response = next.run(request).await;
            scissors.cut();
            response
        }
        Some(Effect::Drop) => {
            scissors.cut();
            StatusCode::BAD_GATEWAY.into_response()
        }
        Some(Effect::Delay { ms }) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            next.run(request).await
        }
        Some(Effect::AnswerLate { ms }) => {
            let response = next.run(request).await;
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            response
        }
        Some(Effect::Garbage) => {
            next.run(request).await;
            ([(header::CONTENT_TYPE, "application/json")], Body::from("{\"id\": \"4")).into_response()
        }
    }
}

fn limited(retry_after: f64, header: f64, scope: &str) -> Response {
    let global = scope == "global";
    let body = json!({ "message": "You are being rate limited.", "retry_after": retry_after, "global": global });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    let headers = response.headers_mut();
    put(headers, "retry-after", &format!("{}", header.ceil()));
    put(headers, "x-ratelimit-scope", scope);
    put(headers, "x-ratelimit-reset-after", &format!("{header:.3}"));
    put(headers, "x-ratelimit-remaining", "0");
    if global {
        put(headers, "x-ratelimit-global", "true");
    }
    response
}

fn label(headers: &mut HeaderMap, arrival: &Arrival) {
    let reset = arrival.reset.as_secs_f64();
    let named = [
        ("x-ratelimit-limit", arrival.limit.to_string()),
        ("x-ratelimit-remaining", arrival.remaining.unwrap_or(0).to_string()),
        ("x-ratelimit-reset-after", format!("{reset:.3}")),
        ("x-ratelimit-reset", format!("{:.3}", since_epoch().as_secs_f64() + reset)),
        ("x-ratelimit-bucket", bucket(&arrival.template)),
    ];
    for (name, value) in named {
        if !headers.contains_key(name) {
            put(headers, name, &value);
        }
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A short name for a route; FNV is enough to tell routes apart.
fn bucket(template: &str) -> String {
    let hash = template
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

impl World {
    fn arrive(&mut self, method: &str, path: &str, headers: &HeaderMap) -> Arrival {
        let path = path.strip_prefix("/api").unwrap_or(path);
        let path = path.strip_prefix("/v10").unwrap_or(path);
        let (template, major) = template(path);
        let who = self.who(headers);
        let route = format!("{method} {template}");
        for name in ["traceparent", "tracestate", "baggage"] {
            if headers.contains_key(name) {
                self.violation(format!("{name} arrived with {route}"));
            }
        }
        let key = format!("{route} {major}");
        let exempt = template.starts_with("/interactions/");
        let most = self.traffic.in_all;
        if who == "bot" && !exempt && too_many(&mut self.traffic.bot, Duration::from_secs(1), most as usize) {
            self.violation(format!("more than {most} requests in a second, with {route}"));
        }
        self.check_closed(&key, &route, who == "bot" && !exempt);
        let effect = faults::take(&mut self.faults, method, path, &template);
        let (remaining, reset) = self.traffic.count(&key);
        let at_ms = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
        let path = template.clone();
        self.requests.push(RequestRecord { method: method.into(), path, status: None, at_ms, who: who.into() });
        let record = self.requests.len() - 1;
        Arrival { record, key, template, remaining, reset, limit: self.traffic.per_route, effect }
    }

    fn check_closed(&mut self, key: &str, route: &str, is_bot: bool) {
        let now = Instant::now();
        self.traffic.closed.retain(|_, until| *until > now);
        if self.traffic.closed.contains_key(key) || (is_bot && self.traffic.closed.contains_key("global")) {
            self.violation(format!("{route} before its rate limit was over"));
        }
    }

    fn shut(&mut self, arrival: &Arrival, scope: &str, seconds: f64) {
        // The client measures from when the answer arrives, with a clock of its own: allow it a little.
        let until = Instant::now() + Duration::from_secs_f64((seconds - 0.05).max(0.0));
        let key = if scope == "global" { "global".into() } else { arrival.key.clone() };
        self.traffic.closed.insert(key, until);
    }

    fn who(&self, headers: &HeaderMap) -> &'static str {
        match headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            Some(value) if value.starts_with("Bot ") => "bot",
            Some(value) if value.starts_with("Bearer ") => "user",
            Some(_) | None => "nobody",
        }
    }
}

/// The path with names for its ids, and the id that makes a rate-limit bucket its own.
fn template(path: &str) -> (String, String) {
    let (mut out, mut major) = (String::new(), String::new());
    let mut before = "";
    let mut secret_next = false;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = match before {
            _ if segment.starts_with('@') => None,
            _ if secret_next => Some("{token}"),
            "channels" => Some("{channel}"),
            "guilds" => Some("{guild}"),
            "messages" => Some("{message}"),
            "members" | "users" => Some("{user}"),
            "roles" => Some("{role}"),
            "commands" => Some("{command}"),
            "applications" | "webhooks" => Some("{application}"),
            "interactions" => Some("{interaction}"),
            _ => None,
        };
        let is_id = segment.bytes().all(|byte| byte.is_ascii_digit());
        let name = name.filter(|_| is_id || secret_next);
        secret_next = name.is_some() && matches!(before, "webhooks" | "interactions");
        if major.is_empty() && matches!(before, "channels" | "guilds" | "webhooks" | "interactions") {
            segment.clone_into(&mut major);
        }
        out.push('/');
        out.push_str(name.unwrap_or(segment));
        before = segment;
    }
    (out, major)
}

#[cfg(test)]
mod specs {
    use super::template;

    #[test]
    fn a_template_holds_no_id_and_no_token() {
        for (path, expected) in [
            ("/channels/12/messages/34", "/channels/{channel}/messages/{message}"),
            ("/interactions/12/aW50/callback", "/interactions/{interaction}/{token}/callback"),
            ("/webhooks/12/aW50/messages/@original", "/webhooks/{application}/{token}/messages/@original"),
            ("/users/@me/channels", "/users/@me/channels"),
            ("/applications/1/guilds/2/commands", "/applications/{application}/guilds/{guild}/commands"),
        ] {
            assert_eq!(template(path).0, expected);
        }
    }
}
