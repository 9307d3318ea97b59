//! What may leave: attributes that the registry knows, of bounded length, without what looks like a secret.

use std::borrow::Cow;

use opentelemetry::logs::{AnyValue, LogRecord as _};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger};
use opentelemetry_sdk::trace::SpanData;

use super::mask::masked;
use crate::telemetry::{instruments, names};

/// Longest value in bytes, where no variable says otherwise.
const LONGEST: usize = 256;
/// A statement's; it is text from our source, and has no secrets for the same reason.
const STATEMENT: usize = 2_048;

/// Looks at everything of one signal before it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// `span` or `log`.
    pub(super) signal: &'static str,
    /// Longest value in bytes, if the environment says.
    pub(super) limit: Option<usize>,
}

impl Guard {
    /// Takes away and shortens in place; what is as it should be is not copied.
    pub(super) fn span(self, span: &mut SpanData) {
        let mut dropped = self.attributes(&mut span.attributes);
        span.dropped_attributes_count += dropped;
        for event in &mut span.events.events {
            let lost = self.attributes(&mut event.attributes);
            event.dropped_attributes_count += lost;
            dropped += lost;
        }
        for link in &mut span.links.links {
            let lost = self.attributes(&mut link.attributes);
            link.dropped_attributes_count += lost;
            dropped += lost;
        }
        self.tell(dropped);
    }

    fn attributes(self, attributes: &mut Vec<KeyValue>) -> u32 {
        let given = attributes.len();
        attributes.retain(|attribute| is_known(&attribute.key));
        for attribute in attributes.iter_mut() {
            match &mut attribute.value {
                Value::String(text) => self.amend(&attribute.key, text),
                Value::Array(Array::String(texts)) => {
                    texts.iter_mut().for_each(|text| self.amend(&attribute.key, text))
                }
                _ => {}
            }
        }
        u32::try_from(given - attributes.len()).unwrap_or(u32::MAX)
    }

    fn amend(self, key: &Key, text: &mut StringValue) {
        if let Some(better) = self.better(key, text.as_str()) {
            *text = better.into();
        }
    }

    /// The value as it may leave, or `None` when it may leave as it is.
    fn better(self, key: &Key, text: &str) -> Option<String> {
        let statement = key.as_str() == "db.query.text";
        let limit = self.limit.unwrap_or(if statement { STATEMENT } else { LONGEST });
        let secret = if statement { None } else { masked(text) };
        let clean = secret.map_or(Cow::Borrowed(text), Cow::Owned);
        if clean.len() > limit {
            // Limits are in bytes; a character is kept whole or not at all.
            return Some(clean[..clean.floor_char_boundary(limit)].to_owned());
        }
        match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }

    /// The record as it may leave; `None` when it may leave as it is. A record cannot be changed, so this is a new one.
    pub(super) fn log(self, record: &SdkLogRecord, logger: &SdkLogger) -> Option<SdkLogRecord> {
        let body = record.body().and_then(|body| as_text(body).and_then(masked));
        let objects = |(key, value): &(Key, AnyValue)| {
            !is_known(key) || as_text(value).is_some_and(|text| self.better(key, text).is_some())
        };
        if body.is_none() && !record.attributes_iter().any(objects) {
            return None;
        }
        let mut better = copy(record, logger);
        if let Some(body) = body.map(AnyValue::from).or_else(|| record.body().cloned()) {
            better.set_body(body);
        }
        let mut dropped = 0;
        for (key, value) in record.attributes_iter() {
            if !is_known(key) {
                dropped += 1;
            } else if let Some(text) = as_text(value).and_then(|text| self.better(key, text)) {
                better.add_attribute(key.clone(), text);
            } else {
                better.add_attribute(key.clone(), value.clone());
            }
        }
        self.tell(dropped);
        Some(better)
    }

    fn tell(self, dropped: u32) {
        if let (1.., Some(instruments)) = (dropped, instruments::installed()) {
            let labels = [KeyValue::new("gamesched.telemetry.signal", self.signal)];
            instruments.exports.attributes_dropped.add(u64::from(dropped), &labels);
        }
    }
}

/// Every attribute of every span is looked for: few have to be compared with more than one.
fn is_known(key: &Key) -> bool {
    let key = key.as_str().as_bytes();
    let mut at = place(key);
    while KNOWN[at] > 0 {
        if names::ATTRIBUTES[usize::from(KNOWN[at]) - 1].as_bytes() == key {
            return true;
        }
        at = (at + 1) % PLACES;
    }
    false
}

/// Where a key is looked for first: by its length, its end, and what stands in its second half.
const fn place(key: &[u8]) -> usize {
    let Some((last, before)) = key.split_last() else { return 0 };
    let middle = if before.is_empty() { 0 } else { before[before.len() * 2 / 3] };
    (key.len() * 13 + *last as usize * 41 + middle as usize * 29) % PLACES
}

/// Three times as many as there are keys, so that nearly every one has a place of its own.
const PLACES: usize = 256;
/// The number of each known key, from 1, at its place or at the next that was free.
static KNOWN: [u8; PLACES] = {
    let mut known = [0; PLACES];
    let mut number = 0;
    while number < names::ATTRIBUTES.len() {
        let mut at = place(names::ATTRIBUTES[number].as_bytes());
        while known[at] > 0 {
            at = (at + 1) % PLACES;
        }
        number += 1;
        known[at] = number as u8;
    }
    known
};

fn as_text(value: &AnyValue) -> Option<&str> {
    match value {
        AnyValue::String(text) => Some(text.as_str()),
        _ => None,
    }
}

/// All of a record but body and attributes.
fn copy(record: &SdkLogRecord, logger: &SdkLogger) -> SdkLogRecord {
    use opentelemetry::logs::Logger as _;
    let mut copy = logger.create_log_record();
    if let Some(name) = record.event_name() {
        copy.set_event_name(name);
    }
    if let Some(target) = record.target() {
        copy.set_target(target.clone());
    }
    if let Some(at) = record.timestamp() {
        copy.set_timestamp(at);
    }
    if let Some(at) = record.observed_timestamp() {
        copy.set_observed_timestamp(at);
    }
    if let Some(text) = record.severity_text() {
        copy.set_severity_text(text);
    }
    if let Some(number) = record.severity_number() {
        copy.set_severity_number(number);
    }
    if let Some(within) = record.trace_context() {
        copy.set_trace_context(within.trace_id, within.span_id, within.trace_flags);
    }
    copy
}
