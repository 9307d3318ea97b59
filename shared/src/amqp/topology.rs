//! Exchange, queues and bindings, declared by every process when it connects.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::events::GameChange;

/// Tries of one message before the broker parks it.
const DELIVERY_LIMIT: i64 = 20;
/// What has no limit says so with the greatest number that every release takes: without one RabbitMQ 4 drops a parked
/// message that was brought twenty times, and releases before it know no word for none.
const UNLIMITED: i64 = i32::MAX as i64;
/// Messages a queue holds; past it publishers are refused, which the outbox takes.
const LENGTH: i64 = 2_000_000;
/// What a live view may lag behind; lossy by design.
const EVENTS_LENGTH: i64 = 10_000;
/// Milliseconds after which a live view does not want an event any more.
const EVENTS_TTL: i64 = 30_000;

/// A queue of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Changes of games, for the announcements in Discord.
    Announcements,
    /// Direct messages that are due.
    Deliveries,
    /// Changes of games, for the live views of this replica.
    Events(String),
    /// What the consumers of a queue refused for good.
    Parked(Box<Queue>),
}

/// The queues that outlive a process.
pub const DURABLE: [Queue; 2] = [Queue::Announcements, Queue::Deliveries];

impl Queue {
    /// The name without namespace.
    pub(super) fn base(&self) -> String {
        match self {
            Self::Announcements => "bot.announcements".to_owned(),
            Self::Deliveries => "bot.deliveries".to_owned(),
            Self::Events(replica) => format!("api.events.{replica}"),
            Self::Parked(of) => format!("{}.parked", of.base()),
        }
    }

    /// The routing keys it wants.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Announcements => GameChange::ALL.iter().map(|change| change.as_str()).collect(),
            Self::Deliveries => vec!["delivery.due"],
            Self::Events(_) => vec!["game.*"],
            // Bound by its own name.
            Self::Parked(_) => Vec::new(),
        }
    }

    /// Whether what it refuses goes to a parking queue; a live view just misses it.
    #[must_use]
    pub fn parks(&self) -> bool {
        match self {
            Self::Announcements | Self::Deliveries => true,
            Self::Events(_) | Self::Parked(_) => false,
        }
    }
}

/// Names of one installation; several can share a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names with `namespace.` in front, or bare ones.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self { prefix: if namespace.is_empty() { String::new() } else { format!("{namespace}.") } }
    }

    /// The exchange that all events go to.
    #[must_use]
    pub fn exchange(&self) -> String {
        format!("{}game_scheduler", self.prefix)
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, queue: &Queue) -> String {
        format!("{}{}", self.prefix, queue.base())
    }

    /// Where a queue's refused messages go; also the routing key that leads there.
    #[must_use]
    pub fn parked(&self, queue: &Queue) -> String {
        self.queue(&Queue::Parked(Box::new(queue.clone())))
    }

    /// What stands for a queue in span names: the same for every replica.
    #[must_use]
    pub fn template(&self, queue: &Queue) -> String {
        match queue {
            Queue::Events(_) => self.queue(&Queue::Events("{replica}".to_owned())),
            Queue::Announcements | Queue::Deliveries | Queue::Parked(_) => self.queue(queue),
        }
    }
}

/// Declares the exchange, the durable queues and their parking queues. Declaring again changes nothing.
pub(super) async fn declare(channel: &Channel, names: &Names) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(short(&names.exchange()), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    for queue in &DURABLE {
        let parked = names.parked(queue);
        let mut kept = FieldTable::default();
        kept.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(UNLIMITED));
        quorum(channel, &parked, kept).await?;
        bind(channel, names, &parked, &parked).await?;
        quorum(channel, &names.queue(queue), limits(names, &parked)).await?;
        for key in queue.keys() {
            bind(channel, names, &names.queue(queue), key).await?;
        }
    }
    Ok(())
}

/// Declares the queue of one replica's live views; it goes away with the connection.
pub(super) async fn declare_events(channel: &Channel, names: &Names, queue: &Queue) -> lapin::Result<()> {
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(EVENTS_TTL));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(EVENTS_LENGTH));
    let name = names.queue(queue);
    channel.queue_declare(short(&name), options, arguments).await?;
    for key in queue.keys() {
        bind(channel, names, &name, key).await?;
    }
    Ok(())
}

/// Dead-lettering loses nothing only with this set: at-least-once needs reject-publish, or it is silently at-most-once.
fn limits(names: &Names, parked: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
    arguments.insert("x-dead-letter-exchange".into(), text(&names.exchange()));
    arguments.insert("x-dead-letter-routing-key".into(), text(parked));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(LENGTH));
    arguments
}

async fn quorum(channel: &Channel, name: &str, mut arguments: FieldTable) -> lapin::Result<()> {
    arguments.insert("x-queue-type".into(), text("quorum"));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(short(name), durable, arguments).await.map(drop)
}

async fn bind(channel: &Channel, names: &Names, queue: &str, key: &str) -> lapin::Result<()> {
    let exchange = short(&names.exchange());
    channel.queue_bind(short(queue), exchange, short(key), QueueBindOptions::default(), FieldTable::default()).await
}

/// All our names are shorter than the 255 bytes a short string may have: the namespace is checked when it is read.
pub(super) fn short(text: &str) -> ShortString {
    ShortString::from(text)
}

pub(super) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_stands_in_front_of_every_name() {
        let (bare, own) = (Names::new(""), Names::new("t7"));
        assert_eq!(bare.exchange(), "game_scheduler");
        assert_eq!(own.exchange(), "t7.game_scheduler");
        assert_eq!(own.queue(&Queue::Deliveries), "t7.bot.deliveries");
        assert_eq!(own.parked(&Queue::Announcements), "t7.bot.announcements.parked");
    }

    #[test]
    fn the_queue_of_a_replica_has_one_name_in_spans() {
        let (names, queue) = (Names::new(""), Queue::Events("0198".to_owned()));
        assert_eq!(names.queue(&queue), "api.events.0198");
        assert_eq!(names.template(&queue), "api.events.{replica}");
        assert_eq!(names.template(&Queue::Announcements), "bot.announcements");
    }

    #[test]
    fn announcements_want_every_change_of_a_game() {
        assert_eq!(
            Queue::Announcements.keys(),
            [
                "game.created",
                "game.updated",
                "game.roster_changed",
                "game.cancelled",
                "game.started",
                "game.completed",
                "game.archived"
            ]
        );
    }
}
