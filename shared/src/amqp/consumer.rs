//! Reading a queue: a supervisor that starts over on any error, and handlers that say what happened.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use opentelemetry::{KeyValue, StringValue};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::incoming::Incoming;
use super::measures::PROCESSED;
use super::{Broker, session};
use crate::events::Event;
use crate::telemetry::instruments;
use crate::telemetry::span::{self, Span};

pub use super::{LinkState, Queue};

/// A handler that takes longer is given up.
const HANDLE: Duration = Duration::from_secs(30);
/// A message that is to be tried again occupies its place for at most this.
const HOLD: Duration = Duration::from_secs(10);

/// What a handler says; the framework acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// A newer message's work includes it.
    Coalesced,
    /// It was done before.
    AlreadyDone,
    /// Failed with this cause, and its row remembers when to try again: the message has served.
    Later(Cow<'static, str>),
    /// Failed with this cause and nothing remembers it: the broker brings it again, not before this time.
    Retry(&'static str, Duration),
    /// Can never work, for this reason: to the parking queue.
    Park(&'static str),
}

/// Does what a message asks for. It reads the row and converges, so running twice does no harm.
pub trait Handler: Send + Sync + 'static {
    /// Handles one message, inside its CONSUMER span.
    fn handle(&self, event: Event) -> impl Future<Output = Outcome> + Send;

    /// Messages flow, for the first time or again: a queue that does not outlive its connection may have missed some.
    fn begins(&self) {}
}

/// What is done with a delivery inside its span, whatever is in it.
pub(super) trait Work: Send + Sync + 'static {
    /// It is given up when it takes longer.
    const BOUND: Duration;

    fn work(&self, delivery: &Delivery, incoming: &Incoming) -> impl Future<Output = Outcome> + Send;

    /// As of a `Handler`.
    fn begins(&self) {}
}

/// Reads a queue until `stop`, up to `prefetch` messages at once.
pub async fn run<H: Handler>(
    broker: Broker,
    queue: Queue,
    prefetch: u16,
    handler: Arc<H>,
    state: LinkState,
    stop: CancellationToken,
) {
    let template = broker.names().template(&queue);
    read(broker, queue, prefetch, Events { handler, template }, state, stop).await;
}

/// One delivery from its span's start to its answer, which nobody hears: what telling costs, for benches.
pub async fn once<H: Handler>(broker: Broker, queue: Queue, handler: Arc<H>, delivery: Delivery) {
    let template = broker.names().template(&queue);
    let work = Events { handler, template };
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    Arc::new(Reader { broker, queue, work, stop, cut }).work(delivery).await;
}

/// Reads a queue until `stop`, whatever is done with its deliveries.
pub(super) async fn read<W: Work>(
    broker: Broker,
    queue: Queue,
    prefetch: u16,
    work: W,
    state: LinkState,
    stop: CancellationToken,
) {
    let reader = Arc::new(Reader { broker, queue, work, stop, cut: CancellationToken::new() });
    span::silent(session::supervise(reader, prefetch, state)).await;
}

/// Hands events to their handler; what is none goes to the parking queue.
struct Events<H> {
    handler: Arc<H>,
    template: String,
}

impl<H: Handler> Work for Events<H> {
    const BOUND: Duration = HANDLE;

    async fn work(&self, _: &Delivery, incoming: &Incoming) -> Outcome {
        match &incoming.event {
            Ok(event) => self.handler.handle(event.clone()).await,
            Err(unreadable) => {
                warn!("a message of {} cannot be read: {unreadable}", self.template);
                Outcome::Park(unreadable.as_str())
            }
        }
    }

    fn begins(&self) {
        self.handler.begins();
    }
}

/// What all messages of a queue share.
pub(super) struct Reader<W> {
    pub(super) broker: Broker,
    pub(super) queue: Queue,
    work: W,
    pub(super) stop: CancellationToken,
    /// Ends handlers that did not finish in time after `stop`.
    pub(super) cut: CancellationToken,
}

impl<W: Work> Reader<W> {
    /// Says that messages flow.
    pub(super) fn begins(&self) {
        self.work.begins();
    }

    /// One message from its span's start to its answer to the broker.
    pub(super) async fn work(self: Arc<Self>, delivery: Delivery) {
        let since = Instant::now();
        let mut incoming = Incoming::start(&delivery, &self.broker, &self.queue);
        let Some(span) = incoming.span() else { return };
        let outcome = tokio::select! {
            outcome = span.inside(self.outcome(&delivery, &incoming)) => outcome,
            () = self.cut.cancelled() => {
                drop(span);
                return returned(&delivery).await;
            }
        };
        let (word, error) = told(&outcome, self.queue.parks());
        PROCESSED.tell(&incoming.template, since, error.clone());
        mark(span, word, error);
        self.answer(&delivery, outcome).await;
    }

    async fn outcome(&self, delivery: &Delivery, incoming: &Incoming) -> Handled {
        let working = AssertUnwindSafe(self.work.work(delivery, incoming)).catch_unwind();
        match tokio::time::timeout(W::BOUND, working).await {
            Ok(Ok(outcome)) => Handled::Said(outcome),
            Ok(Err(_)) => Handled::Broke("panic"),
            Err(_) => Handled::Broke("timeout"),
        }
    }

    async fn answer(&self, delivery: &Delivery, handled: Handled) {
        let answered = match handled {
            Handled::Said(Outcome::Done | Outcome::Coalesced | Outcome::AlreadyDone | Outcome::Later(_)) => {
                delivery.ack(BasicAckOptions::default()).await
            }
            Handled::Said(Outcome::Park(reason)) => {
                self.parked(reason);
                delivery.reject(BasicRejectOptions { requeue: false }).await
            }
            Handled::Said(Outcome::Retry(_, after)) => self.again(delivery, after).await,
            Handled::Broke(_) => self.again(delivery, Duration::from_secs(1)).await,
        };
        if let Err(error) = answered {
            // The channel is gone and with it the delivery: it comes again.
            debug!("a message could not be answered: {error}");
        }
    }

    /// `reject` counts as a try on every version of the broker, so the delivery limit ends what never works.
    async fn again(&self, delivery: &Delivery, after: Duration) -> lapin::Result<bool> {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(after.min(HOLD)) => {}
        }
        delivery.reject(BasicRejectOptions { requeue: true }).await
    }

    fn parked(&self, reason: &'static str) {
        if self.queue.parks() {
            let labels =
                [KeyValue::new("gamesched.source", "message"), KeyValue::new("gamesched.parked.reason", reason)];
            instruments::get().parked_added.add(1, &labels);
        }
    }
}

/// What became of a call to a handler.
enum Handled {
    Said(Outcome),
    Broke(&'static str),
}

/// The word for `gamesched.outcome`, and the class of what failed. What a queue without parking refuses is gone.
fn told(handled: &Handled, parks: bool) -> (&'static str, Option<StringValue>) {
    match handled {
        Handled::Said(Outcome::Done) => ("done", None),
        Handled::Said(Outcome::Coalesced) => ("coalesced", None),
        Handled::Said(Outcome::AlreadyDone) => ("already_done", None),
        Handled::Said(Outcome::Later(cause)) => ("retry", Some(cause.clone().into())),
        Handled::Said(Outcome::Retry(cause, _)) => ("retry", Some((*cause).into())),
        Handled::Said(Outcome::Park(reason)) => (if parks { "parked" } else { "failed" }, Some((*reason).into())),
        Handled::Broke(class) => ("retry", Some((*class).into())),
    }
}

fn mark(span: Span, word: &'static str, error: Option<StringValue>) {
    span.set(KeyValue::new("gamesched.outcome", word));
    if let Some(error) = error {
        span.fail(error);
    }
    span.end();
}

/// Gives a message back that was not worked on.
pub(super) async fn returned(delivery: &Delivery) {
    if let Err(error) = delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await {
        debug!("a message could not be returned: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_mark_the_span() {
        let word = |outcome| {
            let (word, error) = told(&Handled::Said(outcome), true);
            (word, error.map(|error| error.as_str().to_owned()))
        };
        assert_eq!(word(Outcome::Done), ("done", None));
        assert_eq!(word(Outcome::Coalesced), ("coalesced", None));
        assert_eq!(word(Outcome::AlreadyDone), ("already_done", None));
        assert_eq!(word(Outcome::Later("500".into())), ("retry", Some("500".to_owned())));
        let again = Outcome::Retry("database_unavailable", Duration::ZERO);
        assert_eq!(word(again), ("retry", Some("database_unavailable".to_owned())));
        assert_eq!(word(Outcome::Park("poison")), ("parked", Some("poison".to_owned())));
        assert_eq!(told(&Handled::Broke("panic"), true).0, "retry");
        assert_eq!(told(&Handled::Said(Outcome::Park("poison")), false).0, "failed", "nothing keeps it");
    }
}
