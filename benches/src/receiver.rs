//! An OTLP receiver that counts what comes and throws it away: what a collector costs is not measured here.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use prost::Message as _;
use tokio::sync::oneshot;

/// Of a span that somebody waits for: `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;
/// Names the receiver of a process that is measured.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Nothing came for so long: everything has come. Several times what a batch waits for.
const QUIET: Duration = Duration::from_millis(40);

/// A receiver with a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    counts: Arc<Counts>,
    _stop: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Counts {
    spans: AtomicU64,
    servers: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
}

/// What came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Spans.
    pub spans: u64,
    /// Spans of kind SERVER, one a request.
    pub servers: u64,
    /// Bytes of all signals.
    pub bytes: u64,
}

impl Receiver {
    /// Serves http/protobuf on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind(tests::world::free_address()?).context("listening")?;
        listener.set_nonblocking(true)?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let routes = routes(Arc::clone(&counts));
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
                    tokio::select! {
                        _ = axum::serve(listener, routes) => {}
                        _ = stopped => {}
                    }
                });
            })
            .context("a thread")?;
        Ok(Self { address, counts, _stop: stop })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come so far.
    #[must_use]
    pub fn received(&self) -> Received {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Received {
            spans: read(&self.counts.spans),
            servers: read(&self.counts.servers),
            bytes: read(&self.counts.bytes),
        }
    }
}

fn routes(counts: Arc<Counts>) -> Router {
    Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(others))
        .route("/v1/logs", post(others))
        .route("/requests", get(requests))
        .layer(DefaultBodyLimit::disable())
        .with_state(counts)
}

async fn traces(State(counts): State<Arc<Counts>>, body: Bytes) -> StatusCode {
    counts.count(&body);
    let Ok(export) = Export::decode(body) else { return StatusCode::BAD_REQUEST };
    let spans = export.resources.iter().flat_map(|resource| &resource.scopes).flat_map(|scope| &scope.spans);
    let (mut all, mut servers) = (0, 0);
    for span in spans {
        all += 1;
        servers += u64::from(span.kind == SERVER);
    }
    counts.spans.fetch_add(all, Ordering::Relaxed);
    counts.servers.fetch_add(servers, Ordering::Relaxed);
    StatusCode::OK
}

async fn others(State(counts): State<Arc<Counts>>, body: Bytes) -> StatusCode {
    counts.count(&body);
    StatusCode::OK
}

async fn requests(State(counts): State<Arc<Counts>>) -> String {
    counts.requests.load(Ordering::Relaxed).to_string()
}

impl Counts {
    fn count(&self, body: &Bytes) {
        self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits in a process that is measured until its receiver has got everything; without one there is nothing to wait for.
///
/// # Errors
/// When the receiver is gone.
pub fn drained() -> Result<()> {
    let Some(url) = std::env::var_os(ENDPOINT) else { return Ok(()) };
    let address = url.to_string_lossy().trim_start_matches("http://").to_owned();
    let mut before = None;
    loop {
        let now = asked(&address)?;
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        before = Some(now);
        std::thread::sleep(QUIET);
    }
}

fn asked(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).context("reaching the receiver")?;
    stream.write_all(b"GET /requests HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
}

/// What is counted of an OTLP export of traces; fields that are not named here are skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<OfResource>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OfResource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<OfScope>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OfScope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<OfSpan>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OfSpan {
    #[prost(int32, tag = "6")]
    kind: i32,
}
