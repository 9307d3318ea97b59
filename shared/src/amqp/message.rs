//! One outbox row as a message: its properties, its PRODUCER span, and what its confirm counts.

use std::time::Instant;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use opentelemetry::metrics::BoundCounter;
use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, KeyValue};

use super::Broker;
use super::measures::SENT;
use super::topology::{short, text};
use crate::clock::Clock;
use crate::events::{Event, declared_key};
use crate::store::outbox::OutboxRow;
use crate::telemetry::carry::{self, PROMPT, Place};
use crate::telemetry::instruments;
use crate::telemetry::instruments::series::Series;
use crate::telemetry::span::{self, Span, SpanKind};

/// How often the message was sent by intent, from 1.
pub(super) const ATTEMPT: &str = "attempt";
/// The version of the body.
pub(super) const SCHEMA_VERSION: &str = "schema-version";
/// How often an operator sent it again.
pub(super) const REDRIVE: &str = "x-redrive";
const PERSISTENT: u8 = 2;

/// A row on its way.
pub(super) struct Message {
    pub(super) row: OutboxRow,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
    destination: String,
    span: Span,
    since: Instant,
}

impl Message {
    pub(super) fn new(row: OutboxRow, broker: &Broker) -> Self {
        let body = row.payload.to_string().into_bytes();
        let key = declared_key(&row.routing_key);
        let destination = destination(&[&broker.names().exchange(), key]);
        let cause = carry::extract_row(&row.trace_context);
        let Place { parent, links } = place(&row, cause);
        let mut attributes = broker.server();
        attributes.extend([
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", destination.clone()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", key),
            KeyValue::new("messaging.message.id", row.id.to_string()),
            KeyValue::new("messaging.message.body.size", i64::try_from(body.len()).unwrap_or(i64::MAX)),
        ]);
        let span = span::begin(SpanKind::Producer, format!("publish {destination}"), || attributes, links, &parent);
        let properties = properties(&row, span.context());
        Self { row, body, properties, destination, span, since: Instant::now() }
    }

    /// What it says of a game, if that is what it is about and was not said before.
    pub(super) fn fact(&self) -> Option<Event> {
        if self.row.redrive > 0 {
            return None;
        }
        let event = Event::read(&self.row.routing_key, self.row.schema_version, &self.body).ok()?;
        matches!(event, Event::Game { .. }).then_some(event)
    }

    /// Ends the span and measures: the message is with the broker, or it is not because of `error`.
    pub(super) fn settle(self, error: Option<&'static str>) {
        SENT.tell(&self.destination, self.since, error.map(Into::into));
        if let Some(error) = error {
            self.span.fail(error);
        }
        self.span.end();
    }
}

/// What is published promptly is below its cause; what is late or sent again is a root that links to it.
fn place(row: &OutboxRow, cause: SpanContext) -> Place {
    if row.age <= PROMPT && row.redrive == 0 { carry::below(cause) } else { carry::root_linked(cause, "created_by") }
}

fn properties(row: &OutboxRow, context: &Context) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in carry::headers(context) {
        headers.insert(short(&name), text(&value));
    }
    headers.insert(short(ATTEMPT), AMQPValue::LongInt(i32::from(row.redrive) + 1));
    headers.insert(short(SCHEMA_VERSION), AMQPValue::ShortInt(row.schema_version));
    if row.redrive > 0 {
        headers.insert(short(REDRIVE), AMQPValue::ShortInt(row.redrive));
    }
    BasicProperties::default()
        .with_message_id(short(&row.id.to_string()))
        .with_type(short(&row.routing_key))
        .with_timestamp(u64::try_from(Clock::system().now().timestamp()).unwrap_or_default())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers)
}

/// Counts a fact about a game, once its row says that it is published: then neither what an action rolled back nor
/// what is published a second time is counted. A commit whose answer is lost loses the count, which is only a count.
pub(super) fn count(fact: &Event) {
    let Event::Game { change, face, roster, .. } = fact else { return };
    static GAMES: Series<(&str, &str), BoundCounter<u64>> = Series::new();
    static ROSTERS: Series<(&str, &str), BoundCounter<u64>> = Series::new();
    let (instruments, face) = (instruments::get(), face.as_str());
    let labels = |key: &'static str, of: &'static str| [KeyValue::new(key, of), KeyValue::new("gamesched.face", face)];
    let change = change.as_str();
    let bind = || instruments.game_changes.bind(&labels("gamesched.event.type", change));
    GAMES.get((change, face), bind).add(1);
    for event in roster.iter().map(|event| event.as_str()) {
        let bind = || instruments.roster_changes.bind(&labels("gamesched.roster.event", event));
        ROSTERS.get((event, face), bind).add(1);
    }
}

/// A destination as the conventions write it: parts with colons, empty ones left out, equal neighbours once.
pub(super) fn destination(parts: &[&str]) -> String {
    let mut kept: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    kept.dedup();
    kept.join(":")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::TraceContextExt;
    use serde_json::json;

    use super::*;
    use crate::domain::ids::MessageId;

    fn row(redrive: i16) -> OutboxRow {
        OutboxRow {
            id: MessageId::new(),
            routing_key: "delivery.due".to_owned(),
            schema_version: 1,
            redrive,
            payload: json!({}),
            trace_context: json!({}),
            age: Duration::ZERO,
        }
    }

    #[test]
    fn a_message_carries_the_span_it_is_published_in() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let span = carry::extract_row(&json!({ "traceparent": parent, "tracestate": "a=b" }));
        let properties = properties(&row(0), &Context::new().with_remote_span_context(span));
        let headers = properties.headers().clone().unwrap_or_default();
        assert_eq!(headers.inner().get("traceparent"), Some(&text(parent)));
        assert_eq!(headers.inner().get("tracestate"), Some(&text("a=b")));
    }

    #[test]
    fn what_is_sent_again_is_a_root_that_links_back_and_counts_nothing_twice() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let cause = || carry::extract_row(&json!({ "traceparent": parent }));
        let prompt = |redrive, age| {
            let place = place(&OutboxRow { age: Duration::from_secs(age), ..row(redrive) }, cause());
            (place.parent.span().span_context().is_valid(), place.links.len())
        };
        assert_eq!(prompt(0, 60), (true, 0), "below its cause");
        assert_eq!(prompt(0, 61), (false, 1), "late");
        assert_eq!(prompt(1, 0), (false, 1), "sent again");
    }

    #[test]
    fn a_destination_leaves_out_what_is_empty_or_said() {
        assert_eq!(destination(&["game_scheduler", "game.created"]), "game_scheduler:game.created");
        assert_eq!(destination(&["", "bot.deliveries", "bot.deliveries"]), "bot.deliveries");
        assert_eq!(destination(&["x", "k", "q"]), "x:k:q");
    }

    #[test]
    fn a_message_is_persistent_and_carries_its_row() {
        let row = row(2);
        let properties = properties(&row, &Context::new());
        assert_eq!(properties.delivery_mode(), &Some(2));
        assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some(row.id.to_string().as_str()));
        assert_eq!(properties.kind().as_ref().map(|kind| kind.as_str()), Some("delivery.due"));
        let headers = properties.headers().clone().unwrap_or_default();
        assert_eq!(headers.inner().get("attempt"), Some(&AMQPValue::LongInt(3)));
        assert_eq!(headers.inner().get("schema-version"), Some(&AMQPValue::ShortInt(1)));
        assert_eq!(headers.inner().get("x-redrive"), Some(&AMQPValue::ShortInt(2)));
        assert!(!headers.contains_key("traceparent"), "no span, no header");
    }
}
