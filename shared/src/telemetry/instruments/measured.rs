//! Gauges that somebody measures now and then; what is not known is not told.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

/// How far this process's clock is from the database's, whichever is ahead.
pub static CLOCK_SKEW: Seconds = Seconds::unknown();
/// Since the last good backup was taken.
pub static BACKUP_AGE: Seconds = Seconds::unknown();
/// What is overdue, by kind of job: all that is ever scheduled.
pub static OVERDUE: [Overdue; 6] = [
    Overdue::of("notice.joined"),
    Overdue::of("notice.reminder"),
    Overdue::of("notice.rescheduled"),
    Overdue::of("transition.in_progress"),
    Overdue::of("transition.completed"),
    Overdue::of("transition.post"),
];

/// Seconds, or nothing while they are not known.
#[derive(Debug)]
pub struct Seconds(AtomicU64);

impl Seconds {
    const fn unknown() -> Self {
        Self(AtomicU64::new(f64::NAN.to_bits()))
    }

    /// They are known from now on, or not any more.
    pub fn set(&self, seconds: Option<f64>) {
        self.0.store(seconds.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
    }

    /// What was measured last.
    pub fn get(&self) -> Option<f64> {
        Some(f64::from_bits(self.0.load(Ordering::Relaxed))).filter(|seconds| !seconds.is_nan())
    }
}

/// Rows of one kind that are due and not done.
#[derive(Debug)]
pub struct Overdue {
    /// A kind of the registry, such as `notice.reminder`.
    pub kind: &'static str,
    rows: AtomicI64,
    oldest: Seconds,
}

impl Overdue {
    const fn of(kind: &'static str) -> Self {
        Self { kind, rows: AtomicI64::new(0), oldest: Seconds::unknown() }
    }

    /// How many there are, and for how many seconds the oldest has been due; told from now on.
    pub fn set(&self, rows: i64, oldest: f64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.oldest.set(Some(oldest));
    }

    /// Nobody could find out: nothing is told until it is known again.
    pub fn unknown(&self) {
        self.oldest.set(None);
    }

    fn labels(&self) -> [KeyValue; 1] {
        [KeyValue::new("gamesched.job.kind", self.kind)]
    }
}

pub(super) fn install(meter: &Meter) {
    seconds(meter, "gamesched.clock.skew", "Between this clock and the database's.", &CLOCK_SKEW);
    seconds(meter, "gamesched.backup.age", "Since the last good backup.", &BACKUP_AGE);
    meter
        .i64_observable_gauge("gamesched.schedule.overdue")
        .with_unit("{row}")
        .with_description("Rows that are due and not done.")
        .with_callback(|observer| {
            for overdue in OVERDUE.iter().filter(|overdue| overdue.oldest.get().is_some()) {
                observer.observe(overdue.rows.load(Ordering::Relaxed), &overdue.labels());
            }
        })
        .build();
    meter
        .f64_observable_gauge("gamesched.schedule.oldest_overdue")
        .with_unit("s")
        .with_description("Since the oldest of them was due.")
        .with_callback(|observer| {
            for overdue in &OVERDUE {
                if let Some(oldest) = overdue.oldest.get() {
                    observer.observe(oldest, &overdue.labels());
                }
            }
        })
        .build();
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str, from: &'static Seconds) {
    meter
        .f64_observable_gauge(name)
        .with_unit("s")
        .with_description(description)
        .with_callback(move |observer| {
            if let Some(seconds) = from.get() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
}
