//! Where measurements lie, on which machine they were taken, and how tables look.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The directory of cargo that this program was built into.
///
/// # Errors
/// When it was moved out of it.
pub fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("finding this program")?;
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let found = program.ancestors().find(|directory| directory.ends_with(profile)).and_then(Path::parent);
    found.map(Path::to_path_buf).context("this program does not lie in a target directory")
}

/// Writes a result beside the others, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn write(name: &str, text: &str) -> Result<PathBuf> {
    file(name, text)
}

/// Writes a report, which is Markdown, beside the results.
///
/// # Errors
/// When it cannot be written.
pub fn report(name: &str, text: &str) -> Result<PathBuf> {
    file(&format!("{name}.md"), text)
}

fn file(name: &str, text: &str) -> Result<PathBuf> {
    let directory = target()?.join("bench");
    fs::create_dir_all(&directory).context("making the directory of results")?;
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("written: {}", path.display());
    Ok(path)
}

/// A line on the machine, the build and the commit.
#[must_use]
pub fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    // All there are: this process may be kept to some of them.
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory: u64 = memory.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, {cores} cores, {} GiB, Linux {}, {} build, commit {}, load average {} when it ended",
        model.unwrap_or("unknown processor").trim(),
        memory >> 20,
        kernel.trim(),
        build(),
        commit(),
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}

/// The profile of this program, which is that of the services that it starts.
#[must_use]
pub const fn build() -> &'static str {
    if cfg!(debug_assertions) { "dev" } else { "release" }
}

fn commit() -> String {
    let git = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]).output();
    let said = git.ok().filter(|output| output.status.success());
    said.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A table in Markdown.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut text = line(&mut head.iter().map(|cell| (*cell).to_owned()));
    text += &line(&mut head.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned()));
    for row in rows {
        text += &line(&mut row.iter().cloned());
    }
    text
}

/// Nanoseconds as people read them.
#[must_use]
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        small if small.abs() < 1e3 => format!("{small:.0} ns"),
        middle if middle.abs() < 1e6 => format!("{:.2} µs", middle / 1e3),
        large => format!("{:.2} ms", large / 1e6),
    }
}
