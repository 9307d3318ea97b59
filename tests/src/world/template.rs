//! The database that every world's is a copy of.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::Mutex;

use super::service::{Service, command};
use super::settings;
use crate::servers::{Roles, Servers};

/// Its name.
pub(super) const NAME: &str = "gamesched_template";

/// Makes the template of these servers, once, by the commands that operators run.
///
/// # Errors
/// When the roles or the schema cannot be made.
pub(super) async fn of(servers: &Servers) -> Result<()> {
    static MADE: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    let mut made = MADE.lock().await;
    if !made.contains(servers.postgres_url()) {
        make(servers).await?;
        made.insert(servers.postgres_url().to_owned());
    }
    Ok(())
}

async fn make(servers: &Servers) -> Result<()> {
    servers.drop_database(NAME).await?;
    let url = servers.database(NAME, None).await?;
    let roles = Roles::of_worlds();
    roles.make_unlimited(servers, &url).await?;
    init(servers, &roles.url(&url, "migrate")).await.map(drop)
}

/// Runs `api init` for a database and answers what it says; an error has its words.
pub(super) async fn init(servers: &Servers, database: &str) -> Result<String> {
    let mut init = command(Service::Api, &["init"])?;
    init.envs(settings::init(database, servers));
    let output = init.output().await.context("running api init")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "api init failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
