//! What both daemons are: a loop that takes due rows one by one, with its relay, its hints and its health.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::amqp::{Broker, LinkState, relay};
use crate::app::App;
use crate::clock::Clock;
use crate::daemon::{self, Look, Notifier};
use crate::service::{Process, Settings, watch};
use crate::store::Db;

/// Connections of a daemon: its loop, its relay, and one to spare.
const CONNECTIONS: u32 = 6;

/// Runs a daemon until the process stops: `look` takes what is due in `table` and says how it went.
///
/// # Errors
/// When a setting cannot be used or the health address is taken.
pub async fn run<F>(
    settings: &Settings,
    process: Process,
    table: &'static str,
    look: impl Fn(App) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Look>> + Send + 'static,
{
    let app = app(settings, &process)?;
    process.health.serve(settings.health_addr).await?;
    let wake = Arc::new(Notify::new());
    let hinted = LinkState::default();
    process.tasks.run("hints", {
        let (db, wake, hinted, stop) = (app.db.clone(), wake.clone(), hinted.clone(), process.stop.clone());
        move || daemon::hints(db.clone(), vec![(table, wake.clone())], hinted.clone(), stop.clone())
    });
    process.tasks.run(table, {
        let stop = process.stop.clone();
        move || {
            let (app, look, hinted) = (app.clone(), look.clone(), hinted.clone());
            daemon::run(table, move || look(app.clone()), wake.clone(), move || !hinted.is_up(), stop.clone())
        }
    });
    process.health.started();
    process.stop.cancelled().await;
    Ok(())
}

/// The app of a process with its relay, its notifier and the watch over Postgres.
///
/// # Errors
/// When a URL cannot be used.
pub fn app(settings: &Settings, process: &Process) -> anyhow::Result<App> {
    let db = Db::open(settings.database(), process.name, CONNECTIONS)?;
    let broker = Broker::new(settings.amqp(), &settings.namespace)?;
    let app = App { db, clock: Clock::system(), hint: relay::Hint::default(), notifier: Notifier::default() };
    serve(&app, broker, process);
    Ok(app)
}

/// Starts what every process that writes the outbox needs.
pub fn serve(app: &App, broker: Broker, process: &Process) {
    let link = LinkState::telling(process.health.check("rabbitmq", false));
    process.tasks.run("relay", {
        let (app, stop) = (app.clone(), process.stop.clone());
        move || relay::run(app.db.clone(), broker.clone(), app.hint.clone(), link.clone(), stop.clone())
    });
    process.tasks.run("notifier", {
        let (app, stop) = (app.clone(), process.stop.clone());
        move || app.notifier.clone().run(app.db.clone(), stop.clone())
    });
    process.tasks.run("postgres", {
        let (db, health, stop) = (app.db.clone(), process.health.clone(), process.stop.clone());
        move || {
            let (db, health, stop) = (db.clone(), health.clone(), stop.clone());
            async move { watch(&health, "postgres", true, || async { db.ping().await }, stop).await }
        }
    });
}
