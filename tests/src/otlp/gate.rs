//! A collector that misbehaves on demand: a door in front of the sink that can be shut in every way a network knows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a collector behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It takes what it is sent.
    Open,
    /// Nobody listens: connections are refused.
    Absent,
    /// It answers 503 to everything.
    Refusing,
    /// It ends connections as soon as they are made.
    Resetting,
    /// It takes connections and what is sent, and never answers.
    Hung,
    /// Packets are dropped: no connection is ever made.
    Unreachable,
    /// It takes 1 KB a second.
    Slow,
}

/// A collector's address, for as long as this lives.
#[derive(Clone, Debug)]
pub struct Gate {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    _stop: Arc<DropGuard>,
}

impl Gate {
    /// Listens on `address`, in front of the http/protobuf receiver at `behind`. It has a thread of its own, so that a
    /// busy spec does not make it slower than it is told to be.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(address: SocketAddr, behind: SocketAddr, conduct: Conduct) -> anyhow::Result<Self> {
        let (told, changes) = watch::channel(conduct);
        let stop = CancellationToken::new();
        let gate = Self { address, conduct: told, _stop: Arc::new(stop.clone().drop_guard()) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("the gate's runtime")?;
        std::thread::Builder::new()
            .name("gate".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = serve(address, behind, changes) => {}
                    }
                })
            })
            .context("the gate's thread")?;
        Ok(gate)
    }

    /// From now on it behaves so; connections that are open end.
    pub fn behaves(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// The base URL for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(address: SocketAddr, behind: SocketAddr, mut changes: watch::Receiver<Conduct>) {
    loop {
        let conduct = *changes.borrow_and_update();
        let behave = async {
            match conduct {
                Conduct::Absent => std::future::pending().await,
                Conduct::Unreachable => full(address).await,
                _ => accept(address, behind, conduct).await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            ended = behave => ended.expect("the gate's address is free"),
        }
    }
}

async fn accept(address: SocketAddr, behind: SocketAddr, conduct: Conduct) -> std::io::Result<()> {
    let listener = listen(address, 128)?;
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        open.spawn(behave(stream, behind, conduct));
        while open.try_join_next().is_some() {}
    }
}

async fn behave(mut stream: TcpStream, behind: SocketAddr, conduct: Conduct) -> std::io::Result<()> {
    match conduct {
        Conduct::Open => copy_bidirectional(&mut stream, &mut TcpStream::connect(behind).await?).await.map(drop),
        Conduct::Slow => slowly(stream, TcpStream::connect(behind).await?).await,
        Conduct::Hung => swallow(&mut stream).await,
        Conduct::Refusing => refuse(stream).await,
        Conduct::Resetting | Conduct::Absent | Conduct::Unreachable => stream.set_zero_linger(),
    }
}

async fn slowly(stream: TcpStream, behind: TcpStream) -> std::io::Result<()> {
    let ((mut from, mut back), (mut answers, mut to)) = (stream.into_split(), behind.into_split());
    let mut chunk = [0; 100];
    tokio::try_join!(
        async {
            loop {
                let read = from.read(&mut chunk).await?;
                if read == 0 {
                    return to.shutdown().await;
                }
                to.write_all(&chunk[..read]).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        },
        async { tokio::io::copy(&mut answers, &mut back).await.map(drop) }
    )
    .map(drop)
}

async fn swallow(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut chunk = [0; 16_384];
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

/// Reads as much as there is of a request and says no; what the client still sends is not waited for.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut chunk = [0; 16_384];
    while stream.read(&mut chunk).await? > 0 {
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    }
    Ok(())
}

/// A listener whose queue is full: the system drops further SYN packets, as a firewall would.
async fn full(address: SocketAddr) -> std::io::Result<()> {
    let _listener = listen(address, 0)?;
    let mut waiting = Vec::new();
    while let Ok(made) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(made?);
    }
    std::future::pending().await
}

fn listen(address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
    use prost::Message as _;

    use super::*;
    use crate::otlp::Sink;
    use crate::servers::ports;

    /// Takes four seconds at 1 KB a second.
    fn body() -> Vec<u8> {
        let long = ResourceSpans { schema_url: "x".repeat(4_000), ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![long] }.encode_to_vec()
    }

    async fn post(gate: &Gate) -> Result<u16, bool> {
        let client = reqwest::Client::builder().timeout(Duration::from_millis(1_500)).build().expect("a client");
        let answer = client.post(format!("{}/v1/traces", gate.url())).body(body()).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.is_timeout())
    }

    #[tokio::test]
    async fn a_gate_does_to_its_clients_what_it_is_told() {
        let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a sink");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free().expect("a port")));
        let behind = sink.http_url().trim_start_matches("http://").parse().expect("an address");
        let gate = Gate::start(address, behind, Conduct::Open).expect("a gate");
        let expected = [
            (Conduct::Open, Ok(200)),
            (Conduct::Absent, Err(false)),
            (Conduct::Refusing, Ok(503)),
            (Conduct::Resetting, Err(false)),
            (Conduct::Hung, Err(true)),
            (Conduct::Unreachable, Err(true)),
            (Conduct::Slow, Err(true)),
            (Conduct::Open, Ok(200)),
        ];
        for (conduct, answer) in expected {
            gate.behaves(conduct);
            let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
            let mut seen = post(&gate).await;
            // A change takes a moment: what was asked before it may still be answered the old way.
            while seen != answer && tokio::time::Instant::now() < deadline {
                seen = post(&gate).await;
            }
            assert_eq!(seen, answer, "{conduct:?}");
        }
    }
}
