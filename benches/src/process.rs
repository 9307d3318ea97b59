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

/// All processes that descend from one, with the names of their programs, of which the kernel keeps fifteen letters.
///
/// # Errors
/// When there is no `/proc`.
pub fn descendants(root: u32) -> Result<Vec<(u32, String)>> {
    let numbers = fs::read_dir("/proc").context("looking at all processes")?.flatten();
    let all: Vec<(u32, String, u32)> = numbers
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // One that ends meanwhile is none.
            let (name, parent) = named(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some((pid, name, parent))
        })
        .collect();
    let (mut found, mut parents) = (Vec::new(), vec![root]);
    while let Some(one) = parents.pop() {
        for (pid, name, _) in all.iter().filter(|(.., parent)| *parent == one) {
            parents.push(*pid);
            found.push((*pid, name.clone()));
        }
    }
    Ok(found)
}

/// The program and the parent of a line of `stat`; a name may hold anything, brackets and spaces too.
fn named(stat: &str) -> Option<(String, u32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some((name.to_owned(), after.split_whitespace().nth(1)?.parse().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name_and_a_child_of_a_child_descends() {
        assert_eq!(named("7 (a) b (c) S 3 7 7"), Some(("a) b (c".to_owned(), 3)));
        let mut child = Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().unwrap();
        let reads = |pid| descendants(pid).unwrap().iter().any(|(_, name)| name == "cat");
        while !reads(child.id()) {
            std::thread::yield_now();
        }
        assert!(reads(std::process::id()));
        // Waiting closes its stdin.
        assert!(child.wait().unwrap().success());
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
