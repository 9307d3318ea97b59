//! What is periodic by nature. Nothing promised to a person lives here: that is a due row.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared::error::{Error, Result};
use shared::faults;
use shared::service::{Process, Settings, Turns};
use shared::store::purge::{self, Old};
use shared::store::{Db, backlog, parked};
use shared::telemetry::instruments::GAUGES;
use shared::telemetry::instruments::measured::{BACKUP_AGE, OVERDUE, Overdue};
use shared::telemetry::job::sweep;
use shared::telemetry::span;
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// The pool's name; one measures while another purges.
const POOL: &str = "status-daemon housekeeping";
/// Between measurements of what waits.
const MEASURE: Duration = Duration::from_secs(15);
/// Between batches of a purge, in which others get their turn.
const PAUSE: Duration = Duration::from_millis(500);
/// Between tries to start the periodic jobs.
const AGAIN: Duration = Duration::from_secs(60);
/// From the start to the first purge.
const SOON: Duration = Duration::from_secs(1);
/// Every hour, in UTC.
const PURGE: &str = "0 7 * * * *";

/// Keeps house until the process stops. What goes wrong here is tried again and holds nothing else up.
///
/// # Errors
/// When the database's URL cannot be used.
pub(crate) fn start(settings: &Settings, process: &Process) -> anyhow::Result<()> {
    let db = Db::open(settings.database(), POOL, 2)?;
    let stop = process.stop.clone();
    process.tasks.run("housekeeping", move || {
        let (db, stop) = (db.clone(), stop.clone());
        async move {
            while let Err(fault) = keep(&db, &stop).await {
                warn!("the periodic jobs did not start: {fault:#}, trying again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    });
    Ok(())
}

/// Runs every periodic job until `stop`.
async fn keep(db: &Db, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut jobs = JobScheduler::new().await?;
    let turns = Arc::new(Turns::of("housekeeping"));
    jobs.add(Job::new_repeated_async(MEASURE, {
        let db = db.clone();
        move |_, _| Box::pin(span::silent(measure(db.clone(), Arc::clone(&turns))))
    })?)
    .await?;
    // Also at the start: what became old while nobody ran has waited long enough.
    let (first, hourly) = (db.clone(), db.clone());
    jobs.add(Job::new_one_shot_async(SOON, move |_, _| Box::pin(span::silent(purge(first.clone()))))?).await?;
    jobs.add(Job::new_async(PURGE, move |_, _| Box::pin(span::silent(purge(hourly.clone()))))?).await?;
    jobs.start().await?;
    stop.cancelled().await;
    // The process ends: nothing is left to be told.
    let _ = jobs.shutdown().await;
    Ok(())
}

/// Runs of one job do not overlap.
static MEASURING: Mutex<()> = Mutex::const_new(());
static PURGING: Mutex<()> = Mutex::const_new(());

async fn measure(db: Db, turns: Arc<Turns>) {
    let Ok(_alone) = MEASURING.try_lock() else { return };
    turns.turn();
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
    if let Err(fault) = measure_more(&db).await {
        debug!("what is overdue or parked could not be counted: {fault}");
        OVERDUE.iter().for_each(Overdue::unknown);
        BACKUP_AGE.set(None);
    }
}

/// What is overdue, how old the last good backup is, and what is parked.
async fn measure_more(db: &Db) -> Result<()> {
    let mut sql = db.connection().await?;
    let found = backlog::overdue(&mut sql).await?;
    for stranger in found.iter().filter(|overdue| OVERDUE.iter().all(|gauge| gauge.kind != overdue.kind)) {
        warn!("{} jobs of the kind {} are overdue, which nobody measures", stranger.rows, stranger.kind);
    }
    for gauge in &OVERDUE {
        let of_kind = found.iter().find(|overdue| overdue.kind == gauge.kind);
        gauge.set(of_kind.map_or(0, |overdue| overdue.rows), of_kind.map_or(0.0, |overdue| overdue.oldest));
    }
    BACKUP_AGE.set(backlog::backup_age(&mut sql).await?);
    let waiting = parked::waiting(&mut sql).await?;
    let numbers = [waiting.messages, waiting.deliveries, waiting.announcements];
    for ((_, gauge), number) in GAUGES.parked.iter().zip(numbers) {
        gauge.store(number, Ordering::Relaxed);
    }
    Ok(())
}

async fn purge(db: Db) {
    let Ok(_alone) = PURGING.try_lock() else { return };
    let look = async { purge::found(&mut db.connection().await?).await };
    match look.await {
        Ok(0) => {}
        Ok(found) => drop(sweep("sweep purge", found, all(&db), |fault| *fault).await),
        Err(fault) => warn!("what is kept no longer could not be counted: {fault}"),
    }
}

/// Purges table after table, and says how the last one failed that did.
async fn all(db: &Db) -> Option<&'static str> {
    let mut failed = None;
    for old in Old::ALL {
        match empty(db, old).await.map_err(Error::into_fault) {
            Ok(0) => {}
            Ok(rows) => info!("purged {rows} rows that are kept no longer: {old:?}"),
            Err(fault) => {
                let class = faults::class(&fault);
                warn!(error.type = class, "what is kept no longer could not be purged: {old:?}: {fault:#}");
                failed = Some(class);
            }
        }
    }
    failed
}

/// Purges batch after batch, while they are full.
async fn empty(db: &Db, old: Old) -> Result<u64> {
    let mut all = 0;
    loop {
        let gone = purge::purge(&mut db.connection().await?, old).await?;
        all += gone;
        if gone < purge::BATCH {
            return Ok(all);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
