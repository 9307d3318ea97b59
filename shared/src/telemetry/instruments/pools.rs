//! Pools of connections: how many there are, and how many are in use.

use std::fmt;
use std::sync::OnceLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::list::List;

static POOLS: List<Pool> = List::new();
static INSTALLED: OnceLock<()> = OnceLock::new();

/// A pool of connections.
pub struct Pool {
    /// Unique in the process.
    pub name: &'static str,
    /// How many connections it may have.
    pub max: u32,
    /// How many it has, and how many of them are idle. May only load atomics: a collection must neither wait nor fail.
    pub read: Box<dyn Fn() -> (u32, usize) + Send + Sync>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pool").field("name", &self.name).field("max", &self.max).finish_non_exhaustive()
    }
}

/// The label of a pool.
#[must_use]
pub fn label(name: &'static str) -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", name)
}

/// Tells of a pool from now on. Where nothing is told it is forgotten, and so are its connections.
pub fn tell(pool: Pool) {
    // A counter that begins with its first event hides that event from whoever asks for its rate.
    super::get().db_timeouts.add(0, &[label(pool.name)]);
    if INSTALLED.get().is_some() {
        POOLS.add(pool);
    }
}

pub(super) fn install(meter: &Meter) {
    let _ = INSTALLED.set(());
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Connections, idle and used.")
        .with_callback(|observer| {
            for pool in POOLS.iter() {
                let (open, idle) = (pool.read)();
                let idle = i64::try_from(idle).unwrap_or(i64::MAX);
                // The two are not read at one moment.
                let used = i64::from(open).saturating_sub(idle).max(0);
                for (state, connections) in [("idle", idle), ("used", used)] {
                    let state = KeyValue::new("db.client.connection.state", state);
                    observer.observe(connections, &[label(pool.name), state]);
                }
            }
        })
        .build();
    meter
        .i64_observable_up_down_counter("db.client.connection.max")
        .with_unit("{connection}")
        .with_description("Connections that may be open.")
        .with_callback(|observer| {
            for pool in POOLS.iter() {
                observer.observe(i64::from(pool.max), &[label(pool.name)]);
            }
        })
        .build();
}
