//! The accept loop: `axum::serve` sets no timer, so a client that never ends its headers would stay for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use shared::telemetry::carry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// A client has this long for its headers.
const HEADERS: Duration = Duration::from_secs(5);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 2048;
/// Requests under way have this long once the process is to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets what is under way finish.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let builder = Arc::new(builder());
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file handles, most likely: it passes, and spinning would not help it pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let connection = connection(&builder, stream, peer, &router);
        let watched = graceful.watcher();
        carry::root(&connections, async move {
            // A connection that breaks is the client's affair; its requests have told what they did.
            let _ = watched.watch(connection.into_owned()).await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way {} s after the stop", DRAIN.as_secs());
    }
}
