//! Redis, or Valkey, as a child process.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::native::{Binaries, on_path};
use super::ports;
use super::process::{self, Process, Stop};

pub(super) fn binary() -> Option<PathBuf> {
    on_path("redis-server").or_else(|| on_path("valkey-server"))
}

/// Appends each write to a file without waiting for the disk, so that what was answered outlives a kill.
pub(super) async fn start(binaries: &Binaries, directory: &Path) -> Result<(Process, String)> {
    let port = ports::free()?;
    let data = directory.join("redis");
    fs::create_dir(&data).context("making Redis's directory")?;
    let binary = binaries.redis.clone();
    let process = Process::start("redis", (port, directory, Stop::Kill), move || {
        let mut redis = process::command(&binary, "REDIS_");
        redis.current_dir(&data);
        redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        redis.args(["--appendonly", "yes", "--appendfsync", "no"]);
        redis
    })?;
    Ok((process, format!("redis://127.0.0.1:{port}")))
}
