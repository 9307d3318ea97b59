//! One service as a process of its own: started, watched, stopped, killed.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::binaries;

/// The services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP.
    Api,
    /// Discord.
    Bot,
    /// Notices.
    NotificationDaemon,
    /// Transitions.
    StatusDaemon,
}

impl Service {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Api, Self::Bot, Self::NotificationDaemon, Self::StatusDaemon];

    /// `service.name`, and the binary's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Bot => "bot",
            Self::NotificationDaemon => "notification-daemon",
            Self::StatusDaemon => "status-daemon",
        }
    }

    /// What its role in Postgres is called, after the prefix.
    #[must_use]
    pub const fn role(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Bot => "bot",
            Self::NotificationDaemon => "notification",
            Self::StatusDaemon => "status",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A running service. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    service: Service,
    child: Child,
    health: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Starts a service with these settings; its lines go to `log`, after those of an earlier run.
    pub(super) fn start(
        service: Service,
        settings: &[(String, String)],
        health: SocketAddr,
        log: PathBuf,
    ) -> Result<Self> {
        let lines = File::options().create(true).append(true).open(&log).context("opening a service's log")?;
        let mut command = command(service, &[])?;
        command.envs(settings.iter().map(|(name, value)| (name, value))).env("HEALTH_ADDR", health.to_string());
        command.stdout(lines.try_clone()?).stderr(lines);
        let child = command.spawn().with_context(|| format!("starting {service}"))?;
        Ok(Self { service, child, health, log })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn lines(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it tells its health.
    #[must_use]
    pub fn health_url(&self) -> String {
        format!("http://{}", self.health)
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ended, or is not ready in time; the message shows its last lines.
    pub async fn ready(&mut self, within: Duration) -> Result<()> {
        self.says(&["ready", "degraded"], within).await
    }

    /// Waits until it says that nothing is missing.
    ///
    /// # Errors
    /// As `ready`.
    pub async fn complete(&mut self, within: Duration) -> Result<()> {
        self.says(&["ready"], within).await
    }

    async fn says(&mut self, words: &[&str], within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        let http = reqwest::Client::new();
        let url = format!("{}/ready", self.health_url());
        let mut last = String::from("no answer");
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.service, self.tail());
            }
            if let Ok(answer) = http.get(&url).send().await {
                last = answer.text().await.unwrap_or_default();
            }
            if words.iter().any(|word| last.contains(&format!(r#""status":"{word}""#))) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{} is not ready after {within:?}: {last}\n{}", self.service, self.tail())
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.service))
    }

    /// Asks it to end, as an orchestrator does, and waits.
    ///
    /// # Errors
    /// When it takes longer than it may.
    pub async fn stop(self) -> Result<ExitStatus> {
        self.end(Signal::TERM).await
    }

    /// Sends a signal that should end it, and waits.
    ///
    /// # Errors
    /// When it takes longer than it may.
    pub async fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        let ended = timeout(Duration::from_secs(28), self.child.wait()).await;
        Ok(ended.with_context(|| format!("{} does not end:\n{}", self.service, self.tail()))??)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().context("it ended already")?;
        let pid = Pid::from_raw(pid.cast_signed()).context("process ids are not zero")?;
        kill_process(pid, signal).with_context(|| format!("signalling {}", self.service))
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        let last: Vec<_> = lines.lines().rev().take(25).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// A service's command without any setting of this process's environment.
///
/// # Errors
/// When the services do not build.
pub fn command(service: Service, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binaries::binary(service.name())?);
    command.args(arguments).env_clear().kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}
