//! The frame of every process: settings, telemetry, signals, health, tasks that are kept alive, an end within 25 s.

pub mod backoff;
mod complaint;
mod health;
mod operate;
mod probe;
mod secrets;
mod settings;
mod skew;
mod supervisor;
mod turns;
mod usage;
mod watch;

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory, FromArgMatches};
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use health::{Check, Health};
pub use operate::{Operation, operate};
pub use settings::{Settings, missing, secret};
pub use skew::Skew;
pub use supervisor::Supervisor;
pub use turns::Turns;
pub use watch::{awaiting, watch};

use crate::telemetry::{self, Lines};

/// From the signal to the end of everything but telemetry.
const END: Duration = Duration::from_secs(25);
/// Blocking work that does not end is left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(1);
/// The process was told something it cannot use.
const MISCONFIGURED: u8 = 2;

/// What a service needs to run.
#[derive(Clone, Debug)]
pub struct Process {
    /// `service.name`.
    pub name: &'static str,
    /// Cancelled when the process is to end.
    pub stop: CancellationToken,
    /// What probes are told.
    pub health: Health,
    /// Keeps long-lived tasks alive.
    pub tasks: Supervisor,
}

impl Process {
    fn new(name: &'static str) -> Self {
        let stop = CancellationToken::new();
        Self { name, health: Health::default(), tasks: Supervisor::new(stop.clone()), stop }
    }
}

/// Runs a service from its arguments to its exit code. `health` is the default of `HEALTH_ADDR`.
///
/// Settings that are missing or malformed end it with code 2 and one line that names them.
pub fn main<S, F>(name: &'static str, health: &'static str, run: impl FnOnce(S, Process) -> F) -> ExitCode
where
    S: CommandFactory + FromArgMatches + AsRef<Settings>,
    F: Future<Output = anyhow::Result<()>>,
{
    match parsed(name, health) {
        Ok(settings) => serve(name, settings, run),
        Err(code) => code,
    }
}

/// What the process was told; otherwise its exit code, once what is wrong was said, or the question answered.
///
/// # Errors
/// When it is missing or malformed, and when only help was asked for, or how another process is.
pub fn parsed<S: CommandFactory + FromArgMatches>(name: &'static str, health: &'static str) -> Result<S, ExitCode> {
    let mut command = S::command()
        .mut_arg("health_addr", |arg| arg.default_value(health).required(false))
        .subcommand(probe::command())
        // Who only asks how the process is need not have what it needs.
        .subcommand_negates_reqs(true)
        .after_help(settings::BESIDE);
    let files = secrets::from_files(&command).map_err(|line| complain(name, &line))?;
    let mut given = std::env::args_os();
    let arguments: Vec<_> = given.next().into_iter().chain(files).chain(given).collect();
    let found = command.try_get_matches_from_mut(arguments).map_err(|error| refuse(name, &error, &command))?;
    if let (Some(probe::NAME), Some(address)) = (found.subcommand_name(), found.get_one("health_addr")) {
        return Err(probe::run(name, *address));
    }
    S::from_arg_matches(&found).map_err(|error| refuse(name, &error, &command))
}

/// Runs a service to its exit code.
pub fn serve<S, F>(name: &'static str, settings: S, run: impl FnOnce(S, Process) -> F) -> ExitCode
where
    S: AsRef<Settings>,
    F: Future<Output = anyhow::Result<()>>,
{
    let common = settings.as_ref();
    let told = telemetry::Settings {
        service: name,
        port: common.health_addr.port(),
        level: common.log_level,
        format: common.log_format,
        lines: Lines::Stdout,
    };
    telemetry::users::install(common.telemetry_user_ids, common.telemetry_user_key.as_ref());
    inside(told, || {
        let process = Process::new(name);
        usage::keep(&process);
        live(process.clone(), run(settings, process))
    })
}

/// Runs what `work` makes in a runtime, with telemetry that begins before it and is told after it.
fn inside<F: Future<Output = ExitCode>>(told: telemetry::Settings, work: impl FnOnce() -> F) -> ExitCode {
    // Two providers are compiled in by dependencies at times; rustls then panics unless one is chosen first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guard = match telemetry::init(told) {
        Ok(guard) => guard,
        Err(fault) => return complain(told.service, &format!("{fault:#}")),
    };
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(async { work().await });
            runtime.shutdown_timeout(LEFT_BEHIND);
            code
        }
        Err(fault) => complain(told.service, &format!("starting the runtime: {fault}")),
    };
    guard.shutdown();
    code
}

/// Settings that cannot be used, or a question for help.
fn refuse(name: &str, error: &clap::Error, command: &clap::Command) -> ExitCode {
    if error.use_stderr() {
        return complain(name, &complaint::line(error, command));
    }
    // Help and version go to stdout.
    let _ = error.print();
    ExitCode::SUCCESS
}

/// One line for the person who started the process; there is no log yet.
fn complain(name: &str, line: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{name}: {line}");
    ExitCode::from(MISCONFIGURED)
}

/// Runs until the work ends or a signal comes, then until everything has ended, but not longer than 25 s.
async fn live(process: Process, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let name = process.name;
    info!("{name} {} starts", telemetry::version());
    let mut work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
    let mut ended = tokio::select! {
        ended = &mut work => Some(ended),
        asked = asked_to_end() => {
            if let Err(fault) = asked {
                error!("{fault:#}");
            }
            info!("{name} was asked to end");
            None
        }
        () = process.stop.cancelled() => None,
    };
    process.health.stopping();
    process.stop.cancel();
    let until = tokio::time::Instant::now() + END;
    if ended.is_none() {
        ended = timeout_at(until, work).await.ok();
    }
    let finished = timeout_at(until, process.tasks.finished()).await.is_ok();
    let well = match ended {
        Some(Ok(Ok(()))) => finished && !process.tasks.gave_up(),
        Some(Ok(Err(fault))) => {
            error!("{name} ends: {fault:#}");
            false
        }
        // The panic itself was told by the hook.
        Some(Err(_)) => false,
        None => {
            error!("{name} did not finish within {} s", END.as_secs());
            false
        }
    };
    info!("{name} ended");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn asked_to_end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Binds a listener, naming the setting when that fails.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn bind(setting: &'static str, address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await.with_context(|| format!("{setting}: cannot listen on {address}"))
}
