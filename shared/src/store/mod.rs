//! The only place that knows SQL, one noun a file.

pub mod announcements;
pub mod audit;
pub mod backlog;
pub mod deliveries;
mod executor;
pub mod games;
pub mod guilds;
pub mod hints;
pub mod idempotency;
pub mod outbox;
pub mod parked;
pub mod people;
pub mod purge;
pub mod redrive;
pub mod rosters;
pub mod schedule;
pub mod sessions;
pub mod templates;
mod told;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, Executor, PgPool, Row};

pub use executor::{Sql, Tx};

use crate::domain::ids::Discord;
use crate::error::Error;
use crate::telemetry::instruments::pools::{self, Pool};

/// The schema, forward only.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// A connection that is idle for longer is asked whether it is still there.
const FRESH: Duration = Duration::from_secs(1);

/// The database.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    name: &'static str,
    server: Arc<told::Server>,
}

/// The database cannot be reached, or does not answer in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the database is away ({0})")]
pub struct Away(&'static str);

impl Db {
    /// Opens a pool without waiting for the server: connections are made when they are needed. Server and metrics know
    /// it by `name`, which is its own in the process.
    ///
    /// # Errors
    /// When `url` is no Postgres URL.
    pub fn open(url: &str, name: &'static str, connections: u32) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| anyhow::anyhow!("DATABASE_URL is not a Postgres URL"))?
            .application_name(name)
            .disable_statement_logging()
            .options([
                ("statement_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "10s"),
                ("timezone", "UTC"),
                // A statement is planned once a connection. Left to itself the server plans those anew each time whose
                // plan for any parameters looks dearer, and planning a join costs it more than running it.
                ("plan_cache_mode", "force_generic_plan"),
            ]);
        let server = told::Server::new(name, &options);
        let pool = of(connections).max_lifetime(Duration::from_secs(30 * 60)).connect_lazy_with(options);
        let told = pool.clone();
        let read = move || (told.size(), told.num_idle());
        pools::tell(Pool { name, max: connections, read: Box::new(read) });
        Ok(Self { pool, name, server: Arc::new(server) })
    }

    /// What time the server has, if it answers at all. Not told: this is how it is pinged.
    ///
    /// # Errors
    /// When it does not.
    pub async fn time(&self) -> anyhow::Result<DateTime<Utc>> {
        let mut sql = self.connection().await.map_err(fault)?;
        let row = (&mut *sql.raw()).fetch_one("select clock_timestamp()").await.map_err(fault)?;
        row.try_get(0).map_err(fault)
    }

    /// Brings the schema to this release; one process at a time, under a lock.
    ///
    /// # Errors
    /// When the server is away or a migration does not apply.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        MIGRATIONS.run(&self.pool).await.context("migrating the database")
    }

    /// Gives each service's role the rights of this release; answers which roles there are. None: the owner does
    /// everything alone.
    ///
    /// # Errors
    /// When the server is away, or this user does not own the schema.
    pub async fn grant(&self) -> anyhow::Result<Vec<String>> {
        let granted = sqlx::raw_sql(include_str!("grants.sql")).fetch_all(&self.pool).await;
        let roles = granted.context("granting the services their rights")?;
        roles.iter().map(|row| row.try_get("role").map_err(fault)).collect()
    }

    /// A connection that `LISTEN`s; it is never given back, so it is one more than the pool's.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        let own = of(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// So many connections, all to a server that takes writes. What was used a moment ago is taken to be there: to ask first
/// would double the way of most statements, and one that is gone is met by an error that says so.
fn of(connections: u32) -> PgPoolOptions {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(2));
    let options = options.test_before_acquire(false).before_acquire(|connection, meta| {
        Box::pin(async move {
            if meta.idle_for > FRESH {
                connection.ping().await?;
            }
            Ok(true)
        })
    });
    options.after_connect(|connection, _| {
        Box::pin(async move {
            // A standby cannot take writes: the pool asks again and gets the primary.
            let row = connection.fetch_one("select pg_is_in_recovery()").await?;
            if row.get::<bool, _>(0) {
                return Err(sqlx::Error::Protocol("this server is a standby".into()));
            }
            Ok(())
        })
    })
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(fault(error))
    }
}

/// A database error as a fault: told by code, constraint and table, since its message can hold row values.
#[must_use]
pub fn fault(error: sqlx::Error) -> anyhow::Error {
    match &error {
        sqlx::Error::Database(database) => anyhow::anyhow!(
            "the database refused: {} constraint={} table={}",
            database.code().unwrap_or_default(),
            database.constraint().unwrap_or("-"),
            database.table().unwrap_or("-"),
        ),
        sqlx::Error::PoolTimedOut
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => anyhow::Error::new(Away(executor::class(&error))),
        other => anyhow::anyhow!("the database client failed: {}", executor::class(other)),
    }
}

/// A Discord id as Postgres keeps it.
pub(crate) fn discord_id<Marker>(id: Discord<Marker>) -> i64 {
    // Discord's ids stay below 2^63 until the year 2084.
    id.get().cast_signed()
}

/// Several of them.
pub(crate) fn discord_ids<Marker>(ids: &[Discord<Marker>]) -> Vec<i64> {
    ids.iter().map(|id| discord_id(*id)).collect()
}

/// A Discord id out of Postgres.
///
/// # Errors
/// When the column holds zero, which Discord never gives.
pub(crate) fn snowflake<Marker>(id: i64) -> anyhow::Result<Discord<Marker>> {
    Discord::new_checked(id.cast_unsigned()).context("a stored Discord id is zero")
}

/// Several of them.
///
/// # Errors
/// As `snowflake`.
pub(crate) fn snowflakes<Marker>(ids: &[i64]) -> anyhow::Result<Vec<Discord<Marker>>> {
    ids.iter().map(|id| snowflake(*id)).collect()
}
