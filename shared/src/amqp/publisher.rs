//! The one publishing channel of a process: confirm mode, one batch in flight.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, Event as Happened};
use tokio::time::timeout;

use super::message::Message;
use super::topology::{self, short};
use super::{Broker, broken};
use crate::domain::ids::MessageId;
use crate::events::{Event, declared_key};
use crate::store::outbox::OutboxRow;
use crate::telemetry::instruments;

/// For a whole batch; the claiming transaction is bounded by a little more.
const CONFIRM: Duration = Duration::from_secs(5);

pub(super) struct Publisher {
    broker: Broker,
    connection: Connection,
    channel: Channel,
    events: BoxStream<'static, Happened>,
}

/// What became of a batch.
pub(super) struct Settled {
    /// With the broker, in a queue.
    pub(super) confirmed: Vec<MessageId>,
    /// What the confirmed ones say of games, to be counted once that is written.
    pub(super) facts: Vec<Event>,
    /// Routing keys that no queue wanted.
    pub(super) unroutable: BTreeSet<String>,
    /// Not everything was accepted.
    pub(super) refused: bool,
}

/// The broker's answers to a batch.
struct Answers {
    accepted: Vec<bool>,
    returned: HashSet<String>,
}

impl Publisher {
    pub(super) async fn open(broker: &Broker) -> anyhow::Result<Self> {
        let connection = broker.connect("relay").await?;
        let events = connection.events_listener().boxed();
        let channel = connection.create_channel().await.map_err(broken)?;
        topology::declare(&channel, broker.names()).await.map_err(broken).context("declaring the topology")?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken)?;
        Ok(Self { broker: broker.clone(), connection, channel, events })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Waits until the connection can publish no more, and says why.
    pub(super) async fn lost(&mut self) -> anyhow::Error {
        loop {
            match self.events.next().await {
                Some(Happened::Error(error)) => return broken(error),
                Some(Happened::ConnectionBlocked(reason)) => return anyhow!("the broker takes no messages: {reason}"),
                Some(_) => {}
                None => return anyhow!("the connection ended"),
            }
        }
    }

    /// Publishes rows and waits until the broker has said something about each.
    ///
    /// # Errors
    /// When the channel broke or the confirms did not come: then nothing is known of any row.
    pub(super) async fn publish(&mut self, rows: Vec<OutboxRow>) -> anyhow::Result<Settled> {
        let messages: Vec<_> = rows.into_iter().map(|row| Message::new(row, &self.broker)).collect();
        let sent = timeout(CONFIRM, self.send(&messages)).await;
        let (error, fault) = match sent {
            Ok(Ok(answers)) => return Ok(settle(messages, &answers)),
            Ok(Err(error)) => ("channel", broken(error).context("publishing")),
            Err(_) => ("confirm_timeout", anyhow!("the broker did not confirm within 5 s")),
        };
        for message in messages {
            message.settle(Some(error));
        }
        Err(fault)
    }

    async fn send(&mut self, messages: &[Message]) -> lapin::Result<Answers> {
        let exchange = short(&self.broker.names().exchange());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirms = Vec::with_capacity(messages.len());
        for message in messages {
            let key = short(&message.row.routing_key);
            let properties = message.properties.clone();
            // The first await means written, the second is the confirm.
            confirms.push(self.channel.basic_publish(exchange.clone(), key, options, &message.body, properties).await?);
        }
        let mut answers = Answers { accepted: Vec::with_capacity(messages.len()), returned: HashSet::new() };
        for confirm in confirms {
            let confirmation = confirm.await?;
            answers.accepted.push(confirmation.is_ack());
            // A return may hang on another message's confirm: only the ids in it count, and only all together.
            let returned = confirmation.take_message().and_then(|message| message.properties.message_id().clone());
            answers.returned.extend(returned.map(|id| id.to_string()));
        }
        Ok(answers)
    }
}

fn settle(messages: Vec<Message>, answers: &Answers) -> Settled {
    let mut settled = Settled { confirmed: Vec::new(), facts: Vec::new(), unroutable: BTreeSet::new(), refused: false };
    for (message, accepted) in messages.into_iter().zip(&answers.accepted) {
        let id = message.row.id;
        if answers.returned.contains(&id.to_string()) {
            let key = message.row.routing_key.clone();
            let label = opentelemetry::KeyValue::new("gamesched.event.type", declared_key(&key));
            instruments::get().outbox_unroutable.add(1, &[label]);
            settled.unroutable.insert(key);
            message.settle(Some("returned"));
        } else if *accepted {
            settled.confirmed.push(id);
            settled.facts.extend(message.fact());
            message.settle(None);
        } else {
            settled.refused = true;
            message.settle(Some("nack"));
        }
    }
    settled
}
