//! What telling of a message costs beside the wire, for benches: as the relay does it, and as a consumer gets it.

use lapin::BasicProperties;
use lapin::message::Delivery;

use super::Broker;
use super::message::Message;
use super::topology::short;
use crate::store::outbox::OutboxRow;

/// A row as the relay prepares it, accepted at once by no broker.
pub fn publish(row: OutboxRow, broker: &Broker) {
    Message::new(row, broker).settle(None);
}

/// A message as it lies in a queue.
#[derive(Debug)]
pub struct Waiting {
    exchange: String,
    key: String,
    body: Vec<u8>,
    properties: BasicProperties,
}

impl Waiting {
    /// With the headers that the relay gives it.
    #[must_use]
    pub fn of(row: OutboxRow, broker: &Broker) -> Self {
        let message = Message::new(row, broker);
        let (body, properties) = (message.body.clone(), message.properties.clone());
        let waiting =
            Self { exchange: broker.names().exchange(), key: message.row.routing_key.clone(), body, properties };
        message.settle(None);
        waiting
    }

    /// It comes out of the queue; as often as one likes.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let mut delivery = Delivery::mock(1, short(&self.exchange), short(&self.key), false, self.body.clone());
        delivery.properties = self.properties.clone();
        delivery
    }
}
