//! A delivery, read: what it says, where its span hangs, and how often it was tried.

use std::time::Duration;

use lapin::message::Delivery;
use lapin::types::FieldTable;
use opentelemetry::KeyValue;

use super::headers::{died, integer, key_at_death, string};
use super::message::{ATTEMPT, SCHEMA_VERSION, destination};
use super::topology::DURABLE;
use super::{Broker, Names, Queue};
use crate::clock::Clock;
use crate::events::{Event, OTHER, Unreadable, VERSION, declared_key};
use crate::telemetry::carry::{self, Headers, PROMPT, Place};
use crate::telemetry::span::{self, Span, SpanKind};

/// Counts returns of a message on a quorum queue.
const DELIVERY_COUNT: &str = "x-delivery-count";

pub(super) struct Incoming {
    pub(super) event: Result<Event, Unreadable>,
    /// What it was published with, also where the broker moved it since.
    pub(super) key: String,
    /// The same for every replica: for span names and metrics.
    pub(super) template: String,
    span: Option<Span>,
}

impl Incoming {
    /// Reads a delivery and starts its CONSUMER span.
    pub(super) fn start(delivery: &Delivery, broker: &Broker, queue: &Queue) -> Self {
        let none = FieldTable::default();
        let headers = delivery.properties.headers().as_ref().unwrap_or(&none);
        let key = delivery.routing_key.as_str();
        let version = match headers.inner().get(SCHEMA_VERSION) {
            None => Ok(VERSION),
            Some(value) => {
                integer(value).and_then(|version| i16::try_from(version).ok()).ok_or(Unreadable::Undecodable)
            }
        };
        let first_key = key_at_death(headers).unwrap_or_else(|| key.to_owned());
        let event = version.and_then(|version| Event::read(&first_key, version, &delivery.data));
        let (exchange, shown) = declared(delivery, broker.names());
        let place = |queue: &str| destination(&[&exchange, &shown, queue]);
        let (name, template) = (place(&broker.names().queue(queue)), place(&broker.names().template(queue)));
        let mut attributes = broker.server();
        attributes.extend([
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.destination.name", name.clone()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", shown.clone()),
            KeyValue::new("messaging.rabbitmq.message.delivery_tag", tag(delivery)),
            KeyValue::new("gamesched.event.type", declared_key(&first_key)),
            KeyValue::new("gamesched.attempt", attempt(headers)),
        ]);
        attributes.extend(id(delivery).map(|id| KeyValue::new("messaging.message.id", id)));
        attributes.extend(subject(&event));
        if template != name {
            attributes.push(KeyValue::new("messaging.destination.template", template.clone()));
            attributes.push(KeyValue::new("messaging.destination.temporary", true));
        }
        let Place { parent, links } = hang(delivery, headers);
        let span = span::begin(SpanKind::Consumer, format!("process {template}"), || attributes, links, &parent);
        Self { event, key: first_key, template, span: Some(span) }
    }

    /// Hands the span out, once.
    pub(super) fn span(&mut self) -> Option<Span> {
        self.span.take()
    }
}

/// A prompt first delivery continues the trace of its PRODUCER; anything else starts its own. Both link.
fn hang(delivery: &Delivery, headers: &FieldTable) -> Place {
    let text = |name: &str| Some((name.to_owned(), string(headers.inner().get(name)?)?));
    let carried: Headers = ["traceparent", "tracestate"].into_iter().filter_map(text).collect();
    let cause = carry::extract(&carried);
    let first = !delivery.redelivered && !died(headers);
    if first && age(delivery) <= PROMPT {
        carry::below_linked(cause, "created_by")
    } else {
        carry::root_linked(cause, "created_by")
    }
}

/// Since it was published, in whole seconds; a message without a time counts as old.
fn age(delivery: &Delivery) -> Duration {
    let Some(published) = *delivery.properties.timestamp() else { return Duration::MAX };
    let now = u64::try_from(Clock::system().now().timestamp()).unwrap_or_default();
    Duration::from_secs(now.saturating_sub(published))
}

/// Exchange and routing key as telemetry may name them. Whoever has the broker's password can send from any exchange
/// with any key, and what they write there is no name of a span.
fn declared(delivery: &Delivery, names: &Names) -> (String, String) {
    let (exchange, key) = (delivery.exchange.as_str(), delivery.routing_key.as_str());
    let key = match declared_key(key) {
        OTHER => {
            let mut of_queues = DURABLE.iter().flat_map(|queue| [names.queue(queue), names.parked(queue)]);
            of_queues.find(|ours| ours == key).unwrap_or_else(|| OTHER.to_owned())
        }
        ours => ours.to_owned(),
    };
    let ours = exchange.is_empty() || exchange == names.exchange();
    (if ours { exchange } else { OTHER }.to_owned(), key)
}

/// Ours are UUIDs; another could say anything.
fn id(delivery: &Delivery) -> Option<String> {
    let id: uuid::Uuid = delivery.properties.message_id().as_ref()?.as_str().parse().ok()?;
    Some(id.to_string())
}

fn subject(event: &Result<Event, Unreadable>) -> Option<KeyValue> {
    match event {
        Ok(Event::Game { game, .. }) => Some(KeyValue::new("gamesched.game.id", game.to_string())),
        Ok(Event::Delivery { delivery }) => Some(KeyValue::new("gamesched.delivery.id", delivery.to_string())),
        Err(_) => None,
    }
}

/// Sent by intent, plus returned by us: 1 for the first.
fn attempt(headers: &FieldTable) -> i64 {
    let header = |name: &str| headers.inner().get(name).and_then(integer);
    header(ATTEMPT).unwrap_or(1).max(1) + header(DELIVERY_COUNT).unwrap_or(0).max(0)
}

fn tag(delivery: &Delivery) -> i64 {
    i64::try_from(delivery.delivery_tag).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use lapin::types::AMQPValue;
    use opentelemetry::trace::TraceContextExt;

    use super::*;
    use crate::amqp::topology::text;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn delivery(seconds_ago: i64, redelivered: bool) -> (Delivery, FieldTable) {
        let mut delivery = Delivery::mock(1, "x".into(), "delivery.due".into(), redelivered, Vec::new());
        let published = Clock::system().now().timestamp() - seconds_ago;
        delivery.properties = delivery.properties.with_timestamp(u64::try_from(published).unwrap());
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), text(TRACEPARENT));
        (delivery, headers)
    }

    /// Whether it continues the trace of its cause.
    fn continues((delivery, headers): &(Delivery, FieldTable)) -> bool {
        let place = hang(delivery, headers);
        assert_eq!(place.links.len(), 1, "there is a link in any case");
        place.parent.span().span_context().is_valid()
    }

    #[test]
    fn only_a_prompt_first_delivery_continues_the_trace() {
        assert!(continues(&delivery(1, false)));
        assert!(!continues(&delivery(90, false)), "late");
        assert!(!continues(&delivery(1, true)), "redelivered");
        let (message, mut headers) = delivery(1, false);
        headers.insert("x-death".into(), text(""));
        assert!(!continues(&(message, headers)), "dead-lettered");
    }

    #[test]
    fn what_a_stranger_sends_is_named_by_nothing_they_wrote() {
        let names = Names::new("t7");
        let named = |exchange: &str, key: &str| {
            declared(&Delivery::mock(1, exchange.into(), key.into(), false, Vec::new()), &names)
        };
        let pair = |exchange: &str, key: &str| (exchange.to_owned(), key.to_owned());
        assert_eq!(named("t7.game_scheduler", "game.created"), pair("t7.game_scheduler", "game.created"));
        assert_eq!(named("", "t7.bot.deliveries"), pair("", "t7.bot.deliveries"));
        assert_eq!(named("t7.game_scheduler", "t7.bot.deliveries.parked").1, "t7.bot.deliveries.parked");
        assert_eq!(named("their words", "more words"), pair("_OTHER", "_OTHER"));
        let mut delivery = Delivery::mock(1, "x".into(), "k".into(), false, Vec::new());
        delivery.properties = delivery.properties.with_message_id("words".into());
        assert_eq!(id(&delivery), None);
    }

    #[test]
    fn a_broken_header_gives_a_root_and_no_link() {
        let (message, mut headers) = delivery(1, false);
        headers.insert("traceparent".into(), text("garbage"));
        let place = hang(&message, &headers);
        assert!(place.links.is_empty() && !place.parent.span().span_context().is_valid());
    }

    #[test]
    fn attempts_count_what_was_sent_again_and_what_came_back() {
        let mut headers = FieldTable::default();
        assert_eq!(attempt(&headers), 1);
        headers.insert(ATTEMPT.into(), AMQPValue::LongInt(2));
        headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongLongInt(3));
        assert_eq!(attempt(&headers), 5);
    }
}
