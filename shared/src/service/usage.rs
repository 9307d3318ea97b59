//! What the process takes of its machine, read now and then: whoever collects metrics reads what was read last.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Process, Turns};
use crate::telemetry::instruments::usage::USAGE;

/// Between looks.
const EVERY: Duration = Duration::from_secs(5);
/// Linux counts the time of processes in hundredths of a second, whatever its own clock does.
const TICK_MS: u64 = 10;

/// Looks as long as the process lives.
pub(super) fn keep(process: &Process) {
    let stop = process.stop.clone();
    process.tasks.run("usage", move || watch(stop.clone()));
}

/// Looks until `stop`, and once more then, for the last export. Where there is no `/proc` nothing is known.
async fn watch(stop: CancellationToken) {
    let turns = Turns::of("usage");
    loop {
        look();
        tokio::select! {
            () = stop.cancelled() => return look(),
            () = turns.during(tokio::time::sleep(EVERY)) => {}
        }
    }
}

/// Files of `/proc` are made by the kernel while they are read: nothing waits for a disk.
fn look() {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).ok();
    if let Some((user, system)) = read("stat").as_deref().and_then(spent) {
        USAGE.user_ms.store(user, Ordering::Relaxed);
        USAGE.system_ms.store(system, Ordering::Relaxed);
    }
    if let Some(bytes) = read("status").as_deref().and_then(resident) {
        USAGE.resident.store(bytes, Ordering::Relaxed);
    }
}

/// Milliseconds in user and in system mode, of `/proc/self/stat`.
fn spent(stat: &str) -> Option<(u64, u64)> {
    // The second field is the program's name in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok().map(|ticks| ticks * TICK_MS);
    Some((ticks()?, ticks()?))
}

/// Bytes in memory, of `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 2301 0 12 0 250 75 0 0 20 0 9 0 1 2 3";
        assert_eq!(spent(stat), Some((2_500, 750)));
        assert_eq!(spent("7 (a"), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident("Name:\tapi\nVmRSS:\t   20480 kB\nThreads:\t9\n"), Some(20_971_520));
        assert_eq!(resident("Name:\tapi\n"), None);
    }
}
