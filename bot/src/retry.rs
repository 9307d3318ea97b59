//! When a row is tried again: back-off, jitter, and the breaker that saves tries while Discord is away.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shared::service::backoff;
use shared::telemetry::instruments;

/// After the first, second, third try; then the last for ever (L-24).
const STEPS: [u64; 4] = [5, 30, 120, 600];
/// What the breaker looks back on.
const WINDOW: Duration = Duration::from_secs(30);
/// Fewer calls than this say nothing.
const ENOUGH: usize = 10;
/// While Discord is away one call in this time tries whether it is back.
const TRIAL: Duration = Duration::from_secs(5);

/// The wait before the next try, `attempts` having been made.
#[must_use]
pub fn back_off(attempts: i32) -> Duration {
    let step = usize::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(STEPS.len() - 1);
    spread(Duration::from_secs(STEPS[step]), 0.5, 1.0)
}

/// The wait before an unknown outcome is looked into: soon, since the nonce is only good for a while.
#[must_use]
pub fn soon() -> Duration {
    spread(Duration::from_secs(1), 2.0, 5.0)
}

/// What Discord told us to wait, and a little more, so that not all come at once.
#[must_use]
pub fn told(wait: Duration) -> Duration {
    spread(wait, 1.0, 1.2)
}

/// While Discord is away.
#[must_use]
pub fn trial() -> Duration {
    spread(TRIAL, 1.0, 1.5)
}

/// A duration times a random factor.
fn spread(duration: Duration, from: f64, to: f64) -> Duration {
    duration.mul_f64(from + (to - from) * backoff::random())
}

/// Says whether Discord is away: then nothing is tried but a trial now and then, and no row's tries are used up.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// Stays until a call shows that it is back: trials alone are too few to say so either way.
    away: bool,
    /// When, and whether Discord was there.
    recent: VecDeque<(Instant, bool)>,
    next_trial: Option<Instant>,
}

impl Breaker {
    /// Lets everything through so far, and says so.
    #[must_use]
    pub fn closed() -> Self {
        tell(false);
        Self::default()
    }

    /// Whether a call may be made now; false only while Discord is away.
    pub fn admits(&self, now: Instant) -> bool {
        let mut calls = self.calls();
        if !calls.away {
            return true;
        }
        let due = calls.next_trial.is_none_or(|trial| trial <= now);
        if due {
            calls.next_trial = Some(now + TRIAL);
        }
        due
    }

    /// A call ended; `there` says whether Discord answered as something that works.
    pub fn saw(&self, now: Instant, there: bool) {
        let mut calls = self.calls();
        if there && calls.away {
            // It is back: what failed before says nothing any more.
            *calls = Calls::default();
        }
        calls.forget(now);
        calls.recent.push_back((now, there));
        calls.away |= !there && calls.mostly_failed();
        tell(calls.away);
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// 1 while Discord is away.
fn tell(away: bool) {
    instruments::get().discord.breaker_open.record(i64::from(away), &[]);
}

impl Calls {
    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
    }

    fn mostly_failed(&self) -> bool {
        let failed = self.recent.iter().filter(|(_, there)| !there).count();
        self.recent.len() >= ENOUGH && failed * 2 >= self.recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l_24_tries_are_5_s_30_s_2_min_then_10_min_apart_jittered() {
        for (attempts, seconds) in [(1, 5.0), (2, 30.0), (3, 120.0), (4, 600.0), (8, 600.0), (400, 600.0)] {
            for _ in 0..50 {
                let wait = back_off(attempts).as_secs_f64();
                assert!((seconds * 0.5..=seconds).contains(&wait), "{wait} after try {attempts}");
            }
        }
    }

    #[test]
    fn a_429_is_never_cut_short() {
        for _ in 0..50 {
            assert!(told(Duration::from_secs(30)) >= Duration::from_secs(30));
        }
    }

    #[test]
    fn while_discord_is_away_one_call_in_five_seconds_tries() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for _ in 0..9 {
            breaker.saw(start, false);
        }
        assert!(breaker.admits(start), "nine calls say nothing");
        breaker.saw(start, false);
        let at = |seconds| breaker.admits(start + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(4), at(5), at(6)], [true, false, false, true, false]);
        breaker.saw(start + Duration::from_secs(6), true);
        assert_eq!([at(6), at(6), at(6)], [true, true, true]);
    }

    #[test]
    fn trials_that_fail_for_a_minute_let_nothing_else_through() {
        let breaker = Breaker::default();
        let start = Instant::now();
        (0..10).for_each(|_| breaker.saw(start, false));
        let mut admitted = vec![];
        for second in 0..=60 {
            let now = start + Duration::from_secs(second);
            while breaker.admits(now) {
                admitted.push(second);
                breaker.saw(now, false);
                assert!(admitted.len() < 100, "it closed during the outage");
            }
        }
        assert_eq!(admitted, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
        breaker.saw(start + Duration::from_secs(61), true);
        let back = start + Duration::from_secs(62);
        breaker.saw(back, false);
        assert!(breaker.admits(back) && breaker.admits(back), "one failure after it is back says nothing");
    }

    #[test]
    fn a_few_failures_among_many_answers_open_nothing() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for call in 0..20 {
            breaker.saw(now, call % 3 != 0);
        }
        assert!(breaker.admits(now) && breaker.admits(now));
    }
}
