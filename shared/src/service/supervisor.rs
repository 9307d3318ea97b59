//! Keeps long-lived tasks alive: one that ends or panics is started again, but not for ever.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use super::backoff;
use crate::telemetry::carry;

/// A task that ended so often within so long ends the process: a new one may do better.
const LIMIT: (usize, Duration) = (5, Duration::from_secs(5 * 60));

/// Starts tasks and keeps them alive until the process stops.
#[derive(Clone, Debug)]
pub struct Supervisor {
    tasks: TaskTracker,
    stop: CancellationToken,
    gave_up: Arc<AtomicBool>,
}

impl Supervisor {
    /// Tasks that live until `stop`.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, gave_up: Arc::default() }
    }

    /// Runs what `make` makes, outside every span, and makes it again when it ends early. It ends itself at `stop`.
    pub fn run<F>(&self, name: &'static str, mut make: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, gave_up) = (self.stop.clone(), Arc::clone(&self.gave_up));
        carry::root(&self.tasks, async move {
            let mut ends = VecDeque::new();
            while !stop.is_cancelled() {
                let ended = AssertUnwindSafe(make()).catch_unwind().await;
                if stop.is_cancelled() {
                    break;
                }
                let how = if ended.is_err() { "panicked" } else { "ended" };
                let Some(wait) = again(&mut ends, Instant::now()) else {
                    error!("the task {name} {how} {} times: the process ends", LIMIT.0);
                    gave_up.store(true, Ordering::Relaxed);
                    stop.cancel();
                    break;
                };
                error!("the task {name} {how} and is started again");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        });
    }

    /// Where else a service may put its tasks, so that its end waits for them.
    #[must_use]
    pub fn tracker(&self) -> &TaskTracker {
        &self.tasks
    }

    /// A task ended too often.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }

    pub(super) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// When to start again after an end at `now`, or not at all.
fn again(ends: &mut VecDeque<Instant>, now: Instant) -> Option<Duration> {
    ends.retain(|end| now.duration_since(*end) < LIMIT.1);
    let wait = backoff::doubled(u32::try_from(ends.len()).ok()?, Duration::from_secs(1), Duration::from_secs(30));
    ends.push_back(now);
    (ends.len() < LIMIT.0).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_end_within_five_minutes_is_the_last() {
        let (mut ends, start) = (VecDeque::new(), Instant::now());
        let waits: Vec<_> = (0..5).map(|_| again(&mut ends, start).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), None]);
    }

    #[test]
    fn old_ends_are_forgiven() {
        let (mut ends, start) = (VecDeque::new(), Instant::now());
        for hour in 0..20 {
            assert_eq!(again(&mut ends, start + Duration::from_secs(hour * 3600)), Some(Duration::from_secs(1)));
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_is_started_again() {
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(stop.clone());
        let mut starts = 0;
        supervisor.run("test", move || {
            starts += 1;
            let (round, stop) = (starts, stop.clone());
            async move {
                assert!(round > 1, "the first round panics");
                stop.cancel();
            }
        });
        supervisor.finished().await;
        assert!(!supervisor.gave_up());
    }
}
