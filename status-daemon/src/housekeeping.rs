//! What is periodic by nature. Nothing promised to a person lives here: that is a due row.

use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::service::{Process, Settings};
use shared::store::{Db, backlog};
use shared::telemetry::instruments::GAUGES;
use shared::telemetry::span;
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler};
use tracing::{debug, info};

/// Between measurements of what waits.
const MEASURE: Duration = Duration::from_secs(15);
/// Every hour, in UTC.
const PURGE: &str = "0 7 * * * *";

/// Starts every periodic job; they end with the process.
pub(crate) async fn start(settings: &Settings, process: &Process) -> anyhow::Result<()> {
    let db = Db::open(settings.database(), process.name, 2)?;
    let jobs = JobScheduler::new().await?;
    jobs.add(Job::new_repeated_async(MEASURE, {
        let db = db.clone();
        move |_, _| Box::pin(span::silent(measure(db.clone())))
    })?)
    .await?;
    jobs.add(Job::new_async(PURGE, move |_, _| Box::pin(span::silent(purge(db.clone()))))?).await?;
    jobs.start().await?;
    let stop = process.stop.clone();
    process.tasks.run("housekeeping", move || {
        let (stop, mut jobs) = (stop.clone(), jobs.clone());
        async move {
            stop.cancelled().await;
            let _ = jobs.shutdown().await;
        }
    });
    Ok(())
}

/// Runs of one job do not overlap.
static MEASURING: Mutex<()> = Mutex::const_new(());
static PURGING: Mutex<()> = Mutex::const_new(());

async fn measure(db: Db) {
    let Ok(_alone) = MEASURING.try_lock() else { return };
    let counted = async { backlog::count(&mut db.connection().await?).await };
    match counted.await {
        Ok(backlog) => {
            GAUGES.outbox_pending.store(backlog.outbox, Ordering::Relaxed);
            GAUGES.outbox_oldest_ms.store(backlog.outbox_oldest_ms, Ordering::Relaxed);
            GAUGES.delivery_pending.store(backlog.deliveries, Ordering::Relaxed);
            GAUGES.announcement_stale.store(backlog.stale, Ordering::Relaxed);
        }
        // The watch over Postgres tells it.
        Err(fault) => debug!("the backlog could not be counted: {fault}"),
    }
}

async fn purge(db: Db) {
    let Ok(_alone) = PURGING.try_lock() else { return };
    let purged = async { backlog::purge(&mut db.connection().await?).await };
    match purged.await {
        Ok(0) => {}
        Ok(rows) => info!("purged {rows} rows that are kept no longer"),
        Err(fault) => debug!("nothing was purged: {fault}"),
    }
}
