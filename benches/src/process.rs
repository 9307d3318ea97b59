//! What the kernel says of a process: time on a processor, memory; and on which processors it may run.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most it ever was.
    pub peak: u64,
}

/// How long all threads of a process were on a processor so far, to the nanosecond: the ticks in `stat` are too coarse
/// for a slice of some seconds.
///
/// # Errors
/// When it ended.
pub fn on_processor(pid: u32) -> Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} ended"))?;
    let times = threads.flatten().filter_map(|thread| {
        // A thread may end meanwhile.
        let line = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        line.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    Ok(times.sum())
}

/// What a process holds.
///
/// # Errors
/// When it ended.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} ended"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Ok(Memory { resident: bytes("VmRSS:").context("no VmRSS")?, peak: bytes("VmHWM:").context("no VmHWM")? })
}

/// Lets all threads of a process, and what they start, run on these processors only, as in `0` or `1-3`.
///
/// # Errors
/// When `taskset` is missing or refuses.
pub fn pin(pid: u32, processors: &str) -> Result<()> {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", processors, &pid.to_string()])
        .stdout(Stdio::null())
        .status()
        .context("running taskset, which the package util-linux has")?;
    ensure!(status.success(), "taskset ended with {status}");
    Ok(())
}

/// A process and all that it started, directly or not, with what they are called.
///
/// # Errors
/// When there is no such process.
pub fn family(of: u32) -> Result<Vec<(u32, String)>> {
    let mut strangers = Vec::new();
    for process in fs::read_dir("/proc").context("listing processes")?.flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        // It may end meanwhile.
        let stat = fs::read_to_string(process.path().join("stat")).ok();
        strangers.extend(pid.zip(stat).and_then(|(pid, stat)| called(&stat).map(|(name, parent)| (pid, name, parent))));
    }
    let (mut family, mut found) = (Vec::new(), vec![of]);
    while !found.is_empty() {
        let is_found = |pid: &u32| found.contains(pid);
        let (known, others): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|(pid, ..)| is_found(pid));
        family.extend(known.into_iter().map(|(pid, name, _)| (pid, name)));
        found = others.iter().filter(|(_, _, parent)| is_found(parent)).map(|(pid, ..)| *pid).collect();
        strangers = others;
    }
    ensure!(!family.is_empty(), "process {of} ended");
    Ok(family)
}

/// Name and parent from a line of `stat`; the name may hold anything.
fn called(stat: &str) -> Option<(String, u32)> {
    let (front, rest) = stat.rsplit_once(')')?;
    let name = front.split_once('(')?.1;
    Some((name.to_owned(), rest.split_ascii_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_whoever_was_started_directly_or_not() {
        let mut child = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let names = || {
            let family = family(child.id()).unwrap();
            family.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        while names().len() < 2 {
            std::thread::yield_now();
        }
        assert!(names().iter().any(|name| name == "sleep") || names().len() == 2, "{:?}", names());
        let sleep = family(child.id()).unwrap().pop().unwrap().0;
        child.kill().unwrap();
        let _ = Command::new("kill").arg(sleep.to_string()).status();
        let _ = child.wait();
        assert_eq!(called("7 (a (b) c) S 5 7 7"), Some(("a (b) c".to_owned(), 5)));
    }

    #[test]
    fn the_kernel_tells_of_this_process() {
        let pid = std::process::id();
        let before = on_processor(pid).unwrap();
        let mut number = 1_u64;
        while on_processor(pid).unwrap() < before + Duration::from_millis(20) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        let memory = memory(pid).unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > 1 << 20, "{memory:?} {number}");
    }
}
