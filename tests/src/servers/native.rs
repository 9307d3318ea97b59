//! Servers as children of this process, from binaries on this machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::process::Process;
use super::{Urls, postgres, rabbitmq, ready, redis, watchdog};

const START: Duration = Duration::from_secs(60);

/// The three, and what RabbitMQ needs beside it.
pub(super) struct Native {
    pub(super) postgres: Process,
    pub(super) redis: Process,
    pub(super) rabbitmq: Process,
    _epmd: Process,
    urls: Urls,
    pub(super) rabbitmq_metrics: String,
}

/// What must be installed for it.
pub(super) struct Binaries {
    pub(super) postgres: PathBuf,
    pub(super) redis: PathBuf,
    pub(super) rabbitmq: PathBuf,
    pub(super) epmd: PathBuf,
}

impl Native {
    pub(super) async fn start() -> Result<Self> {
        let binaries = Binaries::find()?;
        let directory = directory()?;
        let (postgres, redis, rabbitmq) = tokio::join!(
            postgres::start(&binaries, &directory),
            redis::start(&binaries, &directory),
            rabbitmq::start(&binaries, &directory),
        );
        let ((postgres, postgres_url), (redis, redis_url), broker) = (postgres?, redis?, rabbitmq?);
        let urls = Urls { postgres: postgres_url, redis: redis_url, amqp: broker.amqp };
        let (rabbitmq, rabbitmq_metrics) = (broker.process, broker.metrics);
        let native = Self { postgres, redis, rabbitmq, _epmd: broker.epmd, urls, rabbitmq_metrics };
        tokio::try_join!(native.postgres_answers(), native.redis_answers(), native.rabbitmq_answers())?;
        Ok(native)
    }

    pub(super) fn urls(&self) -> Urls {
        self.urls.clone()
    }

    pub(super) async fn start_postgres(&self) -> Result<()> {
        self.postgres.start_again()?;
        self.postgres_answers().await
    }

    pub(super) async fn start_redis(&self) -> Result<()> {
        self.redis.start_again()?;
        self.redis_answers().await
    }

    pub(super) async fn start_rabbitmq(&self) -> Result<()> {
        self.rabbitmq.start_again()?;
        self.rabbitmq_answers().await
    }

    async fn postgres_answers(&self) -> Result<()> {
        let ask = || ready::postgres(&self.urls.postgres);
        ready::within(START, "Postgres", ask, || self.postgres.ended()).await.map(drop)
    }

    async fn redis_answers(&self) -> Result<()> {
        ready::within(START, "Redis", || ready::redis(&self.urls.redis), || self.redis.ended()).await.map(drop)
    }

    async fn rabbitmq_answers(&self) -> Result<()> {
        let ask = || ready::rabbitmq(&self.urls.amqp);
        ready::within(START, "RabbitMQ", ask, || self.rabbitmq.ended()).await.map(drop)
    }
}

impl Binaries {
    /// All of them, or which are missing and where they were looked for.
    pub(super) fn find() -> Result<Self> {
        match (postgres::binary(), redis::binary(), rabbitmq::binary(), rabbitmq::epmd()) {
            (Some(postgres), Some(redis), Some(rabbitmq), Some(epmd)) => Ok(Self { postgres, redis, rabbitmq, epmd }),
            (postgres, redis, rabbitmq, epmd) => {
                let looked_for = [
                    ("postgres with initdb", postgres),
                    ("redis-server or valkey-server", redis),
                    ("rabbitmq-server", rabbitmq),
                    ("epmd", epmd),
                ];
                let missing: Vec<_> =
                    looked_for.iter().filter(|(_, found)| found.is_none()).map(|(name, _)| *name).collect();
                bail!("not found on PATH or where Debian puts them: {}", missing.join(", "))
            }
        }
    }
}

/// An executable on the path, or among the system's, which are not on everyone's path.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|place| place.join(name)).find(|file| is_executable(file))
}

pub(super) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A directory that other users can pass through, since Postgres may run as one; the watchdog removes it.
fn directory() -> Result<PathBuf> {
    let readable = std::fs::Permissions::from_mode(0o755);
    let directory = tempfile::Builder::new().prefix("game-scheduler-").permissions(readable).tempdir();
    let directory = directory.context("making a temporary directory")?;
    watchdog::tell("directory", &directory.path().to_string_lossy())?;
    Ok(directory.keep())
}
