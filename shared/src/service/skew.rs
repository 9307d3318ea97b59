//! The clock of this process against the database's, which decides what is due (reliability: 2 s is told, 30 s ends it).

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::{Check, Health};
use crate::clock::Clock;
use crate::telemetry::instruments::measured::CLOCK_SKEW;

/// Beyond this it is told: somebody must look after the host's time service.
const TOLD: Duration = Duration::from_secs(2);
/// Beyond this the process is not ready: certificates, cookies and the ages of Discord's ids are judged wrongly.
const WRONG: Duration = Duration::from_secs(30);

/// Less than the ping itself has, which drops the question and its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the clocks are apart, asked again with every ping.
#[derive(Debug)]
pub struct Skew {
    clock: Clock,
    check: Check,
    told: AtomicBool,
}

impl Skew {
    /// Adds its check to `health`.
    #[must_use]
    pub fn new(clock: Clock, health: &Health) -> Self {
        Self { clock, check: health.check("clock", true), told: AtomicBool::default() }
    }

    /// Asks for the database's time and compares. While there is no answer the clock is as right as it was.
    ///
    /// # Errors
    /// When there is none.
    pub async fn compare(&self, asked: impl Future<Output = Result<DateTime<Utc>>>) -> Result<()> {
        let since = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, asked);
        match asked.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(theirs) => {
                self.found(apart(self.clock.now(), since.elapsed(), theirs));
                Ok(())
            }
            Err(fault) => {
                CLOCK_SKEW.set(None);
                Err(fault)
            }
        }
    }

    fn found(&self, apart: Duration) {
        CLOCK_SKEW.set(Some(apart.as_secs_f64()));
        let told = self.told.swap(apart > TOLD, Ordering::Relaxed);
        match (told, apart > TOLD) {
            (false, true) => warn!("the clock is {} s off the database's", apart.as_secs()),
            (true, false) => info!("the clock is right again"),
            (true, true) | (false, false) => {}
        }
        if apart > WRONG {
            self.check.failing(format!("the clock is {} s off the database's", apart.as_secs()));
        } else {
            self.check.ok();
        }
    }
}

/// What an answer of `took` proves: their time was read at some moment between the question and now.
fn apart(now: DateTime<Utc>, took: Duration, theirs: DateTime<Utc>) -> Duration {
    let ahead = (theirs - now).to_std();
    let behind = (now - theirs).to_std().map(|behind| behind.saturating_sub(took));
    ahead.or(behind).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const QUICK: Duration = Duration::from_millis(1);

    async fn ready(off: i64) -> (u16, Option<f64>) {
        let (health, now) = (Health::default(), Clock::system().now());
        health.started();
        let skew = Skew::new(Clock::fixed(now), &health);
        skew.compare(async { Ok(now + TimeDelta::seconds(off)) }).await.unwrap();
        (health.ready().0.as_u16(), CLOCK_SKEW.get().map(f64::round))
    }

    #[tokio::test]
    async fn beyond_thirty_seconds_in_either_direction_a_process_is_not_ready() {
        assert_eq!(ready(0).await, (200, Some(0.0)));
        assert_eq!(ready(30).await, (200, Some(30.0)));
        assert_eq!(ready(-29).await, (200, Some(29.0)));
        assert_eq!(ready(31).await, (503, Some(31.0)));
        assert_eq!(ready(-32).await, (503, Some(32.0)));
    }

    #[test]
    fn a_slow_answer_is_no_skew() {
        let now = Clock::system().now();
        assert_eq!(apart(now, Duration::from_secs(3), now - TimeDelta::seconds(2)), Duration::ZERO);
        assert_eq!(apart(now, Duration::from_secs(3), now - TimeDelta::seconds(5)), Duration::from_secs(2));
        assert_eq!(apart(now, QUICK, now + TimeDelta::seconds(5)), Duration::from_secs(5));
    }
}
