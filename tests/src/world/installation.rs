//! An installation of a spec's own: a database, and roles whose names nobody else has.

use std::fs;
use std::process::Output;

use anyhow::{Context as _, Result};
use reqwest::Url;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::process::Command;
use uuid::Uuid;

use super::template;
use crate::servers::{Roles, Servers};

/// What `api init` runs after the migrations.
const GRANTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/store/grants.sql");
/// What operators run before.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../compose/postgres/roles.sh");

/// A database and its roles.
pub struct Installation {
    /// Where it is.
    pub servers: &'static Servers,
    /// The administrator's URL.
    pub database: String,
    /// What the roles' names begin with, and the database's name.
    pub prefix: String,
    /// Its roles.
    pub roles: Roles,
}

impl Installation {
    /// An empty database and no roles.
    ///
    /// # Errors
    /// When servers cannot be had.
    pub async fn empty() -> Result<Self> {
        let servers = Servers::start().await?;
        // Ids of one moment have the same beginning.
        let prefix = format!("r{}", &Uuid::now_v7().simple().to_string()[18..]);
        let database = servers.database(&prefix, None).await?;
        Ok(Self { servers, database, roles: Roles::new(&prefix, "hush"), prefix })
    }

    /// With roles and schema.
    ///
    /// # Errors
    /// When they cannot be made.
    pub async fn new() -> Result<Self> {
        let installation = Self::empty().await?;
        installation.roles.make(installation.servers, &installation.database).await?;
        installation.init().await?;
        Ok(installation)
    }

    /// Runs `api init` as the owner, and answers what it says.
    ///
    /// # Errors
    /// When it fails.
    pub async fn init(&self) -> Result<String> {
        self.init_as(&self.roles.url(&self.database, "migrate")).await
    }

    /// Runs `api init` with this URL, and answers what it says.
    ///
    /// # Errors
    /// When it fails.
    pub async fn init_as(&self, url: &str) -> Result<String> {
        template::init(self.servers, url).await
    }

    /// Runs the operators' script with these variables as administrator of this database, on a server that tells all
    /// that it can.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn script(&self, variables: &[(String, String)]) -> Result<Output> {
        let url = Url::parse(&self.database)?;
        let mut script = Command::new(SCRIPT);
        script.env("PGHOST", url.host_str().unwrap_or_default()).env("PGUSER", url.username());
        script.env("PGPORT", url.port().unwrap_or(5432).to_string()).env("PGDATABASE", &self.prefix);
        script.env("PGPASSWORD", url.password().unwrap_or_default());
        script.env("PGOPTIONS", "-c pg_stat_statements.track=all -c log_statement=all");
        script.env("ROLES", &self.prefix).envs(variables.iter().cloned());
        script.output().await.context("running the script")
    }

    /// Runs statements as a role; an error is the server's code and words.
    ///
    /// # Errors
    /// When the role may not connect, or not do that.
    pub async fn tries(&self, role: &str, statements: &str) -> Result<(), String> {
        self.tries_at(&self.roles.url(&self.database, role), statements).await
    }

    /// The same for whoever this URL says.
    ///
    /// # Errors
    /// As `tries`.
    pub async fn tries_at(&self, url: &str, statements: &str) -> Result<(), String> {
        let said = |error: sqlx::Error| match &error {
            sqlx::Error::Database(refused) => format!("{} {}", refused.code().unwrap_or_default(), refused.message()),
            other => other.to_string(),
        };
        let mut sql = PgConnection::connect(url).await.map_err(said)?;
        let statements = statements.replace("PREFIX", &self.prefix);
        let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut sql).await.map_err(said);
        sql.close().await.ok();
        done.map(drop)
    }

    /// Runs statements as administrator.
    ///
    /// # Errors
    /// When they are refused.
    pub async fn does(&self, statements: &str) -> Result<()> {
        let mut sql = PgConnection::connect(&self.database).await?;
        let statements = statements.replace("PREFIX", &self.prefix);
        Ok(sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut sql).await.map(drop)?)
    }

    /// The texts in the one column of an administrator's query, in which PREFIX is ours.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn rows(&self, query: &str) -> Result<Vec<String>> {
        rows(&self.database, query.replace("PREFIX", &self.prefix)).await
    }

    /// The texts in the one column of a role's query.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn rows_as(&self, role: &str, query: &str) -> Result<Vec<String>> {
        rows(&self.roles.url(&self.database, role), query.to_owned()).await
    }

    /// Tables that the grants do not name, and names in them that are no tables.
    ///
    /// # Errors
    /// When Postgres is away.
    pub async fn unnamed(&self) -> Result<Vec<String>> {
        let tables = "select relname::text from pg_class where relnamespace = 'public'::regnamespace
                      and relkind in ('r', 'p', 'v', 'm') and relname <> '_sqlx_migrations' order by 1";
        let tables = self.rows(tables).await?;
        let grants = fs::read_to_string(GRANTS)?;
        let lines = grants.lines().filter_map(|line| line.trim().strip_prefix("('")?.split_once("', '"));
        let named: Vec<&str> = lines.map(|(table, _)| table).collect();
        let missing = tables.iter().filter(|table| !named.contains(&table.as_str()));
        let missing = missing.map(|table| format!("no grant names {table}"));
        let strange = named.iter().filter(|name| !tables.iter().any(|table| table == **name));
        Ok(missing.chain(strange.map(|name| format!("no table is called {name}"))).collect())
    }

    /// Leaves nothing behind, since roles belong to the server.
    ///
    /// # Errors
    /// When somebody else depends on it.
    pub async fn remove(self) -> Result<()> {
        self.servers.drop_database(&self.prefix).await?;
        self.roles.drop(self.servers).await
    }
}

async fn rows(database: &str, query: String) -> Result<Vec<String>> {
    let mut sql = PgConnection::connect(database).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut sql).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?)
}
