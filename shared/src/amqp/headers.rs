//! Headers of a message: single values, all of them as JSON, and what the broker writes on what it moved.

use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

/// Where and why the broker took a message away, the last time first.
const DEATH: &str = "x-death";

/// Whether the broker took the message out of another queue.
pub(super) fn died(headers: &FieldTable) -> bool {
    headers.contains_key(DEATH)
}

/// Why it was last taken out of a queue, in the broker's words.
pub(super) fn cause_of_death(headers: &FieldTable) -> Option<String> {
    string(last(headers)?.inner().get("reason")?)
}

/// The routing key under which it came to that queue.
pub(super) fn key_at_death(headers: &FieldTable) -> Option<String> {
    let AMQPValue::FieldArray(keys) = last(headers)?.inner().get("routing-keys")? else { return None };
    string(keys.as_slice().first()?)
}

fn last(headers: &FieldTable) -> Option<&FieldTable> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get(DEATH)? else { return None };
    match deaths.as_slice().first()? {
        AMQPValue::FieldTable(death) => Some(death),
        _ => None,
    }
}

/// Both string types, whoever wrote them.
pub(super) fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// All integer types.
pub(super) fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

/// All headers, for a column that can hold no NUL.
pub(super) fn all(headers: &FieldTable) -> Value {
    let fields = headers.inner().iter();
    fields.map(|(name, value)| (storable(name.as_str()), one(value))).collect::<Map<_, _>>().into()
}

fn one(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(yes) => json!(yes),
        AMQPValue::Float(number) => json!(number),
        AMQPValue::Double(number) => json!(number),
        AMQPValue::Timestamp(seconds) => json!(seconds),
        AMQPValue::FieldTable(table) => all(table),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(one).collect::<Vec<_>>().into(),
        AMQPValue::Void => Value::Null,
        AMQPValue::ByteArray(bytes) => json!(bytes.as_slice()),
        AMQPValue::DecimalValue(number) => json!({ "scale": number.scale, "value": number.value }),
        other => match (string(other), integer(other)) {
            (Some(text), _) => json!(storable(&text)),
            (None, number) => json!(number),
        },
    }
}

/// Postgres keeps every text but those with NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;
    use crate::amqp::topology::text;

    /// A message that the broker moved, in the shape that it gives.
    fn moved() -> FieldTable {
        let mut death = FieldTable::default();
        death.insert("reason".into(), text("rejected"));
        death.insert("count".into(), AMQPValue::LongLongInt(1));
        death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(vec![text("game.updated")])));
        let mut headers = FieldTable::default();
        headers.insert(DEATH.into(), AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::FieldTable(death)])));
        headers
    }

    #[test]
    fn a_message_that_was_moved_says_from_where_and_why() {
        let headers = moved();
        assert_eq!(cause_of_death(&headers).as_deref(), Some("rejected"));
        assert_eq!(key_at_death(&headers).as_deref(), Some("game.updated"));
        assert!(died(&headers) && !died(&FieldTable::default()));
        assert_eq!(key_at_death(&FieldTable::default()), None);
    }

    #[test]
    fn headers_of_every_type_can_be_kept() {
        let mut headers = moved();
        headers.insert("traceparent".into(), text("00-1-2-01"));
        headers.insert("nul".into(), text("a\0b"));
        headers.insert("number".into(), AMQPValue::ShortInt(7));
        headers.insert("nothing".into(), AMQPValue::Void);
        let kept = all(&headers);
        assert_eq!(kept["traceparent"], "00-1-2-01");
        assert_eq!(kept["nul"], "a\u{fffd}b");
        assert_eq!(kept["number"], 7);
        assert_eq!(kept["x-death"][0]["routing-keys"][0], "game.updated");
        assert!(kept["nothing"].is_null());
    }
}
