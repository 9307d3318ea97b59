//! Every metric instrument, declared once with unit, description and boundaries.

mod discord;
mod list;
pub mod loops;
pub mod measured;
pub mod pools;
pub mod series;
pub mod usage;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

pub use discord::Discord;

/// Seconds of HTTP and messaging.
const H: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Seconds of the data stores.
const D: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
/// Seconds of lateness.
const L: [f64; 11] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
/// Seconds until an interaction is acknowledged; Discord allows 3.
const A: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0];

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// The instruments of this process.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is described where it is built")]
pub struct Instruments {
    pub http_server_duration: Histogram<f64>,
    pub http_server_active: UpDownCounter<i64>,
    pub http_client_duration: Histogram<f64>,
    pub db_duration: Histogram<f64>,
    pub db_wait: Histogram<f64>,
    pub db_pending: UpDownCounter<i64>,
    pub db_timeouts: Counter<u64>,
    pub sent_messages: Counter<u64>,
    pub consumed_messages: Counter<u64>,
    pub messaging_duration: Histogram<f64>,
    pub process_duration: Histogram<f64>,
    pub ratelimit_wait: Histogram<f64>,
    pub ratelimit_hits: Counter<u64>,
    pub gateway_events: Counter<u64>,
    pub interaction_ack: Histogram<f64>,
    pub outbox_unroutable: Counter<u64>,
    pub schedule_lateness: Histogram<f64>,
    pub delivery_lateness: Histogram<f64>,
    pub announcement_freshness: Histogram<f64>,
    pub fence_lost: Counter<u64>,
    pub parked_added: Counter<u64>,
    pub roster_changes: Counter<u64>,
    pub game_changes: Counter<u64>,
    pub sse_clients: UpDownCounter<i64>,
    pub sse_events: Counter<u64>,
    pub projection_reads: Counter<u64>,
    pub discord: Discord,
    pub exports: Exports,
}

/// What becomes of telemetry itself.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is described where it is built")]
pub struct Exports {
    pub attributes_dropped: Counter<u64>,
    pub spans: Counter<u64>,
    pub logs: Counter<u64>,
    pub points: Counter<u64>,
}

/// Numbers that gauges read; callbacks load atomics and never do I/O.
#[derive(Debug)]
pub struct Gauges {
    /// Unpublished outbox rows; below zero: not known here.
    pub outbox_pending: AtomicI64,
    /// Age of the oldest unpublished outbox row in milliseconds.
    pub outbox_oldest_ms: AtomicI64,
    /// Deliveries that wait.
    pub delivery_pending: AtomicI64,
    /// Announcements that show an old version for more than a minute.
    pub announcement_stale: AtomicI64,
    /// What waits for an operator, by source.
    pub parked: [(&'static str, AtomicI64); 3],
}

/// The gauges of this process. A negative value is not reported.
pub static GAUGES: Gauges = Gauges {
    outbox_pending: AtomicI64::new(-1),
    outbox_oldest_ms: AtomicI64::new(-1),
    delivery_pending: AtomicI64::new(-1),
    announcement_stale: AtomicI64::new(-1),
    parked: [("message", AtomicI64::new(-1)), ("delivery", AtomicI64::new(-1)), ("announcement", AtomicI64::new(-1))],
};

pub(super) fn install(meter: &Meter) {
    let _ = INSTRUMENTS.set(Instruments::new(meter));
    gauges(meter);
    loops::install(meter);
    measured::install(meter);
    pools::install(meter);
    usage::install(meter);
}

/// The instruments; without a provider they record nothing.
pub fn get() -> &'static Instruments {
    INSTRUMENTS.get_or_init(|| Instruments::new(&opentelemetry::global::meter("gamesched")))
}

/// The instruments, if they record already. Who may be asked before `install` uses this: `get` would freeze no-ops.
pub(super) fn installed() -> Option<&'static Instruments> {
    INSTRUMENTS.get()
}

/// Seconds since an instant.
#[must_use]
pub fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

impl Instruments {
    #[expect(clippy::too_many_lines, reason = "a list: each instrument once")]
    fn new(meter: &Meter) -> Self {
        let histogram = |name: &'static str, boundaries: &[f64], description: &'static str| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(boundaries.to_vec())
                .build()
        };
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let updown = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.i64_up_down_counter(name).with_unit(unit).with_description(description).build()
        };
        Self {
            http_server_duration: histogram("http.server.request.duration", &H, "Duration of HTTP server requests."),
            http_server_active: updown(
                "http.server.active_requests",
                "{request}",
                "Number of active HTTP server requests.",
            ),
            http_client_duration: histogram("http.client.request.duration", &H, "Duration of HTTP client requests."),
            db_duration: histogram("db.client.operation.duration", &D, "Duration of database client operations."),
            db_wait: histogram("db.client.connection.wait_time", &D, "Time to obtain a connection from the pool."),
            db_pending: updown(
                "db.client.connection.pending_requests",
                "{request}",
                "Requests that wait for a connection.",
            ),
            db_timeouts: counter("db.client.connection.timeouts", "{timeout}", "Requests that got no connection."),
            sent_messages: counter("messaging.client.sent.messages", "{message}", "Messages handed to the broker."),
            consumed_messages: counter("messaging.client.consumed.messages", "{message}", "Messages delivered to us."),
            messaging_duration: histogram("messaging.client.operation.duration", &H, "Publish until it is settled."),
            process_duration: histogram("messaging.process.duration", &H, "Duration of processing a message."),
            ratelimit_wait: histogram("gamesched.discord.ratelimit.wait", &L, "Wait for Discord's permit."),
            ratelimit_hits: counter("gamesched.discord.ratelimit.hits", "{response}", "429 answers of Discord."),
            gateway_events: counter("gamesched.gateway.events", "{event}", "Gateway events handled."),
            interaction_ack: histogram("gamesched.interaction.ack.duration", &A, "Receipt to acknowledgement."),
            outbox_unroutable: counter("gamesched.outbox.unroutable", "{message}", "Messages no queue wanted."),
            schedule_lateness: histogram("gamesched.schedule.lateness", &L, "Due to claimed, by the database."),
            delivery_lateness: histogram("gamesched.delivery.lateness", &L, "Due to the end of a delivery."),
            announcement_freshness: histogram("gamesched.announcement.freshness", &L, "Change to shown in Discord."),
            fence_lost: counter("gamesched.fence.lost", "{write}", "Writes that met a newer owner."),
            parked_added: counter("gamesched.parked.added", "{item}", "Items parked for an operator."),
            roster_changes: counter("gamesched.roster.changes", "{change}", "Changes of rosters, once confirmed."),
            game_changes: counter("gamesched.game.changes", "{change}", "Changes of games, once confirmed."),
            sse_clients: updown("gamesched.sse.clients", "{client}", "Open streams of live updates."),
            sse_events: counter("gamesched.sse.events", "{event}", "Events for streams of live updates."),
            projection_reads: counter("gamesched.projection.reads", "{read}", "Reads of the member projection."),
            discord: Discord::new(meter),
            exports: Exports::new(meter),
        }
    }
}

impl Exports {
    fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let points = "otel.sdk.exporter.metric_data_point.exported";
        Self {
            attributes_dropped: counter("gamesched.telemetry.attributes.dropped", "{attribute}", "Undeclared ones."),
            spans: counter("otel.sdk.exporter.span.exported", "{span}", "Spans whose export has ended."),
            logs: counter("otel.sdk.exporter.log.exported", "{log_record}", "Records whose export has ended."),
            points: counter(points, "{data_point}", "Points whose export has ended."),
        }
    }
}

fn gauges(meter: &Meter) {
    let number = |name: &'static str, unit: &'static str, description: &'static str, from: &'static AtomicI64| {
        meter
            .i64_observable_gauge(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                let value = from.load(Ordering::Relaxed);
                if value >= 0 {
                    observer.observe(value, &[]);
                }
            })
            .build();
    };
    number("gamesched.outbox.pending", "{message}", "Unpublished outbox rows.", &GAUGES.outbox_pending);
    number("gamesched.delivery.pending", "{delivery}", "Deliveries that wait.", &GAUGES.delivery_pending);
    number("gamesched.announcement.stale", "{announcement}", "Stale for over 60 s.", &GAUGES.announcement_stale);
    meter
        .f64_observable_gauge("gamesched.outbox.oldest_age")
        .with_unit("s")
        .with_description("Age of the oldest unpublished outbox row.")
        .with_callback(|observer| {
            let value = GAUGES.outbox_oldest_ms.load(Ordering::Relaxed);
            if value >= 0 {
                #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is exact in a double")]
                observer.observe(value as f64 / 1000.0, &[]);
            }
        })
        .build();
    parked(meter);
}

fn parked(meter: &Meter) {
    meter
        .i64_observable_gauge("gamesched.parked.items")
        .with_unit("{item}")
        .with_description("Items that wait for an operator.")
        .with_callback(|observer| {
            for (source, number) in &GAUGES.parked {
                let value = number.load(Ordering::Relaxed);
                if value >= 0 {
                    observer.observe(value, &[KeyValue::new("gamesched.source", *source)]);
                }
            }
        })
        .build();
}
