//! Loops, and how long ago each last turned.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::list::List;

/// Instead of a turn.
const ENDED: u64 = 0;

static LOOPS: List<Loop> = List::new();
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A loop of this process.
#[derive(Debug)]
pub struct Loop {
    name: &'static str,
    /// In microseconds of this process.
    turned: AtomicU64,
}

/// A loop that begins now. One of this name that ended makes room for it.
pub fn begin(name: &'static str) -> &'static Loop {
    let free = |known: &&'static Loop| {
        let (old, new) = (Ordering::Relaxed, Ordering::Relaxed);
        known.name == name && known.turned.compare_exchange(ENDED, now(), new, old).is_ok()
    };
    LOOPS.iter().find(free).unwrap_or_else(|| LOOPS.add(Loop { name, turned: AtomicU64::new(now()) }))
}

impl Loop {
    /// It turns now.
    pub fn turn(&self) {
        self.turned.store(now(), Ordering::Relaxed);
    }

    /// It is no more.
    pub fn end(&self) {
        self.turned.store(ENDED, Ordering::Relaxed);
    }
}

/// The time since the last turn, by name; of several with one name the slowest.
pub fn ages() -> BTreeMap<&'static str, Duration> {
    let mut ages = BTreeMap::new();
    for one in LOOPS.iter() {
        let turned = one.turned.load(Ordering::Relaxed);
        if turned != ENDED {
            let age: &mut Duration = ages.entry(one.name).or_default();
            *age = Duration::from_micros(now().saturating_sub(turned)).max(*age);
        }
    }
    ages
}

fn now() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX).max(ENDED + 1)
}

pub(super) fn install(meter: &Meter) {
    meter
        .f64_observable_gauge("gamesched.loop.age")
        .with_unit("s")
        .with_description("Since a loop last turned.")
        .with_callback(|observer| {
            for (name, age) in ages() {
                observer.observe(age.as_secs_f64(), &[KeyValue::new("gamesched.loop", name)]);
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_loops_with_one_name_the_slower_is_told_and_what_ended_makes_room() {
        let (since, pause) = (std::time::Instant::now(), Duration::from_millis(20));
        let first = begin("test of loops");
        std::thread::sleep(pause);
        let second = begin("test of loops");
        assert!(ages()["test of loops"] >= pause);
        first.turn();
        let age = ages()["test of loops"];
        assert!(age + pause <= since.elapsed(), "{age:?}: both have turned since");
        second.end();
        assert!(std::ptr::eq(begin("test of loops"), second));
        first.end();
        second.end();
        assert!(!ages().contains_key("test of loops"));
    }
}
