//! One server as a child process: start, stop, start again.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::watchdog;

/// How a server ends at once without leaving anything behind.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    /// Kill it and its children.
    Kill,
    /// Postgres's immediate shutdown: the postmaster kills its backends and writes nothing.
    Quit,
}

/// A server that runs, or did.
pub(crate) struct Process {
    name: &'static str,
    port: u16,
    log: PathBuf,
    stop: Stop,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    child: Mutex<Option<Child>>,
}

impl Process {
    pub(super) fn start(
        name: &'static str,
        (port, directory, stop): (u16, &Path, Stop),
        command: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let process = Self { name, port, log, stop, command: Box::new(command), child: Mutex::new(None) };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it with the same command, and so the same port and data.
    pub(super) fn start_again(&self) -> Result<()> {
        let mut child = self.child();
        ensure!(child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).context("opening a server's log")?;
        let started = (self.command)()
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing a server's log")?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
        let word = match self.stop {
            Stop::Kill => "kill",
            Stop::Quit => "quit",
        };
        watchdog::tell(word, &started.id().to_string())?;
        *child = Some(started);
        Ok(())
    }

    /// Ends it at once and waits until its port is closed.
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut child = self.child().take().with_context(|| format!("{} is stopped already", self.name))?;
        self.signal(&child)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.try_wait()?.is_none() || TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            ensure!(Instant::now() < deadline, "{} does not stop", self.name);
            sleep(Duration::from_millis(20)).await;
        }
        watchdog::tell("ended", &child.id().to_string())
    }

    fn signal(&self, child: &Child) -> Result<()> {
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a server without a process id")?;
        match self.stop {
            Stop::Kill => kill_process_group(id, Signal::KILL),
            Stop::Quit => kill_process(id, Signal::QUIT),
        }
        .with_context(|| format!("stopping {}", self.name))
    }

    /// Why it ended, if it did: its status and its last words.
    pub(super) fn ended(&self) -> Option<String> {
        let status = self.child().as_mut()?.try_wait().ok()??;
        Some(format!("{} ended with {status}: {}", self.name, last_words(&self.log)))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    /// The shared servers are in a static and never dropped: those are the watchdog's.
    fn drop(&mut self) {
        if let Some(mut child) = self.child().take() {
            self.signal(&child).and_then(|()| child.wait().context("waiting for a server")).ok();
            watchdog::tell("ended", &child.id().to_string()).ok();
        }
    }
}

/// A command that sees nothing of this environment whose name starts so: it is meant for other servers.
pub(super) fn command(program: impl AsRef<OsStr>, without: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(without)) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with what it says in the error.
pub(super) async fn run(mut command: Command, log: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = File::create(log).context("opening a log")?;
    command.stdin(Stdio::null()).stdout(output.try_clone().context("sharing a log")?).stderr(output);
    let status = tokio::process::Command::from(command).status().await.with_context(|| format!("running {name}"))?;
    ensure!(status.success(), "{name} ended with {status}: {}", last_words(log));
    Ok(())
}

fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}
