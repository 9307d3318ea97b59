//! From the outbox to the broker: the one place that holds a transaction across it, for at most 5 s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::publisher::Publisher;
use super::{BACK_OFF, Broker, LinkState, bounded, message};
use crate::error::Error;
use crate::events::declared_key;
use crate::service::{Turns, backoff};
use crate::store::{Db, fault, outbox};
use crate::telemetry::span;

/// Rows of one batch.
const BATCH: i64 = 200;
/// How often what others left behind is looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// What the process that wrote a row has for publishing it itself.
const HEAD_START: Duration = Duration::from_secs(2);
/// Between batches that hints ask for: the first commit of a moment does not wait, those that follow it share a batch.
const GATHER: Duration = Duration::from_millis(20);
/// How long a routing key rests that no queue wants.
const REST: Duration = Duration::from_secs(30);

/// Says that this process committed something to publish. Call it after the commit; losing it costs seconds.
#[derive(Clone, Debug, Default)]
pub struct Hint(Arc<Notify>);

impl Hint {
    /// Wakes the relay.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Publishes what stands in the outbox until `stop`: own rows at once, anybody's after 2 s.
pub async fn run(db: Db, broker: Broker, hint: Hint, link: LinkState, stop: CancellationToken) {
    let relay = Relay { db, broker, link, publisher: None, sleeping: HashMap::new(), failures: 0 };
    span::silent(relay.run(hint, stop)).await;
}

struct Relay {
    db: Db,
    broker: Broker,
    link: LinkState,
    publisher: Option<Publisher>,
    /// Routing keys that no queue wants, and until when they rest.
    sleeping: HashMap<String, Instant>,
    failures: u32,
}

impl Relay {
    async fn run(mut self, hint: Hint, stop: CancellationToken) {
        let turns = Turns::of("relay");
        let mut older = HEAD_START;
        loop {
            turns.turn();
            let began = tokio::time::Instant::now();
            let wait = match self.drain(older, &turns, &stop).await {
                Ok(()) => self.drained(),
                Err(fault) => self.failed(&fault),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                fault = lost(self.publisher.as_mut()) => {
                    self.publisher = None;
                    let wait = self.failed(&fault);
                    let wait = turns.during(tokio::time::sleep(wait));
                    tokio::select! { () = stop.cancelled() => break, () = wait => {} }
                }
                () = hint.0.notified(), if self.failures == 0 => {
                    older = Duration::ZERO;
                    tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep_until(began + GATHER) => {} }
                }
                () = turns.during(tokio::time::sleep(wait)) => older = HEAD_START,
            }
        }
        self.link.down("stopped");
    }

    fn drained(&mut self) -> Duration {
        if self.failures > 0 {
            info!("the relay publishes again");
        }
        self.failures = 0;
        backoff::shortened(SWEEP)
    }

    /// One line a streak, and a wait that grows with it.
    fn failed(&mut self, fault: &anyhow::Error) -> Duration {
        if self.failures == 0 {
            warn!("the relay cannot publish: {fault:#}, trying again");
        }
        if self.publisher.is_none() {
            self.link.down(format!("{fault:#}"));
        }
        self.failures = self.failures.saturating_add(1);
        backoff::full_jitter(self.failures, BACK_OFF.0, BACK_OFF.1)
    }

    /// Publishes until nothing is left that is old enough.
    async fn drain(&mut self, older: Duration, turns: &Turns, stop: &CancellationToken) -> anyhow::Result<()> {
        self.sleeping.retain(|_, until| *until > Instant::now());
        if self.publisher.as_ref().is_some_and(|publisher| !publisher.is_connected()) {
            self.publisher = None;
            bail!("the connection to the broker was lost");
        }
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => tokio::select! {
                () = stop.cancelled() => return Ok(()),
                opened = bounded(Publisher::open(&self.broker)) => opened?,
            },
        };
        self.publisher = Some(publisher);
        self.link.up();
        // A long backlog neither holds up the end of the process nor looks like a loop that is stuck.
        while !stop.is_cancelled() && self.batch(older).await? {
            turns.turn();
        }
        Ok(())
    }

    /// One batch; whether more may wait.
    async fn batch(&mut self, older: Duration) -> anyhow::Result<bool> {
        let Some(publisher) = &mut self.publisher else { return Ok(false) };
        let sleeping: Vec<_> = self.sleeping.keys().cloned().collect();
        let mut tx = self.db.begin().await.map_err(fault)?;
        let rows = outbox::claim(&mut tx, older, BATCH, &sleeping).await.map_err(Error::into_fault)?;
        let full = i64::try_from(rows.len()).is_ok_and(|claimed| claimed == BATCH);
        if rows.is_empty() {
            tx.rollback().await.map_err(fault)?;
            return Ok(false);
        }
        let settled = match publisher.publish(rows).await {
            Ok(settled) => settled,
            Err(fault) => {
                self.publisher = None;
                // The rows are free for others at once; if even that fails, dropping the connection frees them.
                let _ = tx.rollback().await;
                return Err(fault);
            }
        };
        outbox::published(&mut tx, &settled.confirmed).await.map_err(Error::into_fault)?;
        tx.commit().await.map_err(fault)?;
        settled.facts.iter().for_each(message::count);
        for key in settled.unroutable {
            warn!("no queue wants {}: it rests for {} s", declared_key(&key), REST.as_secs());
            self.sleeping.insert(key, Instant::now() + REST);
        }
        if settled.refused {
            bail!("the broker refused messages");
        }
        Ok(full)
    }
}

/// Waits for the end of a connection, for ever if there is none.
async fn lost(publisher: Option<&mut Publisher>) -> anyhow::Error {
    match publisher {
        Some(publisher) => publisher.lost().await,
        None => std::future::pending().await,
    }
}
