//! Loops note their turns; one that no longer turns makes the process not live.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use crate::telemetry::instruments::loops::{self, Loop};

/// A loop that has not turned for this long is stuck.
pub(super) const STUCK: Duration = Duration::from_secs(90);
/// A loop that waits says so this often: what is older than this works, or hangs.
const BEAT: Duration = Duration::from_secs(2);

/// The turns of one loop, from its start until this is dropped.
#[derive(Debug)]
pub struct Turns(&'static Loop);

impl Turns {
    /// A loop that begins now.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self(loops::begin(name))
    }

    /// Notes a turn, successful or not.
    pub fn turn(&self) {
        self.0.turn();
    }

    /// Waits for what may take for ever, and goes on turning meanwhile: nothing to do is not stuck.
    pub async fn during<F: Future>(&self, waiting: F) -> F::Output {
        self.beating(waiting, BEAT).await
    }

    async fn beating<F: Future>(&self, waiting: F, beat: Duration) -> F::Output {
        let mut waiting = pin!(waiting);
        loop {
            self.turn();
            tokio::select! {
                came = waiting.as_mut() => {
                    self.turn();
                    return came;
                }
                () = tokio::time::sleep(beat) => {}
            }
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(name: &str) -> Option<Duration> {
        loops::ages().get(name).copied()
    }

    #[test]
    fn a_loop_is_known_from_its_start_to_its_end() {
        let turns = Turns::of("test of turns");
        assert!(age("test of turns").unwrap() < STUCK);
        drop(turns);
        assert_eq!(age("test of turns"), None);
    }

    #[tokio::test]
    async fn a_loop_that_waits_is_as_old_as_its_last_beat() {
        let since = std::time::Instant::now();
        let (turns, pause) = (Turns::of("test of waiting"), Duration::from_millis(200));
        let for_ever = turns.beating(std::future::pending::<()>(), Duration::from_millis(5));
        tokio::time::timeout(pause, for_ever).await.unwrap_err();
        let age = age("test of waiting").unwrap();
        assert!(age + pause / 2 < since.elapsed(), "{age:?}: the wait does not count");
    }
}
