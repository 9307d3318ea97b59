//! After a handful of errors in a row of moments nobody is kept waiting: every call is away at once for a while, but for
//! one now and then that finds out whether the server is back.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many errors ...
const ERRORS: usize = 5;
/// ... within this time ...
const WITHIN: Duration = Duration::from_secs(1);
/// ... open it for this long, unless a trial succeeds.
const OPEN: Duration = Duration::from_secs(2);
/// Time between two trials. A server that stood still for a moment is not away for two seconds.
const TRIAL: Duration = Duration::from_millis(100);

/// Closed while Redis answers.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    errors: VecDeque<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    /// Whoever comes then is the next trial.
    trial: Instant,
}

impl Breaker {
    /// Whether a call is not to be tried at all.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        let mut state = self.state();
        let Some(open) = state.open.as_mut().filter(|open| now < open.until) else { return false };
        if now < open.trial {
            return true;
        }
        open.trial = now + TRIAL;
        false
    }

    /// Notes that the server answered a call that began at this time; one that had begun before it opened tells nothing.
    pub(super) fn answered(&self, since: Instant) {
        let mut state = self.state();
        if state.open.as_ref().is_some_and(|open| since + OPEN > open.until) {
            state.open = None;
        }
    }

    /// Notes an error.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.errors.push_back(now);
        while state.errors.front().is_some_and(|first| now.duration_since(*first) > WITHIN) {
            state.errors.pop_front();
        }
        if state.errors.len() >= ERRORS {
            state.errors.clear();
            state.open = Some(Open { until: now + OPEN, trial: now + TRIAL });
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_errors_in_a_second_open_it_for_two_seconds() {
        let breaker = Breaker::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        for millis in [0, 600, 700, 800, 1_100] {
            breaker.failed(after(millis));
        }
        assert!(!breaker.is_open(after(1_100)), "the first error is more than a second old");
        breaker.failed(after(1_200));
        assert!(breaker.is_open(after(1_200)));
        assert!(breaker.is_open(after(1_299)));
        assert!(!breaker.is_open(after(3_150)), "a trial");
        assert!(breaker.is_open(after(3_199)));
        assert!(!breaker.is_open(after(3_200)) && !breaker.is_open(after(3_200)));
    }

    #[test]
    fn one_call_in_a_tenth_of_a_second_is_a_trial_and_the_first_that_succeeds_closes_it() {
        let breaker = Breaker::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        (0..5).for_each(|_| breaker.failed(after(0)));
        assert!(breaker.is_open(after(99)));
        assert!(!breaker.is_open(after(100)), "the trial");
        assert!(breaker.is_open(after(100)), "and nobody beside it");
        breaker.failed(after(150));
        assert!(breaker.is_open(after(199)), "a trial that fails changes nothing");
        assert!(!breaker.is_open(after(200)));
        breaker.answered(start - Duration::from_millis(1));
        assert!(breaker.is_open(after(201)), "what began before it opened is no news");
        breaker.answered(after(200));
        assert!(!breaker.is_open(after(201)) && !breaker.is_open(after(201)));
    }
}
