//! What is known of a call while it runs, also to whoever gives it up.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What became of a call's tries.
#[derive(Debug)]
pub(super) struct Flight(Mutex<State>);

/// A moment of it.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// A try is under way: bytes may have been written and not been answered.
    pub(super) in_flight: bool,
    /// How often the limiter let it through.
    pub(super) tries: usize,
    /// The status of the last answer, unless it said to wait.
    pub(super) status: Option<u16>,
    /// The scope of each answer with 429.
    pub(super) limited: Vec<&'static str>,
    /// How long permits took.
    pub(super) waited: Duration,
    since: Instant,
}

impl Flight {
    pub(super) fn new() -> Self {
        let since = Instant::now();
        let waited = Duration::ZERO;
        Self(Mutex::new(State { in_flight: false, tries: 0, status: None, limited: Vec::new(), waited, since }))
    }

    /// What is known now; a wait that goes on is counted up to now.
    pub(super) fn state(&self) -> State {
        let mut state = self.lock().clone();
        if !state.in_flight {
            state.waited += state.since.elapsed();
        }
        state
    }

    /// The limiter lets a try through.
    pub(super) fn permitted(&self) {
        let mut state = self.lock();
        state.in_flight = true;
        state.tries += 1;
        let waited = state.since.elapsed();
        state.waited += waited;
    }

    /// Discord answered; its body may be on the way.
    pub(super) fn answered(&self, status: u16) {
        self.lock().status = Some(status);
    }

    /// Discord answered 429: nothing was done, and a permit is waited for again.
    pub(super) fn limited(&self, scope: &'static str) {
        let mut state = self.lock();
        state.in_flight = false;
        state.status = None;
        state.limited.push(scope);
        state.since = Instant::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
