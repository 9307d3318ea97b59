//! A queue of the harness's own that gets a copy of every message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use tokio::time::{Instant, sleep};

use super::World;

/// A message as the broker passed it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// Its routing key.
    pub key: String,
    /// Its id.
    pub id: String,
    /// Its headers that are texts.
    pub headers: BTreeMap<String, String>,
    /// All that came around the body, as text.
    pub around: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads copies of all messages until it is dropped.
pub struct Tap {
    _connection: Connection,
    tapped: Arc<Mutex<Vec<Tapped>>>,
}

impl World {
    /// Taps the exchange: whatever is published or dead-lettered from now on is read along.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn tap(&self) -> Result<Tap> {
        let options = ConnectionProperties::default();
        let connection = Connection::connect(self.servers.amqp_url(), options).await.context("connecting the tap")?;
        let channel = connection.create_channel().await?;
        let exchange = format!("{}.game_scheduler", self.namespace);
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        let binding = QueueBindOptions::default();
        channel.queue_bind(queue.clone(), exchange.as_str().into(), "#".into(), binding, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = channel.basic_consume(queue, "tap".into(), options, FieldTable::default()).await?;
        let tapped: Arc<Mutex<Vec<Tapped>>> = Arc::default();
        let kept = tapped.clone();
        #[expect(clippy::disallowed_methods, reason = "the harness carries no trace")]
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(Tapped::of(&delivery));
            }
        });
        Ok(Tap { _connection: connection, tapped })
    }
}

impl Tap {
    /// What was passed on so far.
    #[must_use]
    pub fn tapped(&self) -> Vec<Tapped> {
        self.tapped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what was passed on is as wanted.
    ///
    /// # Errors
    /// When it is not within `patience`; the message shows what it is instead.
    pub async fn wait(&self, wanted: impl Fn(&[Tapped]) -> bool, patience: Duration) -> Result<Vec<Tapped>> {
        let until = Instant::now() + patience;
        loop {
            let tapped = self.tapped();
            if wanted(&tapped) {
                return Ok(tapped);
            }
            if Instant::now() > until {
                let keys: Vec<_> = tapped.iter().map(|message| format!("{} {}", message.key, message.id)).collect();
                bail!("after {patience:?} the tap still shows:\n{}", keys.join("\n"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Tapped {
    fn of(delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let headers = properties.headers().clone().unwrap_or_default();
        let texts = headers.inner().iter().filter_map(|(name, value)| match value {
            AMQPValue::LongString(text) => Some((name.to_string(), text.to_string())),
            AMQPValue::ShortString(text) => Some((name.to_string(), text.to_string())),
            _ => None,
        });
        Self {
            key: delivery.routing_key.to_string(),
            id: properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
            headers: texts.collect(),
            around: around(properties.headers().as_ref(), properties),
            body: delivery.data.clone(),
        }
    }
}

/// Long strings print as bytes when they are debugged, so they are written out first.
fn around(headers: Option<&FieldTable>, properties: &lapin::BasicProperties) -> String {
    let mut text = format!("{properties:?}");
    for value in headers.into_iter().flat_map(|table| table.inner().values()) {
        if let AMQPValue::LongString(value) = value {
            text.push(' ');
            text.push_str(&value.to_string());
        }
    }
    text
}
