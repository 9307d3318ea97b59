//! What live updates count: open streams, and what became of each event that was meant for one.

use opentelemetry::KeyValue;

use super::instruments;

/// A stream is open.
pub fn connected() {
    instruments::get().sse_clients.add(1, &[]);
}

/// A stream is closed.
pub fn parted() {
    instruments::get().sse_clients.add(-1, &[]);
}

/// An event went to a client.
pub fn sent() {
    count("sent", 1);
}

/// Events that a client did not take in time, and that a reload stands for.
pub fn lagged(events: usize) {
    if events > 0 {
        count("lagged", u64::try_from(events).unwrap_or(u64::MAX));
    }
}

fn count(outcome: &'static str, events: u64) {
    instruments::get().sse_events.add(events, &[KeyValue::new("gamesched.outcome", outcome)]);
}
