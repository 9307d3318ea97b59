//! The clock of a world: it is turned forward by moving every time that is still to come.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::time::{Instant, sleep};

use super::World;

/// Everything that is still to come, moved back by `$1` seconds; then the daemons are told to look.
const TURN: &str = "
    update games set scheduled_at = scheduled_at - d, post_at = post_at - d
      from (select interval '1 second' * SECONDS as d) as turn where status in ('SCHEDULED', 'IN_PROGRESS');
    update scheduled_notifications set due_at = due_at - d, for_start_at = for_start_at - d,
      was_at = was_at - d, next_attempt_at = next_attempt_at - d
      from (select interval '1 second' * SECONDS as d) as turn where state = 'pending';
    update scheduled_transitions set due_at = due_at - d, for_start_at = for_start_at - d,
      next_attempt_at = next_attempt_at - d
      from (select interval '1 second' * SECONDS as d) as turn where state = 'pending';
    update deliveries set for_start_at = for_start_at - d
      from (select interval '1 second' * SECONDS as d) as turn where state in ('pending', 'uncertain');
    select pg_notify('gamesched', 'scheduled_notifications'), pg_notify('gamesched', 'scheduled_transitions');
";

/// What is still on its way, a line each; nothing when the world has settled.
const MOVING: &str = "
    select 'outbox: ' || count(*) as what from outbox where published_at is null having count(*) > 0
    union all select 'announcement ' || state || ' ' || rendered_version || '/' || desired_version || ' '
        || coalesce(last_error, '') from announcements
      where rendered_version < desired_version and state not in ('deferred', 'lost', 'removed')
    union all select 'delivery ' || kind || ' ' || state || ' ' || coalesce(last_error, '') from deliveries
      where state in ('pending', 'uncertain')
    union all select 'notice ' || kind || ' ' || coalesce(last_error, '') from scheduled_notifications
      where state = 'pending' and due_at <= now()
    union all select 'transition ' || target || ' ' || coalesce(last_error, '') from scheduled_transitions
      where state = 'pending' and due_at <= now()";

impl World {
    /// A connection of the harness's own to the world's database.
    ///
    /// # Errors
    /// When Postgres is away.
    pub async fn sql(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.database).await.context("connecting to the world's database")
    }

    /// Lets time pass: what was due in `time` is due now.
    pub async fn pass(&self, time: Duration) {
        let turn = TURN.replace("SECONDS", &time.as_secs_f64().to_string());
        let mut sql = self.sql().await.expect("Postgres answers");
        sqlx::raw_sql(AssertSqlSafe(format!("begin; {turn} commit;")))
            .execute(&mut sql)
            .await
            .expect("the clock turns");
    }

    /// Turns the clock to the moment at which the last waiting notice of a kind, or transition to a state, is due.
    pub async fn pass_until(&self, what: &str) {
        let due = format!(
            "select extract(epoch from max(due_at) - now())::text from (
               select due_at from scheduled_notifications where kind = '{what}' and state = 'pending'
               union all select due_at from scheduled_transitions where target = '{what}' and state = 'pending') as waiting"
        );
        let mut sql = self.sql().await.expect("Postgres answers");
        let row = sqlx::raw_sql(AssertSqlSafe(due)).fetch_one(&mut sql).await.expect("the query runs");
        let seconds = row.get::<Option<String>, _>(0).unwrap_or_else(|| panic!("no {what} waits"));
        self.pass(Duration::from_secs_f64(seconds.parse::<f64>().expect("a number").max(0.0))).await;
    }

    /// Waits until nothing is on its way any more.
    ///
    /// # Errors
    /// When something still is after `within`; the message names it.
    pub async fn settled(&self, within: Duration) -> Result<()> {
        let mut sql = self.sql().await?;
        let until = Instant::now() + within;
        loop {
            let rows = sqlx::raw_sql(MOVING).fetch_all(&mut sql).await?;
            if rows.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                let moving: Vec<String> = rows.iter().map(|row| row.get("what")).collect();
                bail!("still on its way after {within:?}:\n{}", moving.join("\n"));
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until the world's database answers a query with this.
    pub async fn until(&self, query: &'static str, answer: &str) {
        let until = Instant::now() + Duration::from_secs(40);
        while self.ask(query).await != answer {
            assert!(Instant::now() < until, "never {answer}: {query}\n{}", self.all_lines());
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// One text of the world's database, for what people cannot see.
    pub async fn ask(&self, query: &'static str) -> String {
        let mut sql = self.sql().await.expect("Postgres answers");
        let row = sqlx::raw_sql(query).fetch_one(&mut sql).await.expect("the query runs");
        row.get::<Option<String>, _>(0).unwrap_or_default()
    }
}
