//! Twilight repeats a 429 inside its future and tells so only in its log events: they are heard here, and go nowhere.
//!
//! Its spans and events hold tokens of interactions, so no other subscriber may see them anyway.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

thread_local! {
    /// The call whose future is being polled on this thread.
    static POLLED: RefCell<Option<Arc<Flight>>> = const { RefCell::new(None) };
}

static EAR: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Ear));

/// What is known of a call while it runs.
#[derive(Debug)]
pub(super) struct Flight(Mutex<State>);

/// What became of a call's tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// A try is under way: bytes may have been written and not been answered.
    pub(super) in_flight: bool,
    /// Answers with 429.
    pub(super) resends: u32,
    /// How long permits took.
    pub(super) waited: Duration,
    since: Instant,
}

impl Flight {
    pub(super) fn new() -> Arc<Self> {
        let state = State { in_flight: false, resends: 0, waited: Duration::ZERO, since: Instant::now() };
        Arc::new(Self(Mutex::new(state)))
    }

    pub(super) fn state(&self) -> State {
        *self.lock()
    }

    /// The limiter lets a try through.
    pub(super) fn permitted(&self) {
        let mut state = self.lock();
        state.in_flight = true;
        let waited = state.since.elapsed();
        state.waited += waited;
    }

    fn refused(&self) {
        let mut state = self.lock();
        state.in_flight = false;
        state.resends += 1;
        state.since = Instant::now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a future with twilight's spans and events kept to ourselves.
pub(super) fn quietly<T>(make: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(&EAR, make)
}

/// A future whose events are heard for its flight.
pub(super) fn overhear<F: Future>(flight: Arc<Flight>, future: F) -> Overheard<F> {
    Overheard { future, flight }
}

pin_project! {
    /// See `overhear`.
    pub(super) struct Overheard<F> {
        #[pin]
        future: F,
        flight: Arc<Flight>,
    }
}

impl<F: Future> Future for Overheard<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outer = POLLED.replace(Some(Arc::clone(this.flight)));
        let polled = quietly(|| this.future.poll(task));
        POLLED.set(outer);
        polled
    }
}

struct Ear;

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("twilight_http")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let mut heard = Heard(false);
        event.record(&mut heard);
        if heard.0 {
            POLLED.with_borrow(|polled| polled.iter().for_each(|flight| flight.refused()));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Heard(bool);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}") == "rate limited; retrying";
    }
}
