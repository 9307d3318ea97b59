//! Out of the parking queues into the table `parked`, whole, where an operator finds it (OP-05).

use std::time::Duration;

use lapin::message::Delivery;
use lapin::types::FieldTable;
use opentelemetry::KeyValue;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::consumer::{self, Outcome, Work};
use super::headers::{self, storable};
use super::incoming::Incoming;
use super::message::REDRIVE;
use super::{Broker, LinkState, Queue};
use crate::service::backoff;
use crate::store::parked::{self, Refused};
use crate::store::{Db, fault};
use crate::telemetry::instruments;

/// Messages at once; the rest is safe where it is.
const PREFETCH: u16 = 16;
/// While the database is away messages are held, since brokers count what is returned and drop it in the end; below
/// the 30 min after which a broker takes a message back by itself.
const HOLD: Duration = Duration::from_secs(20 * 60);
/// Between tries to keep a message.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The broker's word for a message that its consumers returned too often.
const TOO_OFTEN: &str = "delivery_limit";

/// Keeps what the consumers of a queue refuse, until `stop`.
pub async fn run(broker: Broker, of: Queue, db: Db, state: LinkState, stop: CancellationToken) {
    let parker = Parker { db, queue: of.base(), stop: stop.clone() };
    consumer::read(broker, Queue::Parked(Box::new(of)), PREFETCH, parker, state, stop).await;
}

struct Parker {
    db: Db,
    /// Whose consumers refused.
    queue: String,
    stop: CancellationToken,
}

impl Work for Parker {
    const BOUND: Duration = HOLD;

    async fn work(&self, delivery: &Delivery, incoming: &Incoming) -> Outcome {
        let none = FieldTable::default();
        let given = delivery.properties.headers().as_ref().unwrap_or(&none);
        let id = delivery.properties.message_id().as_ref().map(|id| storable(id.as_str()));
        let message = Refused {
            queue: &self.queue,
            message_id: id.as_deref(),
            routing_key: &storable(&incoming.key),
            reason: reason(given, incoming),
            headers: &headers::all(given),
            body: &delivery.data,
            redriven: redriven(given),
        };
        let mut failures = 0;
        let news = loop {
            let fault = match self.keep(&message).await {
                Ok(news) => break news,
                Err(fault) => fault,
            };
            if failures == 0 {
                warn!("a message that {} refused cannot be kept: {fault:#}, trying again", self.queue);
            }
            failures += 1;
            tokio::select! {
                () = self.stop.cancelled() => return Outcome::Retry("cancelled", Duration::ZERO),
                () = tokio::time::sleep(backoff::doubled(failures, AGAIN.0, AGAIN.1)) => {}
            }
        };
        if news {
            self.told(&message);
        }
        Outcome::Done
    }
}

impl Parker {
    async fn keep(&self, message: &Refused<'_>) -> anyhow::Result<bool> {
        let mut sql = self.db.connection().await.map_err(fault)?;
        parked::keep(&mut sql, message).await.map_err(crate::error::Error::into_fault)
    }

    fn told(&self, message: &Refused<'_>) {
        error!("a message that {} refused is parked: {}", self.queue, message.reason);
        // What a consumer refused it has counted; what the broker took away is counted by nobody else.
        if message.reason == "attempts" {
            let labels =
                [KeyValue::new("gamesched.source", "message"), KeyValue::new("gamesched.parked.reason", "attempts")];
            instruments::get().parked_added.add(1, &labels);
        }
    }
}

/// As the outbox counted it; a stranger's number is nobody's count.
fn redriven(headers: &FieldTable) -> i32 {
    let number = headers.inner().get(REDRIVE).and_then(headers::integer);
    number.and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
}

/// The broker knows that it was refused, but not why: reading it again tells that.
fn reason(headers: &FieldTable, incoming: &Incoming) -> &'static str {
    match (headers::cause_of_death(headers).as_deref(), &incoming.event) {
        (Some(TOO_OFTEN), _) => "attempts",
        (_, Err(unreadable)) => unreadable.as_str(),
        // A consumer of another release could not read it, or it is none of its queue's.
        (_, Ok(_)) => "rejected",
    }
}
