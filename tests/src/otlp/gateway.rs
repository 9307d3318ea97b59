//! Grafana Cloud's way in, as far as it can be told without an account; and a tee, for comparing what was sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Client;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the gateway does with a request that is as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Takes it.
    #[default]
    Taken,
    /// Says that it was too much, and when to come again: so many seconds later.
    TooMuch(u64),
    /// Says that it cannot just now.
    Unavailable,
}

/// `/otlp/v1/{traces,metrics,logs}` for whoever knows user and password, speaks binary protobuf and packs it.
#[derive(Clone, Debug)]
pub struct Gateway {
    address: SocketAddr,
    door: Arc<Door>,
    _stop: Arc<DropGuard>,
}

/// Takes http/protobuf and passes the same bytes on to several receivers.
#[derive(Clone, Debug)]
pub struct Tee {
    address: SocketAddr,
    _stop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Door {
    client: Client,
    /// Base URLs to which what is taken goes; the last one's answer is given.
    behind: Vec<String>,
    /// User and password, if anybody asks for them.
    known: Option<Mutex<String>>,
    answer: Mutex<Answer>,
    told: Mutex<BTreeMap<(String, u16), usize>>,
}

impl Gateway {
    /// Listens on `address`, in front of an http/protobuf receiver at the URL `behind`.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(address: SocketAddr, behind: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let door = Arc::new(Door::to(vec![behind.to_owned()], Some(basic(user, password))));
        let stop = serve(address, "/otlp/v1/{signal}", door.clone())?;
        Ok(Self { address, door, _stop: stop })
    }

    /// From now on nobody else is known.
    pub fn knows(&self, user: &str, password: &str) {
        if let Some(known) = &self.door.known {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = basic(user, password);
        }
    }

    /// From now on it answers so.
    pub fn answers(&self, answer: Answer) {
        *self.door.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How often it gave a status for a signal.
    #[must_use]
    pub fn answered(&self, signal: &str, status: u16) -> usize {
        let told = self.door.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&(signal.to_owned(), status)).copied().unwrap_or_default()
    }

    /// All answers that were not 200, by signal and status.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<(String, u16), usize> {
        let told = self.door.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|((_, status), _)| *status != 200).map(|(what, times)| (what.clone(), *times)).collect()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Tee {
    /// Listens on `address`. Senders get the answer of the last receiver.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(address: SocketAddr, behind: &[String]) -> anyhow::Result<Self> {
        let stop = serve(address, "/v1/{signal}", Arc::new(Door::to(behind.to_vec(), None)))?;
        Ok(Self { address, _stop: stop })
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Door {
    fn to(behind: Vec<String>, known: Option<String>) -> Self {
        // An error only says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            client: Client::new(),
            behind,
            known: known.map(Mutex::new),
            answer: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Why a request does not get in, as Grafana Cloud would say it.
    fn refuses(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let says = |name: header::HeaderName, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
        let known = self.known.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !says(header::AUTHORIZATION, &known) {
            return Some((StatusCode::UNAUTHORIZED, "authentication error: invalid authentication credentials"));
        }
        if !says(header::CONTENT_TYPE, "application/x-protobuf") {
            return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/x-protobuf only"));
        }
        // What nobody packs costs several times as much to send.
        if !says(header::CONTENT_ENCODING, "gzip") {
            return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "gzip only"));
        }
        None
    }

    async fn answer(&self, signal: &str, headers: HeaderMap, body: Bytes) -> Response {
        if let Some((status, why)) = self.refuses(&headers) {
            return (status, why).into_response();
        }
        let answer = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Answer::Taken => self.pass_on(signal, headers, body).await,
            Answer::TooMuch(seconds) => {
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
            }
            Answer::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }

    async fn pass_on(&self, signal: &str, mut headers: HeaderMap, body: Bytes) -> Response {
        let mut answer = StatusCode::BAD_GATEWAY.into_response();
        // The client says for itself whom it asks and how much it sends.
        for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
            headers.remove(name);
        }
        for url in &self.behind {
            let request = self.client.post(format!("{url}/v1/{signal}")).headers(headers.clone()).body(body.clone());
            answer = match request.send().await {
                Ok(given) => {
                    let kind = given.headers().get(header::CONTENT_TYPE).cloned();
                    let kind = kind.map(|kind| [(header::CONTENT_TYPE, kind)]);
                    (given.status(), kind, given.bytes().await.unwrap_or_default()).into_response()
                }
                Err(_) => StatusCode::BAD_GATEWAY.into_response(),
            };
        }
        answer
    }
}

/// It has a thread of its own, as the sink has.
fn serve(address: SocketAddr, path: &'static str, door: Arc<Door>) -> anyhow::Result<Arc<DropGuard>> {
    let listener = std::net::TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
    listener.set_nonblocking(true)?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a gateway's runtime")?;
    let routes = Router::new().route(path, post(take)).layer(DefaultBodyLimit::disable()).with_state(door);
    let serving = async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is one of tokio's kind");
        tokio::select! {
            () = stopped.cancelled() => {}
            served = async { axum::serve(listener, routes).await } => served.expect("it serves until it is stopped"),
        }
    };
    std::thread::Builder::new()
        .name("otlp-gateway".to_owned())
        .spawn(move || runtime.block_on(serving))
        .context("a gateway's thread")?;
    Ok(Arc::new(stop.drop_guard()))
}

async fn take(State(door): State<Arc<Door>>, Path(signal): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = door.answer(&signal, headers, body).await;
    let mut told = door.told.lock().unwrap_or_else(PoisonError::into_inner);
    *told.entry((signal, answer.status().as_u16())).or_default() += 1;
    answer
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Sink;
    use crate::servers::ports;

    #[tokio::test]
    async fn a_gateway_takes_only_what_grafana_cloud_would_take() {
        let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a sink");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free().expect("a port")));
        let gateway = Gateway::start(address, &sink.http_url(), "7", "token").expect("a gateway");
        let known = basic("7", "token");
        // An export of nothing, packed.
        let packed = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let ask = async |known: &str, kind: &str, coding: &str| {
            let request = Client::new().post(format!("http://{address}/otlp/v1/traces")).body(packed.to_vec());
            let request = request.header("authorization", known).header("content-type", kind);
            request.header("content-encoding", coding).send().await.expect("it answers").status().as_u16()
        };
        let protobuf = "application/x-protobuf";
        assert_eq!(ask(&known, protobuf, "gzip").await, 200);
        assert_eq!(ask(&basic("8", "token"), protobuf, "gzip").await, 401);
        assert_eq!(ask(&known, "application/json", "gzip").await, 415);
        assert_eq!(ask(&known, protobuf, "identity").await, 415);
        gateway.answers(Answer::TooMuch(1));
        assert_eq!(ask(&known, protobuf, "gzip").await, 429);
        gateway.answers(Answer::Unavailable);
        assert_eq!(ask(&known, protobuf, "gzip").await, 503);
        assert_eq!(sink.received().requests.len(), 1, "and passes on only what it takes");
        assert_eq!(gateway.answered("traces", 415), 2);
    }
}
