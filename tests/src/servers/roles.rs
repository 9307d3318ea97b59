//! The login roles of services in Postgres, made by the statements that operators run.

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Servers, quoted};

/// What `compose/postgres/roles.sh` runs.
const STATEMENTS: &str = include_str!("../../../compose/postgres/sql/roles.sql");
/// Those of all worlds: they share the server's roles as they share the server.
const PREFIX: &str = "spec";
/// Something that somebody could choose. Only databases of worlds can be read with it.
const PASSWORD: &str = r#"it's "100 %" \ of: $a/b@c?d#e&f=%41 é"#;
/// Makers of roles wait for each other.
const LOCK: i64 = 0x0072_6f6c_6573;

/// The roles of one installation.
#[derive(Clone, Debug)]
pub struct Roles {
    prefix: String,
    password: String,
}

impl Roles {
    /// What the names end with.
    pub const NAMES: [&str; 6] = ["migrate", "api", "bot", "notification", "status", "monitor"];

    /// Those of all worlds.
    #[must_use]
    pub fn of_worlds() -> Self {
        Self::new(PREFIX, PASSWORD)
    }

    /// Roles whose names begin so and that have this password.
    #[must_use]
    pub fn new(prefix: &str, password: &str) -> Self {
        Self { prefix: prefix.to_owned(), password: password.to_owned() }
    }

    /// The same roles, believed to have another password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    /// A role's name in Postgres.
    #[must_use]
    pub fn name(&self, role: &str) -> String {
        format!("{}_{role}", self.prefix)
    }

    /// A database's URL as this role knows it.
    #[must_use]
    pub fn url(&self, database: &str, role: &str) -> String {
        let (scheme, rest) = database.split_once("://").unwrap_or(("postgres", database));
        let end = rest.find('/').unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{}:{}@{host}{}", self.name(role), encoded(&self.password), &rest[end..])
    }

    /// Makes the roles, or gives them this password, and hands them a database and its schema.
    ///
    /// # Errors
    /// When the administrator may not.
    pub async fn make(&self, servers: &Servers, database: &str) -> Result<()> {
        self.run(servers, database, "").await
    }

    /// The same for worlds, of which many share the roles: as many may connect as like.
    pub(crate) async fn make_unlimited(&self, servers: &Servers, database: &str) -> Result<()> {
        let unlimited = Self::NAMES.map(|role| format!("alter role {} connection limit -1;", self.name(role)));
        self.run(servers, database, &unlimited.concat()).await
    }

    async fn run(&self, servers: &Servers, database: &str, more: &str) -> Result<()> {
        let mut lock = PgConnection::connect(servers.postgres_url()).await.context("connecting to Postgres")?;
        let mut sql = PgConnection::connect(database).await.context("connecting to the database")?;
        let taken = format!("select pg_advisory_lock({LOCK})");
        sqlx::raw_sql(AssertSqlSafe(taken)).execute(&mut lock).await.context("waiting for other makers of roles")?;
        let passwords = Self::NAMES.map(|role| (format!("passwords.{role}"), self.password.as_str()));
        let told = passwords.into_iter().chain([("roles.prefix".to_owned(), self.prefix.as_str())]);
        let told =
            told.map(|(name, value)| format!("select set_config('{name}', '{}', false);", value.replace('\'', "''")));
        let statements = format!("{}{STATEMENTS}{more}", told.collect::<String>());
        let made = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut sql).await;
        sql.close().await.ok();
        lock.close().await.ok();
        made.map(drop).context("making the roles")
    }

    /// Drops the roles, whose databases are gone already.
    ///
    /// # Errors
    /// When one still owns something.
    pub async fn drop(&self, servers: &Servers) -> Result<()> {
        for role in Self::NAMES {
            servers.administer(format!("drop role if exists {}", quoted(&self.name(role)))).await?;
        }
        Ok(())
    }
}

/// A text as a part of a URL: all but letters and digits as their numbers.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric();
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}
