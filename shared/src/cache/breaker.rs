//! After a handful of errors in a row of moments nobody is kept waiting: every call is away at once for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many errors ...
const ERRORS: usize = 5;
/// ... within this time ...
const WITHIN: Duration = Duration::from_secs(1);
/// ... open it for this long.
const OPEN: Duration = Duration::from_secs(2);

/// Closed while Redis answers.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    errors: VecDeque<Instant>,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether calls are not to be tried at all.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.state().open_until.is_some_and(|until| now < until)
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
            state.open_until = Some(now + OPEN);
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
        assert!(breaker.is_open(after(3_199)));
        assert!(!breaker.is_open(after(3_200)));
    }
}
