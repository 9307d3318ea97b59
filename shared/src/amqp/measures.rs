//! What is measured of every message, whichever way it goes.

use std::time::Instant;

use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram};
use opentelemetry::{KeyValue, StringValue};

use crate::telemetry::instruments::series::Series;
use crate::telemetry::instruments::{self, Instruments, seconds};

/// What is published.
pub(super) static SENT: Measures = Measures {
    operation: "publish",
    kind: Some("send"),
    count: |instruments| &instruments.sent_messages,
    duration: |instruments| &instruments.messaging_duration,
    well: Series::new(),
};
/// What is consumed.
pub(super) static PROCESSED: Measures = Measures {
    operation: "process",
    kind: None,
    count: |instruments| &instruments.consumed_messages,
    duration: |instruments| &instruments.process_duration,
    well: Series::new(),
};

/// How many messages there were, and how long each took.
pub(super) struct Measures {
    operation: &'static str,
    /// Of durations alone.
    kind: Option<&'static str>,
    count: fn(&Instruments) -> &Counter<u64>,
    duration: fn(&Instruments) -> &Histogram<f64>,
    /// By destination, of those that ended well.
    well: Series<String, (BoundCounter<u64>, BoundHistogram<f64>)>,
}

impl Measures {
    /// Measures one that ended now; `error` is the class of what failed.
    pub(super) fn tell(&self, destination: &str, since: Instant, error: Option<StringValue>) {
        let taken = seconds(since);
        let (count, duration) = ((self.count)(instruments::get()), (self.duration)(instruments::get()));
        if let Some(error) = error {
            let [counted, measured] = self.labels(destination, Some(error));
            count.add(1, &counted);
            duration.record(taken, &measured);
            return;
        }
        let (counted, measured) = self.well.get(destination, || {
            let [counted, measured] = self.labels(destination, None);
            (count.bind(&counted), duration.bind(&measured))
        });
        counted.add(1);
        measured.record(taken);
    }

    /// Those of the count, and those of the duration.
    fn labels(&self, destination: &str, error: Option<StringValue>) -> [Vec<KeyValue>; 2] {
        let mut counted = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.name", self.operation),
            KeyValue::new("messaging.destination.name", destination.to_owned()),
        ];
        counted.extend(error.map(|error| KeyValue::new("error.type", error)));
        let mut measured = counted.clone();
        measured.extend(self.kind.map(|kind| KeyValue::new("messaging.operation.type", kind)));
        [counted, measured]
    }
}
