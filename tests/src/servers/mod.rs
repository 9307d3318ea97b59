//! Postgres, Redis and RabbitMQ for specs, the demo and benches, from wherever this machine has them.

mod containers;
mod environment;
mod install;
mod native;
pub(crate) mod ports;
mod postgres;
mod process;
mod rabbitmq;
mod ready;
mod redis;
mod roles;
#[cfg(test)]
mod specs;
mod watchdog;

use std::fmt;

use anyhow::{Context as _, Result, anyhow, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

pub use roles::Roles;

use native::Native;

/// Where the servers of this process came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `DATABASE_URL`, `REDIS_URL` and `AMQP_URL` name running servers.
    Environment,
    /// A container engine runs them.
    Containers,
    /// Binaries that were already on this machine, as children of this process.
    Native,
    /// As `Native`, after installing the distribution's packages.
    Installed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::Containers => "containers",
            Self::Native => "native",
            Self::Installed => "installed",
        })
    }
}

/// The three backing services, running, each accepting connections.
pub struct Servers {
    /// Where they came from.
    pub source: Source,
    urls: Urls,
    versions: [String; 3],
    native: Option<Native>,
}

/// Where the three are reached.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) amqp: String,
}

const HINT: &str = "do one of these: set DATABASE_URL, REDIS_URL and AMQP_URL; start Docker (where no registry \
                    is reached, build images with script/offline-images and export the names it prints); \
                    apt-get install postgresql redis-server rabbitmq-server";

impl Servers {
    /// Starts the servers, or finds them started, once a process. They end with it, however it ends.
    ///
    /// # Errors
    /// When no source works: one message with what was tried and what to do. It is not tried again.
    pub async fn start() -> Result<&'static Self> {
        static SERVERS: OnceCell<Result<Servers, String>> = OnceCell::const_new();
        let started =
            SERVERS.get_or_init(|| async { Self::first_that_works().await.map_err(|fault| format!("{fault:#}")) });
        started.await.as_ref().map_err(|message| anyhow!(message.clone()))
    }

    /// Servers of one's own, to be stopped and started while others use theirs; they end when dropped.
    ///
    /// # Errors
    /// When the binaries are missing and cannot be installed.
    pub async fn own() -> Result<Self> {
        match Self::from(Source::Native).await {
            Ok(servers) => Ok(servers),
            Err(native) => Self::from(Source::Installed).await.context(format!("{native:#}")),
        }
    }

    async fn first_that_works() -> Result<Self> {
        let mut tried = String::new();
        for source in sources(setting("SERVERS").as_deref())? {
            match Self::from(source).await {
                Ok(servers) => return Ok(servers),
                // Whoever names servers means them: others in their place would be a surprise.
                Err(fault) if source == Source::Environment && environment::is_set() => {
                    return Err(fault.context("using the servers that DATABASE_URL, REDIS_URL and AMQP_URL name"));
                }
                Err(fault) => tried += &format!("  {source}: {fault:#}\n"),
            }
        }
        bail!("Postgres, Redis and RabbitMQ could not be made available:\n{tried}{HINT}")
    }

    async fn from(source: Source) -> Result<Self> {
        let (urls, native) = match source {
            Source::Environment => (environment::urls()?, None),
            Source::Containers => (containers::start().await?, None),
            Source::Native => Native::start().await.map(|native| (native.urls(), Some(native)))?,
            Source::Installed => {
                install::missing().await?;
                Native::start().await.map(|native| (native.urls(), Some(native)))?
            }
        };
        let versions = ready::all(&urls).await?;
        Ok(Self { source, urls, versions, native })
    }

    /// An administrator's URL; its database is not for tests.
    #[must_use]
    pub fn postgres_url(&self) -> &str {
        &self.urls.postgres
    }

    /// The Redis server's URL; tests keep to a key prefix.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.urls.redis
    }

    /// The RabbitMQ server's URL; tests keep to a name prefix.
    #[must_use]
    pub fn amqp_url(&self) -> &str {
        &self.urls.amqp
    }

    /// Host and port at which RabbitMQ tells its measurements; known of servers that are children of this process.
    #[must_use]
    pub fn rabbitmq_metrics(&self) -> Option<&str> {
        self.native.as_ref().map(|native| native.rabbitmq_metrics.as_str())
    }

    /// One line: the source and the versions.
    #[must_use]
    pub fn describe(&self) -> String {
        let [postgres, redis, rabbitmq] = &self.versions;
        format!("{}: Postgres {postgres}, Redis {redis}, RabbitMQ {rabbitmq}", self.source)
    }

    /// Creates a database, a copy of `template` if one is given, and returns its URL.
    ///
    /// # Errors
    /// When it exists, or someone is connected to the template.
    pub async fn database(&self, name: &str, template: Option<&str>) -> Result<String> {
        let copy = template.map(|template| format!(" template {}", quoted(template))).unwrap_or_default();
        self.administer(format!("create database {}{copy}", quoted(name))).await?;
        Ok(with_database(&self.urls.postgres, name))
    }

    /// Drops a database if it exists, whoever is connected to it.
    ///
    /// # Errors
    /// When Postgres is away.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        self.administer(format!("drop database if exists {} with (force)", quoted(name))).await
    }

    async fn administer(&self, statement: String) -> Result<()> {
        let mut connection = PgConnection::connect(&self.urls.postgres).await.context("connecting to Postgres")?;
        let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await;
        connection.close().await.ok();
        done.map(drop).with_context(|| statement)
    }

    /// Kills Redis as a crash would; its port and data stay.
    ///
    /// # Errors
    /// When the servers are not children of this process.
    pub async fn stop_redis(&self) -> Result<()> {
        self.native()?.redis.stop().await
    }

    /// Starts Redis again and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_redis(&self) -> Result<()> {
        self.native()?.start_redis().await
    }

    /// Stops Postgres at once, leaving it to recover; its port and data stay.
    ///
    /// # Errors
    /// When the servers are not children of this process.
    pub async fn stop_postgres(&self) -> Result<()> {
        self.native()?.postgres.stop().await
    }

    /// Starts Postgres again and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_postgres(&self) -> Result<()> {
        self.native()?.start_postgres().await
    }

    /// Kills RabbitMQ as a crash would; its port and data stay, except for quorum queues declared within the last
    /// second: 3.10 writes their names to disk twice a second, and does not recover one whose name it lost.
    ///
    /// # Errors
    /// When the servers are not children of this process.
    pub async fn stop_rabbitmq(&self) -> Result<()> {
        self.native()?.rabbitmq.stop().await
    }

    /// Starts RabbitMQ again and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_rabbitmq(&self) -> Result<()> {
        self.native()?.start_rabbitmq().await
    }

    fn native(&self) -> Result<&Native> {
        self.native
            .as_ref()
            .with_context(|| format!("servers from {} cannot be stopped; run with SERVERS=native", self.source))
    }
}

fn sources(wanted: Option<&str>) -> Result<Vec<Source>> {
    Ok(match wanted {
        None => vec![Source::Environment, Source::Containers, Source::Native, Source::Installed],
        Some("environment") => vec![Source::Environment],
        Some("containers") => vec![Source::Containers],
        Some("native") => vec![Source::Native, Source::Installed],
        Some(other) => bail!("SERVERS is {other:?}; it may be environment, containers or native"),
    })
}

/// A variable that is set to something.
fn setting(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok().filter(|value| !value.is_empty())
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The same server and user, another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    format!("{}/{name}{query}", &base[..end])
}
