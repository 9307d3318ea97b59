//! The simulator as a running server.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware, routing};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Discord;
use super::line::{Lines, Scissors};
use super::refusal::Refusal;
use super::setup::Setup;
use super::state::App;
use super::{control, door, gateway, oauth, page, rest};

/// A running simulator; it stops when this is dropped.
pub struct Simulator {
    address: SocketAddr,
    running: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Starts to listen; port 0 takes a free one.
    pub async fn start(listen: SocketAddr, setup: Setup) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        let address = listener.local_addr().context("reading the address")?;
        let (running, mut stopped) = watch::channel(true);
        let router = router(App::new(setup, running.subscribe()));
        let service = router.into_make_service_with_connect_info::<Scissors>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let stop = async move {
                // A dropped sender is a stop as well.
                let _ = stopped.wait_for(|running| !running).await;
            };
            // Accepting never fails; it waits and tries again.
            let _ = axum::serve(Lines(listener), service).with_graceful_shutdown(stop).await;
        });
        Ok(Self { address, running, tasks })
    }

    /// Its address, such as `http://127.0.0.1:9820`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host and port, for twilight's `proxy`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway's address, for twilight's `proxy_url`.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Its controls.
    pub fn controls(&self) -> Discord {
        Discord::at(&self.url())
    }

    /// Serves until the process ends.
    pub async fn serve(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Sockets and waiters end by themselves; the accepting task goes with its set.
        let _ = self.running.send(false);
    }
}

fn router(app: App) -> Router {
    let door = middleware::from_fn_with_state(app.clone(), door::pass);
    let api = Router::new().nest("/v10", rest::routes()).merge(oauth::routes()).fallback(nowhere).layer(door);
    Router::new()
        .route("/", routing::get(front))
        .route("/oauth2/authorize", routing::get(oauth::authorize))
        .route("/api/oauth2/authorize", routing::get(oauth::to_page))
        .nest("/api", api)
        .nest("/_simulator", control::routes())
        .route("/_simulator/page/press", routing::post(page::press))
        .with_state(app)
}

#[derive(Deserialize)]
struct Connect {
    compress: Option<String>,
    encoding: Option<String>,
}

/// The gateway for whoever wants a websocket, the page for everybody else.
async fn front(
    State(app): State<App>,
    headers: HeaderMap,
    Query(connect): Query<Connect>,
    eyes: page::Looking,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return page::show(&app, &eyes);
    };
    if connect.encoding.is_some_and(|encoding| encoding != "json") {
        return Refusal::form("encoding: this simulator speaks JSON").into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let wish =
        gateway::Wish { zstd: connect.compress.as_deref() == Some("zstd-stream"), address: format!("ws://{host}") };
    upgrade.on_upgrade(move |socket| gateway::serve(app, socket, wish))
}

async fn nowhere(State(app): State<App>, ConnectInfo(_): ConnectInfo<Scissors>, method: Method, uri: Uri) -> Refusal {
    app.edit(|world| world.violation(format!("no such route: {method} {}", uri.path())));
    Refusal::with(404, 0, "404: Not Found")
}
