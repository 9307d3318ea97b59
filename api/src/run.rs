//! What the process does: serve until it is stopped, or prepare what it needs and end.

use std::io::Write as _;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use shared::amqp::consumer::{self, LinkState, Queue};
use shared::amqp::{Broker, relay};
use shared::app::App;
use shared::cache::Cache;
use shared::clock::Clock;
use shared::daemon::Notifier;
use shared::discord::oauth::OAuth;
use shared::service::{self, Process, watch};
use shared::store::Db;
use shared::worker;
use uuid::Uuid;

use crate::Api;
use crate::config::{Asked, Settings};
use crate::live::{self, Fan};
use crate::router::router;
use crate::serve::serve;
use crate::trace::Proxies;

/// Connections to the database of one process.
const CONNECTIONS: u32 = 16;
/// Events for live updates at once; each waits a moment for others of its game.
const PREFETCH: u16 = 256;

/// Runs until the process stops, or until what was asked for is done.
///
/// # Errors
/// When a setting cannot be used, an address is taken, or `init` does not succeed.
pub async fn run(asked: Asked, process: Process) -> anyhow::Result<()> {
    let common = asked.as_ref();
    let db = Db::open(common.database(), process.name, CONNECTIONS)?;
    let broker = Broker::new(common.amqp(), &common.namespace)?;
    match asked {
        Asked::Init(_) => init(&db, &broker).await,
        Asked::Serve(settings) => stay(*settings, process, db, broker).await,
    }
}

/// Safe to repeat: what is there already stays.
async fn init(db: &Db, broker: &Broker) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    db.migrate().await?;
    writeln!(out, "the database has the schema of this release")?;
    match db.grant().await?.as_slice() {
        [] => writeln!(out, "one user does everything: there are no roles to share the rights")?,
        roles => writeln!(out, "{} have the rights of this release", roles.join(", "))?,
    }
    broker.declare().await?;
    writeln!(out, "the exchange {} and its queues are declared", broker.names().exchange())?;
    Ok(())
}

async fn stay(settings: Settings, process: Process, db: Db, broker: Broker) -> anyhow::Result<()> {
    let Settings { common, web } = settings;
    let cache = Cache::open(web.redis_url.expose_secret(), &common.namespace)?;
    let oauth = OAuth::new(web.discord_api_url.as_str(), &web.discord_client_id, web.discord_client_secret.clone())?;
    let app = App { db, clock: Clock::system(), hint: relay::Hint::default(), notifier: Notifier::default() };
    let address = web.api_addr;
    if !web.cookie_secure {
        tracing::warn!("COOKIE_SECURE is off: sessions travel in the clear, which is for development only");
    }
    let api = Api::new(app.clone(), cache.clone(), oauth, web, process.stop.clone())?;
    process.health.serve(common.health_addr).await?;
    worker::serve(&app, broker.clone(), &process);
    live_updates(&api, broker, &process);
    process.tasks.run("redis", {
        let (health, stop) = (process.health.clone(), process.stop.clone());
        move || {
            let (cache, health, stop) = (cache.clone(), health.clone(), stop.clone());
            async move { watch(&health, "redis", true, || ping(&cache), stop).await }
        }
    });
    let proxies = Proxies::new(api.web.trusted_proxies.clone());
    let listener = service::bind("API_ADDR", address).await?;
    tracing::info!("listening on {address}");
    process.health.started();
    serve(listener, router(api), proxies, process.stop).await;
    Ok(())
}

/// Every replica hears every event, by a queue of its own, and looks after its own streams.
fn live_updates(api: &Api, broker: Broker, process: &Process) {
    let link = LinkState::telling(process.health.check("live updates", false));
    let (fan, stop) = (Arc::new(Fan::new(api.clone())), process.stop.clone());
    let queue = Queue::Events(Uuid::now_v7().to_string());
    process.tasks.run("live updates", move || {
        consumer::run(broker.clone(), queue.clone(), PREFETCH, Arc::clone(&fan), link.clone(), stop.clone())
    });
    let (api, stop) = (api.clone(), process.stop.clone());
    process.tasks.run("live", move || live::watch(api.clone(), stop.clone()));
}

async fn ping(cache: &Cache) -> anyhow::Result<()> {
    Ok(cache.ping().await?)
}
