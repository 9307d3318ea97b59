//! The supervisor of a consumer: connect, declare, bound, consume; on any error all of it again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Event};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::consumer::{Reader, Work, returned};
use super::topology::{self, short};
use super::{BACK_OFF, Broker, LinkState, Queue, bounded, broken};
use crate::service::{Turns, backoff};
use crate::telemetry::carry;

/// After `stop`, what is in hand may take this long.
const FINISH: Duration = Duration::from_secs(10);
/// A short answer of the broker at the end.
const PART: Duration = Duration::from_secs(1);
/// Names the consumer on its channel.
const TAG: &str = "gamesched";

pub(super) async fn supervise<W: Work>(reader: Arc<Reader<W>>, prefetch: u16, state: LinkState) {
    let name = reader.broker.names().template(&reader.queue);
    let turns = Turns::of("consumer");
    let tasks = TaskTracker::new();
    let mut failures: u32 = 0;
    while !reader.stop.is_cancelled() {
        turns.turn();
        let Err(fault) = attend(&reader, prefetch, &state, &tasks, &turns, &mut failures).await else { break };
        state.down(format!("{fault:#}"));
        if failures == 0 {
            warn!("cannot read {name}: {fault:#}, trying again");
        }
        failures = failures.saturating_add(1);
        tokio::select! {
            () = reader.stop.cancelled() => {}
            () = turns.during(tokio::time::sleep(backoff::full_jitter(failures, BACK_OFF.0, BACK_OFF.1))) => {}
        }
    }
    state.down("stopped");
    finish(&reader, &tasks).await;
}

/// One session from its start to its end, which is well only when asked for.
async fn attend<W: Work>(
    reader: &Arc<Reader<W>>,
    prefetch: u16,
    state: &LinkState,
    tasks: &TaskTracker,
    turns: &Turns,
    failures: &mut u32,
) -> anyhow::Result<()> {
    let mut session = tokio::select! {
        () = reader.stop.cancelled() => return Ok(()),
        opened = bounded(Session::open(&reader.broker, &reader.queue, prefetch)) => opened?,
    };
    if std::mem::take(failures) > 0 {
        info!("reading {} again", reader.broker.names().template(&reader.queue));
    }
    reader.begins();
    state.up();
    session.read(reader, tasks, turns).await?;
    session.part(reader, tasks).await;
    Ok(())
}

/// One connection with one channel that consumes; its own, since a blocked publisher would stop its acks.
struct Session {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    events: BoxStream<'static, Event>,
}

impl Session {
    async fn open(broker: &Broker, queue: &Queue, prefetch: u16) -> anyhow::Result<Self> {
        let names = broker.names();
        let name = names.queue(queue);
        let connection = broker.connect(&name).await?;
        let events = connection.events_listener().boxed();
        let channel = connection.create_channel().await.map_err(broken)?;
        topology::declare(&channel, names).await.map_err(broken).context("declaring the topology")?;
        if matches!(queue, Queue::Events(_)) {
            topology::declare_events(&channel, names, queue).await.map_err(broken).context("declaring the queue")?;
        }
        // Before consuming, or deliveries queue up here without bound.
        channel.basic_qos(prefetch, BasicQosOptions { global: false }).await.map_err(broken)?;
        let consumer = channel
            .basic_consume(short(&name), TAG.into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .map_err(broken)?;
        Ok(Self { connection, channel, consumer, events })
    }

    /// Starts a handler for each message; ends well only when asked to stop.
    async fn read<W: Work>(
        &mut self,
        reader: &Arc<Reader<W>>,
        tasks: &TaskTracker,
        turns: &Turns,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = turns.during(reader.stop.cancelled()) => return Ok(()),
                event = self.events.next() => match event {
                    Some(Event::Error(error)) => return Err(broken(error)),
                    Some(_) => {}
                    None => bail!("the connection ended"),
                },
                delivery = self.consumer.next() => match delivery {
                    Some(Ok(delivery)) => drop(carry::root(tasks, Arc::clone(reader).work(delivery))),
                    // After an error the stream may neither end nor yield: never wait on it again.
                    Some(Err(error)) => return Err(broken(error)),
                    None => return Err(anyhow!("the broker cancelled the consumer")),
                },
            }
        }
    }

    /// Takes no more messages, returns what was not started, lets handlers finish, and leaves.
    async fn part<W: Work>(&mut self, reader: &Reader<W>, tasks: &TaskTracker) {
        let cancelled = self.channel.basic_cancel(TAG.into(), BasicCancelOptions::default());
        let _ = tokio::time::timeout(PART, cancelled).await;
        while let Ok(Some(Ok(delivery))) = tokio::time::timeout(PART, self.consumer.next()).await {
            returned(&delivery).await;
        }
        finish(reader, tasks).await;
        // Closing flushes the acks.
        let _ = tokio::time::timeout(PART, self.channel.close(200, "stopped".into())).await;
        let _ = tokio::time::timeout(PART, self.connection.close(200, "stopped".into())).await;
    }
}

/// Waits for the handlers, then ends them.
async fn finish<W: Work>(reader: &Reader<W>, tasks: &TaskTracker) {
    tasks.close();
    if tokio::time::timeout(FINISH, tasks.wait()).await.is_err() {
        reader.cut.cancel();
        let _ = tokio::time::timeout(PART, tasks.wait()).await;
    }
}
