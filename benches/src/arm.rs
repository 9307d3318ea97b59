//! The ways in which telemetry can stand to what is measured; a process has one, since providers are set once.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::receiver::Receiver;

/// Tells a process which arm it is.
const ARM: &str = "BENCH_ARM";

/// How telemetry stands to what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Arm {
    /// `OTEL_SDK_DISABLED=true`.
    Off,
    /// On, below a parent that nobody sampled.
    Unsampled,
    /// On, below a parent that is recorded.
    Sampled,
}

impl Arm {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 3] = [Self::Off, Self::Unsampled, Self::Sampled];

    /// As in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unsampled => "unsampled",
            Self::Sampled => "sampled",
        }
    }

    /// The arm of this process, if it was started as one.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let name = std::env::var_os(ARM)?;
        Self::ALL.into_iter().find(|arm| name == arm.name())
    }

    /// Environment of a process in this arm: what it tells goes to `receiver`, and nothing of it is dropped.
    #[must_use]
    pub fn settings(self, receiver: &Receiver) -> Vec<(&'static str, String)> {
        let mut settings = vec![(ARM, self.name().to_owned())];
        settings.extend(match self {
            Self::Off => vec![("OTEL_SDK_DISABLED", "true".to_owned())],
            Self::Unsampled | Self::Sampled => vec![
                ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
                // A loop makes spans faster than any exporter takes them; what is dropped would look cheap.
                ("OTEL_BSP_MAX_QUEUE_SIZE", "400000".to_owned()),
                ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
                ("OTEL_BLRP_MAX_QUEUE_SIZE", "400000".to_owned()),
                ("OTEL_BLRP_SCHEDULE_DELAY", "10".to_owned()),
            ],
        });
        settings
    }

    /// Runs this program once more, with the same arguments, in this arm. Of what it writes to stderr the log lines are
    /// left out.
    ///
    /// # Errors
    /// When it fails.
    pub fn run_again(self, receiver: &Receiver, more: &[(&str, &str)]) -> Result<()> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.args(std::env::args_os().skip(1));
        without_telemetry(&mut command);
        command.envs(self.settings(receiver)).envs(more.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting this program once more")?;
        let errors = BufReader::new(child.stderr.take().context("it has a stderr")?);
        for line in errors.lines().map_while(Result::ok).filter(|line| !line.starts_with('{')) {
            eprintln!("{line}");
        }
        let status = child.wait().context("waiting for an arm")?;
        ensure!(status.success(), "the arm {} ended with {status}", self.name());
        Ok(())
    }
}

/// Takes away what this environment says of telemetry, which is about other processes.
pub fn without_telemetry(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
}
