//! Hints between processes: any may be lost, so they only make a loop look sooner.

use super::Sql;
use crate::error::Result;

/// The one channel; the payload names a table.
pub const CHANNEL: &str = "gamesched";

/// Tells every listener that a table holds something that is due soon. Never inside a business transaction:
/// NOTIFY serialises commits.
///
/// # Errors
/// When the database is away.
pub async fn notify(sql: &mut Sql, table: &str) -> Result<()> {
    sqlx::query!("/* NOTIFY gamesched */ select pg_notify($1, $2)", CHANNEL, table).fetch_one(&mut *sql).await?;
    Ok(())
}
