//! The loop of scheduled work: look, then look again as soon as it may be worth it; and the hints that wake it.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::amqp::LinkState;
use crate::service::{Turns, backoff};
use crate::store::{Away, Db, fault, hints as sql};
use crate::telemetry::span;

/// Between looks while there is something to do.
const HOT: Duration = Duration::from_millis(250);
/// What hot looks that find nothing stretch to.
const TEPID: Duration = Duration::from_secs(1);
/// Between looks while there is nothing, hints or not.
const IDLE: Duration = Duration::from_secs(30);
/// A faulty look is repeated after one second, two, four, up to this.
const FAULTY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between notifications of this process.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Connecting a listener takes no longer.
const CONNECT: Duration = Duration::from_secs(5);

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Rows it worked on.
    pub claimed: usize,
    /// It took as many as it may: more can wait.
    pub full: bool,
    /// A due row was held by another replica.
    pub locked: bool,
    /// Until the earliest row that waits; `None` when none does.
    pub next_due_in: Option<Duration>,
}

/// Looks until `stop`. `degraded` says that a source of hints is in doubt, so that looking must replace it. A look that
/// fails or panics is repeated later and does not end the loop.
pub async fn run<F>(
    name: &'static str,
    mut look: impl FnMut() -> F,
    hints: Arc<Notify>,
    degraded: impl Fn() -> bool,
    stop: CancellationToken,
) where
    F: Future<Output = anyhow::Result<Look>>,
{
    let turns = Turns::of(name);
    let (mut cadence, mut faults) = (Cadence::default(), Faults { name, streak: 0 });
    while !stop.is_cancelled() {
        turns.turn();
        let looked = AssertUnwindSafe(span::silent(look())).catch_unwind().await;
        let wait = match looked.unwrap_or_else(|_| Err(anyhow!("panicked"))) {
            Ok(look) => {
                faults.none();
                cadence.after(&look, degraded(), backoff::random())
            }
            Err(fault) => faults.one(&fault),
        };
        tokio::select! {
            () = stop.cancelled() => {}
            // A hint does not hurry what is broken.
            () = hints.notified(), if faults.streak == 0 => {}
            () = turns.during(tokio::time::sleep(wait)) => {}
        }
    }
}

/// One log record a streak.
struct Faults {
    name: &'static str,
    streak: u32,
}

impl Faults {
    fn none(&mut self) {
        if std::mem::take(&mut self.streak) > 0 {
            info!("{} works again", self.name);
        }
    }

    fn one(&mut self, fault: &anyhow::Error) -> Duration {
        let wait = backoff::doubled(self.streak, FAULTY.0, FAULTY.1);
        match (self.streak, fault.chain().any(|cause| cause.is::<Away>())) {
            (0, true) => warn!("{} cannot work: {fault:#}, trying again", self.name),
            (0, false) => {
                error!(error.type = crate::faults::class(fault), "{} failed: {fault:#}, trying again", self.name)
            }
            _ => debug!("{} failed again: {fault:#}", self.name),
        }
        self.streak = self.streak.saturating_add(1);
        wait
    }
}

/// How long until the next look.
#[derive(Debug, Default)]
struct Cadence {
    /// Hot looks in a row that found nothing.
    empty: u32,
}

impl Cadence {
    /// `random` is in 0..1 and keeps replicas apart.
    fn after(&mut self, look: &Look, degraded: bool, random: f64) -> Duration {
        if look.full {
            self.empty = 0;
            return Duration::ZERO;
        }
        let soon = look.next_due_in.is_some_and(|due| due < TEPID);
        if look.claimed > 0 || look.locked || soon || degraded {
            self.empty = if look.claimed > 0 { 0 } else { self.empty.saturating_add(1) };
            let hot = backoff::doubled(self.empty.saturating_sub(1), HOT, TEPID).mul_f64(0.5 + random).min(TEPID);
            // What is about to become due is not slept over; what is due and was not won is locked elsewhere.
            return look.next_due_in.filter(|due| !due.is_zero()).map_or(hot, |due| hot.min(due));
        }
        self.empty = 0;
        let idle = IDLE.mul_f64(1.0 - random / 10.0);
        look.next_due_in.map_or(idle, |due| idle.min(due))
    }
}

/// Wakes loops on hints of other processes until `stop`: `wakes` names a table for each. A gap wakes them all, since
/// what was said in it is lost.
pub async fn hints(db: Db, wakes: Vec<(&'static str, Arc<Notify>)>, state: LinkState, stop: CancellationToken) {
    let turns = Turns::of("hints");
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        turns.turn();
        let heard = tokio::select! {
            () = stop.cancelled() => break,
            heard = span::silent(listen(&db, &wakes, &state, &turns, &mut failures)) => heard,
        };
        state.down(format!("{heard:#}"));
        wake_all(&wakes);
        if failures == 0 {
            warn!("hints are away: {heard:#}, trying again");
        }
        let wait = backoff::doubled(failures, FAULTY.0, FAULTY.1);
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => {}
            () = turns.during(tokio::time::sleep(wait)) => {}
        }
    }
    state.down("stopped");
}

/// Listens until that fails, and says why.
async fn listen(
    db: &Db,
    wakes: &[(&'static str, Arc<Notify>)],
    state: &LinkState,
    turns: &Turns,
    failures: &mut u32,
) -> anyhow::Error {
    let mut listener = match tokio::time::timeout(CONNECT, db.listen(sql::CHANNEL)).await {
        Ok(Ok(listener)) => listener,
        Ok(Err(error)) => return fault(error),
        Err(_) => return anyhow!("no answer within {} s", CONNECT.as_secs()),
    };
    if std::mem::take(failures) > 0 {
        info!("hints are back");
    }
    state.up();
    wake_all(wakes);
    loop {
        match turns.during(listener.try_recv()).await {
            Ok(Some(hint)) => {
                wakes.iter().filter(|(table, _)| *table == hint.payload()).for_each(|(_, w)| w.notify_one())
            }
            // The connection was lost and is made again by itself; what came meanwhile did not come here.
            Ok(None) => wake_all(wakes),
            Err(error) => return fault(error),
        }
    }
}

fn wake_all(wakes: &[(&'static str, Arc<Notify>)]) {
    wakes.iter().for_each(|(_, wake)| wake.notify_one());
}

/// Tells other processes that a table holds something due soon. Call it after the commit; losing it costs seconds.
#[derive(Clone, Debug, Default)]
pub struct Notifier(Arc<Said>);

#[derive(Debug, Default)]
struct Said {
    tables: Mutex<BTreeSet<&'static str>>,
    wake: Notify,
}

impl Notifier {
    /// Says it at once, or with the next batch.
    pub fn due_soon(&self, table: &'static str) {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(table);
        self.0.wake.notify_one();
    }

    /// Sends what was said, at most every 100 ms, until `stop`.
    pub async fn run(self, db: Db, stop: CancellationToken) {
        let turns = Turns::of("notifier");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = turns.during(self.0.wake.notified()) => {}
            }
            let tables = std::mem::take(&mut *self.0.tables.lock().unwrap_or_else(PoisonError::into_inner));
            if let Err(lost) = span::silent(send(&db, &tables)).await {
                debug!("hints were lost: {lost:#}");
            }
            tokio::time::sleep(DEBOUNCE).await;
        }
    }
}

async fn send(db: &Db, tables: &BTreeSet<&'static str>) -> anyhow::Result<()> {
    let mut connection = db.connection().await.map_err(fault)?;
    for table in tables {
        sql::notify(&mut connection, table).await.map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const MIDDLE: f64 = 0.5;
    const NOTHING: Look = Look { claimed: 0, full: false, locked: false, next_due_in: None };

    fn waits(looks: &[Look], degraded: bool) -> Vec<u128> {
        let mut cadence = Cadence::default();
        looks.iter().map(|look| cadence.after(look, degraded, MIDDLE).as_millis()).collect()
    }

    #[test]
    fn a_full_batch_is_followed_at_once() {
        assert_eq!(waits(&[Look { claimed: 200, full: true, ..NOTHING }], false), [0]);
    }

    #[test]
    fn work_makes_hot_and_a_quiet_look_idle() {
        assert_eq!(waits(&[Look { claimed: 1, ..NOTHING }, NOTHING], false), [250, 28_500]);
    }

    #[test]
    fn without_hints_looks_stay_hot_and_stretch() {
        assert_eq!(waits(&[NOTHING; 4], true), [250, 500, 1_000, 1_000]);
    }

    #[test]
    fn a_row_that_becomes_due_is_met_in_time() {
        let due = |millis| Look { next_due_in: Some(Duration::from_millis(millis)), ..NOTHING };
        assert_eq!(waits(&[due(20_000)], false), [20_000]);
        assert_eq!(waits(&[due(100)], false), [100]);
        assert_eq!(waits(&[due(600_000)], false), [28_500]);
    }

    #[test]
    fn a_due_row_held_elsewhere_is_not_spun_on() {
        let held = Look { locked: true, next_due_in: Some(Duration::ZERO), ..NOTHING };
        assert_eq!(waits(&[held; 3], false), [250, 500, 1_000]);
    }

    #[tokio::test]
    async fn a_look_that_panics_does_not_end_the_loop() {
        let (looks, stop) = (AtomicU32::new(0), CancellationToken::new());
        let look = || {
            let round = looks.fetch_add(1, Ordering::Relaxed);
            let stop = stop.clone();
            async move {
                assert!(round > 0, "the first look panics");
                stop.cancel();
                Ok(NOTHING)
            }
        };
        run("test", look, Arc::default(), || false, stop.clone()).await;
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn faults_back_off_up_to_half_a_minute() {
        let mut faults = Faults { name: "test", streak: 0 };
        let seconds: Vec<_> = (0..7).map(|_| faults.one(&anyhow!("broken")).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        faults.none();
        assert_eq!(faults.one(&anyhow!("broken")), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_hint_wakes_an_idle_loop() {
        let (looks, stop, hint) = (AtomicU32::new(0), CancellationToken::new(), Arc::new(Notify::new()));
        let since = tokio::time::Instant::now();
        let look = || {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                hint.notify_one();
            } else {
                stop.cancel();
            }
            std::future::ready(Ok(NOTHING))
        };
        run("test", look, Arc::clone(&hint), || false, stop.clone()).await;
        assert!(since.elapsed() < Duration::from_secs(1));
    }
}
