//! The accept loop: `axum::serve` sets no timer, so a client that never ends its headers would stay for ever.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::{BoxError, Router};
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use shared::service::Turns;
use shared::telemetry::carry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _, service_fn};

use crate::room::{Place, Room};
use crate::trace::Proxies;

/// A client has this long for its headers.
const HEADERS: Duration = Duration::from_secs(5);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 2048;
/// Connections at once of one address.
const OF_ONE: usize = 64;
/// Requests under way have this long once the process is to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a connection may be of no use.
const IDLE: Idle = Idle { lasts: Duration::from_secs(60), farewell: Duration::from_secs(5) };

/// When a connection without a request under way is closed.
#[derive(Clone, Copy, Debug)]
struct Idle {
    lasts: Duration,
    /// Then the client has this long to take its leave.
    farewell: Duration,
}

/// Serves until `stop`, then lets what is under way finish.
pub async fn serve(listener: TcpListener, router: Router, proxies: Proxies, stop: CancellationToken) {
    serve_in(Room::new(CONNECTIONS, OF_ONE, proxies), IDLE, listener, router, stop).await;
}

async fn serve_in(room: Room, idle: Idle, listener: TcpListener, router: Router, stop: CancellationToken) {
    let builder = builder();
    let (connections, turns) = (TaskTracker::new(), Turns::of("accept"));
    loop {
        let arrived = tokio::select! {
            () = stop.cancelled() => break,
            arrived = turns.during(arrival(&listener, &room)) => arrived,
        };
        let Some((stream, peer, place)) = arrived else { continue };
        let (builder, router, stop) = (builder.clone(), router.clone(), stop.clone());
        carry::root(&connections, async move {
            talk(&builder, stream, peer, router, idle, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("requests were still under way {} s after the stop", DRAIN.as_secs());
    }
}

/// The next client that there is room for.
async fn arrival(listener: &TcpListener, room: &Room) -> Option<(TcpStream, SocketAddr, Place)> {
    let one = room.one().await?;
    let Ok((stream, peer)) = listener.accept().await else {
        // Out of file handles, most likely: it passes, and spinning would not help it pass.
        tokio::time::sleep(Duration::from_millis(50)).await;
        return None;
    };
    Some((stream, peer, room.place(one, peer.ip())?))
}

/// One client's connection, until it ends, is of no use, or the process stops: then after the requests under way.
async fn talk(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    idle: Idle,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let under_way = watch::Sender::new(0);
    let service = TowerToHyperService::new(counted(router, peer, under_way.clone()));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the client's affair; its requests have told what they did.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
        () = useless(under_way.subscribe(), idle.lasts) => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(idle.farewell, connection).await);
        }
    }
}

/// The router for one client: its requests know where they came from, and are counted until they are answered whole.
fn counted<B>(
    router: Router,
    peer: SocketAddr,
    under_way: watch::Sender<usize>,
) -> impl Service<Request<B>, Response = Response, Error = Infallible, Future: Send> + Clone
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    service_fn(move |mut request: Request<B>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (router, counted) = (router.clone(), Counted::new(under_way.clone()));
        async move {
            let response = router.oneshot(request).await?;
            // The answer is under way until its last byte: a stream may take for ever, and is of use all the time.
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _under_way = &counted;
                    frame
                }))
            }))
        }
    })
}

/// Ends once no request has been under way for so long.
async fn useless(mut under_way: watch::Receiver<usize>, lasts: Duration) {
    while under_way.wait_for(|count| *count == 0).await.is_ok() {
        if tokio::time::timeout(lasts, under_way.changed()).await.is_err() {
            return;
        }
    }
}

/// Counts a request while it runs, also when it is given up.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(under_way: watch::Sender<usize>) -> Self {
        under_way.send_modify(|count| *count += 1);
        Self(under_way)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(16 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(30));
    builder
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What a client of HTTP/2 says first: the preface, and settings that change nothing.
    const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SOON: Duration = Duration::from_secs(4);

    async fn serving(room: Room, idle: Idle) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let server = carry::root(&TaskTracker::new(), serve_in(room, idle, listener, router, stop.clone()));
        (address, stop, server)
    }

    async fn client(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// Asks and keeps the connection.
    async fn ask(stream: &mut TcpStream) -> usize {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.read(&mut [0; 1024]).await.unwrap_or(0)
    }

    #[tokio::test]
    async fn a_full_house_does_not_keep_the_process_from_stopping() {
        let (address, stop, server) = serving(Room::new(1, 9, Proxies::default()), IDLE).await;
        let mut inside = client(address).await;
        assert_ne!(ask(&mut inside).await, 0);
        let _waiting = client(address).await;
        stop.cancel();
        tokio::time::timeout(SOON, server).await.expect("it stops in time").unwrap();
    }

    #[tokio::test]
    async fn an_address_with_too_many_connections_gets_no_more() {
        let (address, ..) = serving(Room::new(9, 1, Proxies::default()), IDLE).await;
        let (mut first, mut second) = (client(address).await, client(address).await);
        assert_ne!(ask(&mut first).await, 0);
        assert_eq!(ask(&mut second).await, 0, "closed without a word");
    }

    #[tokio::test]
    async fn a_connection_is_of_use_until_the_last_byte_of_its_answer() {
        let idle = Idle { lasts: Duration::from_millis(100), farewell: Duration::from_millis(100) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slowly = || async {
            let parts = futures_util::stream::unfold(0, |part| async move {
                tokio::time::sleep(Duration::from_millis(if part == 1 { 500 } else { 0 })).await;
                (part < 2).then_some((Ok::<_, Infallible>(Bytes::from_static(b"part")), part + 1))
            });
            Body::from_stream(parts)
        };
        let router = Router::new().route("/", axum::routing::get(slowly));
        let room = Room::new(9, 9, Proxies::default());
        carry::root(&TaskTracker::new(), serve_in(room, idle, listener, router, CancellationToken::new()));
        let mut stream = client(address).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut answer))
            .await
            .expect("it ends when it is of no use")
            .unwrap();
        assert!(answer.ends_with(b"part\r\n4\r\npart\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    }

    #[tokio::test]
    async fn a_connection_of_no_use_is_closed_whatever_the_client_says_or_does_not() {
        let idle = Idle { lasts: Duration::from_millis(100), farewell: Duration::from_millis(100) };
        let (address, ..) = serving(Room::new(9, 9, Proxies::default()), idle).await;
        for said in [HTTP_2, b""] {
            let mut stream = client(address).await;
            stream.write_all(said).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
            drop(ended.expect("the server closes it"));
        }
    }
}
