//! An OTLP receiver in the test process: keeps all that arrives, and lets a spec wait for it.
mod decode;
mod gate;
mod gateway;
#[cfg(test)]
pub(crate) mod made;
mod metric;
mod model;
mod receive;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use gate::{Conduct, Gate};
pub use gateway::{Answer, Gateway, Tee};
pub use metric::{Buckets, Exemplar, Histogram, Metric, MetricKind, Point, Reading, Temporality};
pub use model::{Attributes, Dropped, Event, Kind, Link, LogRecord, Resource, Scope, Span, Status, Value};

use crate::trace::Story;

/// All that has arrived, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Spans; one that is exported twice is here twice.
    pub spans: Vec<Span>,
    /// Log records.
    pub logs: Vec<LogRecord>,
    /// Every export of every metric.
    pub metrics: Vec<Metric>,
    /// Requests, whatever was in them.
    pub requests: Vec<Arrival>,
    /// Why a request could not be read; empty in a healthy run.
    pub unreadable: Vec<String>,
}

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// `/v1/traces`, or `grpc:traces`.
    pub path: String,
    /// Its headers, or metadata.
    pub headers: BTreeMap<String, String>,
}

/// A receiver that serves until its last clone is dropped.
///
/// It has a thread and a runtime of its own, so it outlives the test that started it and a test
/// that blocks does not hold up exports.
#[derive(Clone)]
pub struct Sink {
    http: SocketAddr,
    grpc: SocketAddr,
    store: Store,
    _stop: Arc<DropGuard>,
}

impl Sink {
    /// Serves http/protobuf on `addr` and gRPC on the port after it; port 0 stands for any two
    /// free neighbours.
    pub fn start(addr: SocketAddr) -> anyhow::Result<Sink> {
        let (http, grpc) = listen(addr)?;
        let store = Store::default();
        let stop = CancellationToken::new();
        let sink = Sink {
            http: http.local_addr().context("asking for the http port")?,
            grpc: grpc.local_addr().context("asking for the gRPC port")?,
            store: store.clone(),
            _stop: Arc::new(stop.clone().drop_guard()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("building the receiver's runtime")?;
        std::thread::Builder::new()
            .name("otlp-sink".to_owned())
            .spawn(move || runtime.block_on(receive::serve(http, grpc, store, stop)))
            .context("starting the receiver's thread")?;
        Ok(sink)
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The URL for `OTEL_EXPORTER_OTLP_PROTOCOL=grpc`.
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// A copy of everything.
    pub fn received(&self) -> Received {
        self.store.lock().clone()
    }

    /// The spans that have arrived.
    pub fn spans(&self) -> Vec<Span> {
        self.store.lock().spans.clone()
    }

    /// The log records that have arrived.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.store.lock().logs.clone()
    }

    /// The metrics that have arrived, one entry an export.
    pub fn metrics(&self) -> Vec<Metric> {
        self.store.lock().metrics.clone()
    }

    /// Looks away from what has arrived; [`Sink::everything`] still has it.
    pub fn clear(&self) {
        let seen = std::mem::take(&mut *self.store.lock());
        self.store.earlier.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
    }

    /// All that ever arrived, also what was cleared.
    pub fn everything(&self) -> Received {
        let mut all = self.store.earlier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.received());
        all
    }

    /// From now on keeps exports byte for byte, too.
    pub fn keep_bytes(&self) {
        self.store.bytes().get_or_insert_default();
    }

    /// The exports since [`Sink::keep_bytes`], each with the signal's path, as they came over the wire.
    pub fn bytes(&self) -> Vec<(&'static str, Bytes)> {
        self.store.bytes().clone().unwrap_or_default()
    }

    /// Waits until `done` holds for what has arrived; past the deadline the error shows all traces.
    pub async fn wait(
        &self,
        what: &str,
        deadline: Duration,
        done: impl Fn(&Received) -> bool,
    ) -> anyhow::Result<Received> {
        // Subscribed before the first look, so an arrival between look and wait is not missed.
        let mut arrivals = self.store.arrivals.subscribe();
        let arrived = tokio::time::timeout(deadline, async {
            loop {
                if let Some(received) = self.store.when(&done) {
                    break received;
                }
                if arrivals.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
        match arrived.await {
            Ok(received) => Ok(received),
            Err(_) => bail!("{}", self.store.lock().missing(what, deadline)),
        }
    }
}

impl Received {
    fn extend(&mut self, later: Received) {
        self.spans.extend(later.spans);
        self.logs.extend(later.logs);
        self.metrics.extend(later.metrics);
        self.unreadable.extend(later.unreadable);
    }

    fn missing(&self, what: &str, deadline: Duration) -> String {
        let mut text = format!(
            "{what} did not arrive within {deadline:?}; {} spans, {} log records, {} metrics did:\n{}",
            self.spans.len(),
            self.logs.len(),
            self.metrics.len(),
            Story::new(self).text(),
        );
        for unreadable in &self.unreadable {
            text.push_str(&format!("unreadable: {unreadable}\n"));
        }
        text
    }
}

/// What the two servers and all clones of the sink share.
#[derive(Clone)]
struct Store {
    received: Arc<Mutex<Received>>,
    earlier: Arc<Mutex<Received>>,
    bytes: Arc<Mutex<Option<Exports>>>,
    arrivals: watch::Sender<u64>,
}

/// Exports byte for byte, with the path of their signal.
type Exports = Vec<(&'static str, Bytes)>;

impl Default for Store {
    fn default() -> Store {
        Store {
            received: Arc::default(),
            earlier: Arc::default(),
            bytes: Arc::default(),
            arrivals: watch::Sender::new(0),
        }
    }
}

impl Store {
    /// A spec that panics while it looks must not silence the receiver for the others.
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> MutexGuard<'_, Option<Exports>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before it is read: what cannot be read was sent as well.
    fn arrived(&self, path: &'static str, export: impl FnOnce() -> Bytes) {
        if let Some(kept) = self.bytes().as_mut() {
            kept.push((path, export()));
        }
    }

    fn keep(&self, add: impl FnOnce(&mut Received)) {
        add(&mut self.lock());
        self.arrivals.send_modify(|count| *count += 1);
    }

    fn when(&self, done: &impl Fn(&Received) -> bool) -> Option<Received> {
        let received = self.lock();
        done(&received).then(|| received.clone())
    }
}

/// Ports from 32768 up are the system's for outgoing connections, so free ones are looked for below.
fn listen(addr: SocketAddr) -> anyhow::Result<(TcpListener, TcpListener)> {
    if addr.port() != 0 {
        return neighbours(addr).with_context(|| format!("listening on {addr} and the port after"));
    }
    for _ in 0..100 {
        let random = getrandom::u32().context("choosing a port")?;
        let port = 20_000 + u16::try_from(random % 6_000).unwrap_or_default() * 2;
        if let Ok(pair) = neighbours(SocketAddr::new(addr.ip(), port)) {
            return Ok(pair);
        }
    }
    bail!("no two neighbouring free ports on {}", addr.ip())
}

fn neighbours(addr: SocketAddr) -> anyhow::Result<(TcpListener, TcpListener)> {
    let next = addr.port().checked_add(1).context("there is no port after")?;
    let pair = (TcpListener::bind(addr)?, TcpListener::bind(SocketAddr::new(addr.ip(), next))?);
    pair.0.set_nonblocking(true)?;
    pair.1.set_nonblocking(true)?;
    Ok(pair)
}
