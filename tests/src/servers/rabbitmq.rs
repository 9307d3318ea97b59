//! RabbitMQ as a child process, with a name server of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::native::{Binaries, is_executable, on_path};
use super::ports;
use super::process::{self, Process, Stop};

/// Known from anything else, so that specs can look for it.
const PASSWORD: &str = "native-broker-password";

/// Debian's wrapper on the path insists on its own user and directories, so the program itself comes first.
pub(super) fn binary() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    Some(debian).filter(|file| is_executable(file)).or_else(|| on_path("rabbitmq-server"))
}

/// Erlang's name server. RabbitMQ would start one that stays after it, and share one that is there.
pub(super) fn epmd() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/erlang").into_iter().flatten().flatten();
    on_path("epmd").or_else(|| versions.map(|entry| entry.path().join("bin/epmd")).find(|file| is_executable(file)))
}

/// The broker, its name server, and where both its faces are reached.
pub(super) struct Broker {
    pub(super) process: Process,
    pub(super) epmd: Process,
    /// For programs.
    pub(super) amqp: String,
    /// Host and port for whoever scrapes it.
    pub(super) metrics: String,
}

pub(super) async fn start(binaries: &Binaries, directory: &Path) -> Result<Broker> {
    let (port, names, nodes, metrics) = (ports::free()?, ports::free()?, ports::free()?, ports::free()?);
    let home = directory.join("rabbitmq");
    fs::create_dir(&home).context("making RabbitMQ's directory")?;
    fs::write(home.join("rabbitmq.conf"), configuration(port, metrics)).context("writing RabbitMQ's configuration")?;
    fs::write(home.join("enabled_plugins"), "[rabbitmq_prometheus].\n").context("choosing RabbitMQ's plugins")?;
    fs::write(home.join("environment.conf"), "").context("writing RabbitMQ's configuration")?;

    let epmd = binaries.epmd.clone();
    let epmd = Process::start("epmd", (names, directory, Stop::Kill), move || {
        let mut command = Command::new(&epmd);
        command.args(["-port", &names.to_string(), "-address", "127.0.0.1"]);
        command
    })?;
    let binary = binaries.rabbitmq.clone();
    let broker =
        Process::start("rabbitmq", (port, directory, Stop::Kill), move || command(&binary, &home, names, nodes))?;
    let amqp = format!("amqp://guest:{PASSWORD}@127.0.0.1:{port}/%2f");
    Ok(Broker { process: broker, epmd, amqp, metrics: format!("127.0.0.1:{metrics}") })
}

/// The quorum queues' log is kept small: by default it takes half a gigabyte of a disk that may be in memory. What is
/// measured is read by scraping alone, so the collector of the management's pages rests.
fn configuration(port: u16, metrics: u16) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_pass = {PASSWORD}\ndisk_free_limit.absolute = 50MB\n\
         raft.wal_max_size_bytes = 67108864\nprometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {metrics}\n\
         management_agent.disable_metrics_collector = true\n"
    )
}

fn command(binary: &Path, home: &Path, names: u16, nodes: u16) -> Command {
    let mut command = process::command(binary, "RABBITMQ_");
    command
        .current_dir(home)
        .env("HOME", home)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("RABBITMQ_NODENAME", "tests@localhost")
        .env("RABBITMQ_DIST_PORT", nodes.to_string())
        .env("RABBITMQ_MNESIA_BASE", home.join("data"))
        .env("RABBITMQ_LOG_BASE", home.join("logs"))
        .env("RABBITMQ_PID_FILE", home.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config"))
        .env("RABBITMQ_CONF_ENV_FILE", home.join("environment.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", home.join("feature_flags"))
        // Idle schedulers sleep instead of spinning, and the port between nodes is for this machine only.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}");
    command
}
