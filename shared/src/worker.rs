//! What both daemons are: a loop that takes due rows one by one, with its relay, its hints and its health.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tracing::{error, info};

use crate::amqp::{Broker, LinkState, relay};
use crate::app::App;
use crate::clock::Clock;
use crate::daemon::{self, Look, Notifier};
use crate::domain::ids::JobId;
use crate::error::{Error, Result};
use crate::faults;
use crate::service::{Process, Settings, Skew, watch};
use crate::store::schedule::{Claim, End, Job};
use crate::store::{self, Db, Sql, Tx, fault};
use crate::telemetry::job::{self, Outcome};

/// Connections of a daemon: its loop, its relay, and one to spare.
const CONNECTIONS: u32 = 6;

/// Rows that are worked on at once while very many are due: no more than the connections carry.
const LANES: usize = 3;
/// Rows that came one right after the other: very many are due.
const STREAK: usize = 8;

/// What a daemon does with the due rows of one table.
pub trait Errand: 'static {
    /// What a row is about.
    type Kind: Send + Sync + 'static;

    /// The table, which is also what hints and the loop are called.
    const TABLE: &'static str;

    /// A kind of the registry, such as `notice.reminder`.
    fn kind(kind: &Self::Kind) -> String;

    /// Locks the row that is due for longest.
    fn claim(sql: &mut Sql) -> impl Future<Output = Result<Option<Claim<Self::Kind>>>> + Send;

    /// Does what the row asks for and ends it, in its transaction. Says what became of it, for the log too.
    fn work(app: &App, tx: Tx, job: &Job<Self::Kind>) -> impl Future<Output = Result<(End, String)>> + Send;

    /// Ends a row that cannot be worked on.
    fn end(sql: &mut Sql, row: JobId, end: End) -> impl Future<Output = Result<()>> + Send;

    /// Lets a row that met a fault go on later, so that it delays none behind it.
    fn retry(sql: &mut Sql, row: JobId, error: &'static str) -> impl Future<Output = Result<()>> + Send;

    /// Until the next row is due; `None` when none waits.
    fn next(sql: &mut Sql) -> impl Future<Output = Result<Option<Duration>>> + Send;
}

/// Runs a daemon until the process stops.
///
/// # Errors
/// When a setting cannot be used or the health address is taken.
pub async fn run<E: Errand>(settings: &Settings, process: Process) -> anyhow::Result<()> {
    let app = app(settings, &process)?;
    process.health.serve(settings.health_addr).await?;
    let wake = Arc::new(Notify::new());
    let hinted = LinkState::default();
    process.tasks.run("hints", {
        let (db, wake, hinted, stop) = (app.db.clone(), wake.clone(), hinted.clone(), process.stop.clone());
        move || daemon::hints(db.clone(), vec![(E::TABLE, wake.clone())], hinted.clone(), stop.clone())
    });
    process.tasks.run(E::TABLE, {
        let stop = process.stop.clone();
        move || {
            let (app, hinted, streak) = (app.clone(), hinted.clone(), Arc::new(AtomicUsize::new(0)));
            let look = move || looks::<E>(app.clone(), Arc::clone(&streak));
            daemon::run(E::TABLE, look, wake.clone(), move || !hinted.is_up(), stop.clone())
        }
    });
    process.health.started();
    process.stop.cancelled().await;
    Ok(())
}

/// Takes the row that is due for longest; after a streak the next few at once, as that many replicas would.
async fn looks<E: Errand>(app: App, streak: Arc<AtomicUsize>) -> anyhow::Result<Look> {
    let lanes = if streak.load(Ordering::Relaxed) < STREAK { 1 } else { LANES };
    let looked = join_all((0..lanes).map(|_| look::<E>(app.clone()))).await;
    let looks = looked.into_iter().collect::<anyhow::Result<Vec<_>>>();
    let idle = looks.as_ref().map_or(true, |looks| looks.iter().any(|look| !look.full));
    let streak_now = if idle { 0 } else { streak.load(Ordering::Relaxed).saturating_add(lanes) };
    streak.store(streak_now, Ordering::Relaxed);
    Ok(looks?.into_iter().reduce(together).unwrap_or_default())
}

/// What two looks found, as one: more may wait as long as any of them found something.
fn together(one: Look, other: Look) -> Look {
    Look {
        claimed: one.claimed + other.claimed,
        full: one.full || other.full,
        locked: one.locked || other.locked,
        next_due_in: one.next_due_in.into_iter().chain(other.next_due_in).min(),
    }
}

/// Takes the row that is due for longest, if any.
async fn look<E: Errand>(app: App) -> anyhow::Result<Look> {
    let mut tx = app.db.begin().await.map_err(fault)?;
    match E::claim(&mut tx).await.map_err(Error::into_fault)? {
        Some(Claim::Won(row)) => take::<E>(&app, tx, row).await?,
        Some(Claim::Unknown(row, kind)) => {
            E::end(&mut tx, row, End::Failed("unknown_kind")).await.map_err(Error::into_fault)?;
            tx.commit().await.map_err(fault)?;
            error!(gamesched.job.id = %row, "gave up a row of {} that is of the unknown kind {kind:?}", E::TABLE);
        }
        None => {
            tx.rollback().await.map_err(fault)?;
            let mut sql = app.db.connection().await.map_err(fault)?;
            let next_due_in = E::next(&mut sql).await.map_err(Error::into_fault)?;
            // What is due and was not won is locked elsewhere.
            let locked = next_due_in.is_some_and(|due| due.is_zero());
            return Ok(Look { locked, next_due_in, ..Look::default() });
        }
    }
    Ok(Look { claimed: 1, full: true, ..Look::default() })
}

/// Works on one row in a trace of its own.
async fn take<E: Errand>(app: &App, tx: Tx, row: Job<E::Kind>) -> anyhow::Result<()> {
    let kind = E::kind(&row.kind);
    let won = job::Job {
        kind: kind.clone().into(),
        id: row.id.to_string(),
        due_at: row.due_at,
        lateness: row.lateness,
        attempt: row.attempt,
        game: Some(row.game.to_string()),
        guild: Some(row.guild_discord.to_string()),
        cause: row.trace_context.clone(),
    };
    let work = async {
        let ended = caught(E::work(app, tx, &row)).await;
        match &ended {
            Ok((_, what)) => info!(gamesched.game.id = %row.game, "{what}"),
            Err(fault) => error!(error.type = faults::class(fault), "{kind} failed: {fault:#}"),
        }
        ended
    };
    let Err(fault) = won.run(work, outcome).await else { return Ok(()) };
    let mut sql = app.db.connection().await.map_err(store::fault)?;
    E::retry(&mut sql, row.id, faults::class(&fault)).await.map_err(Error::into_fault)
}

/// What a panic leaves behind is a fault of the one row that it met.
async fn caught<T>(work: impl Future<Output = Result<T>>) -> anyhow::Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(ended) => ended.map_err(Error::into_fault),
        Err(_) => Err(anyhow!("panicked")),
    }
}

fn outcome(ended: &anyhow::Result<(End, String)>) -> Outcome {
    match ended {
        Ok((end, _)) => Outcome { word: end.as_str(), fault: None },
        Err(fault) => Outcome { word: "retry", fault: Some(faults::class(fault)) },
    }
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
        let (app, health, stop) = (app.clone(), process.health.clone(), process.stop.clone());
        let skew = Arc::new(Skew::new(app.clock, &health));
        move || {
            let (db, skew, health, stop) = (app.db.clone(), skew.clone(), health.clone(), stop.clone());
            async move { watch(&health, "postgres", true, || skew.compare(db.time()), stop).await }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_looks_are_one_that_goes_on_as_long_as_any_found_something() {
        let soon = Some(Duration::from_millis(40));
        let won = Look { claimed: 1, full: true, ..Look::default() };
        let none = Look { locked: true, next_due_in: soon, ..Look::default() };
        assert_eq!(together(won, none), Look { claimed: 1, full: true, locked: true, next_due_in: soon });
        assert_eq!(together(won, won), Look { claimed: 2, full: true, ..Look::default() });
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_the_row_and_not_of_the_loop() {
        let broken: fn() -> Result<()> = || panic!("this row cannot be worked on");
        let ended = caught(async { broken() }).await;
        assert_eq!(ended.unwrap_err().to_string(), "panicked");
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
    }
}
