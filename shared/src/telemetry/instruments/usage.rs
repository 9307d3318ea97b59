//! What the process takes of its machine.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

/// What was read last.
pub static USAGE: Usage =
    Usage { user_ms: AtomicU64::new(0), system_ms: AtomicU64::new(0), resident: AtomicU64::new(0) };

/// All zero until it was read once.
#[derive(Debug)]
pub struct Usage {
    /// Time on a processor in its own code, in milliseconds.
    pub user_ms: AtomicU64,
    /// The same in the kernel's.
    pub system_ms: AtomicU64,
    /// Memory in bytes.
    pub resident: AtomicU64,
}

pub(super) fn install(meter: &Meter) {
    meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Time on a processor.")
        .with_callback(|observer| {
            for (mode, spent) in [("user", &USAGE.user_ms), ("system", &USAGE.system_ms)] {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of a process are exact in a double")]
                let seconds = spent.load(Ordering::Relaxed) as f64 / 1000.0;
                observer.observe(seconds, &[KeyValue::new("cpu.mode", mode)]);
            }
        })
        .build();
    meter
        .i64_observable_up_down_counter("process.memory.usage")
        .with_unit("By")
        .with_description("Memory in use.")
        .with_callback(|observer| {
            let resident = USAGE.resident.load(Ordering::Relaxed);
            if resident > 0 {
                observer.observe(resident.cast_signed(), &[]);
            }
        })
        .build();
}
