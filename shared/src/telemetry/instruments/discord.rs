//! What is measured of Discord besides its calls: the gateway's sessions, and whether it is away.

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use super::L;

/// The instruments of the gateway and the breaker.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is described where it is built")]
pub struct Discord {
    pub connected: Gauge<i64>,
    pub latency: Gauge<f64>,
    pub reconnects: Counter<u64>,
    pub session_starts: Gauge<i64>,
    pub lag: Histogram<f64>,
    pub breaker_open: Gauge<i64>,
}

impl Discord {
    pub(super) fn new(meter: &Meter) -> Self {
        let number = |name: &'static str, unit: &'static str, description: &'static str| {
            meter.i64_gauge(name).with_unit(unit).with_description(description).build()
        };
        Self {
            connected: number("gamesched.gateway.connected", "{shard}", "Whether a shard has a session."),
            latency: meter
                .f64_gauge("gamesched.gateway.latency")
                .with_unit("s")
                .with_description("From a heartbeat to its acknowledgement.")
                .build(),
            reconnects: meter
                .u64_counter("gamesched.gateway.reconnects")
                .with_unit("{reconnect}")
                .with_description("Sessions that went on or began anew.")
                .build(),
            session_starts: number(
                "gamesched.gateway.session_starts.remaining",
                "{session_start}",
                "Sessions that Discord still lets begin today.",
            ),
            lag: meter
                .f64_histogram("gamesched.gateway.dispatch.lag")
                .with_unit("s")
                .with_description("From the making of an interaction to its receipt.")
                .with_boundaries(L.to_vec())
                .build(),
            breaker_open: number("gamesched.discord.breaker.open", "{breaker}", "Whether Discord counts as away."),
        }
    }
}
