//! Loops note their turns; one that no longer turns makes the process not live.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A loop that has not turned for this long is stuck.
pub(super) const STUCK: Duration = Duration::from_secs(90);

static LOOPS: Mutex<BTreeMap<u64, (&'static str, Instant)>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The turns of one loop, from its start until this is dropped.
#[derive(Debug)]
pub struct Turns {
    number: u64,
    name: &'static str,
}

impl Turns {
    /// A loop that begins now.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        let turns = Self { number: NEXT.fetch_add(1, Ordering::Relaxed), name };
        turns.turn();
        turns
    }

    /// Notes a turn, successful or not.
    pub fn turn(&self) {
        loops().insert(self.number, (self.name, Instant::now()));
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        loops().remove(&self.number);
    }
}

/// Loops and the time since their last turn; of several with one name the slowest.
pub(super) fn ages() -> BTreeMap<&'static str, Duration> {
    let mut ages = BTreeMap::new();
    for (name, last) in loops().values() {
        let age: &mut Duration = ages.entry(*name).or_default();
        *age = last.elapsed().max(*age);
    }
    ages
}

fn loops() -> MutexGuard<'static, BTreeMap<u64, (&'static str, Instant)>> {
    LOOPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_known_from_its_start_to_its_end() {
        let turns = Turns::of("test of turns");
        assert!(ages()["test of turns"] < STUCK);
        drop(turns);
        assert!(!ages().contains_key("test of turns"));
    }
}
