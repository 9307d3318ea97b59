//! What a world's database holds, and what the harness does to it behind the services' backs.

use sqlx::{AssertSqlSafe, Row as _};

use super::World;

impl World {
    /// Runs statements that only a test would run.
    pub async fn does(&self, statements: String) {
        let mut sql = self.sql().await.expect("Postgres answers");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut sql).await.expect("the statements run");
    }

    /// How Postgres would run a statement without parameters, a line a step.
    pub async fn explains(&self, statement: String) -> String {
        let mut sql = self.sql().await.expect("Postgres answers");
        let explain = AssertSqlSafe(format!("explain (costs off) {statement}"));
        let rows = sqlx::raw_sql(explain).fetch_all(&mut sql).await.expect("the statement has a plan");
        rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
    }

    /// Every table with all its rows as one text; bytes are hexadecimal.
    pub async fn tables(&self) -> Vec<(String, String)> {
        let mut sql = self.sql().await.expect("Postgres answers");
        let names = "select table_name::text from information_schema.tables where table_schema = 'public'";
        let names = sqlx::raw_sql(names).fetch_all(&mut sql).await.expect("there are tables");
        let mut tables = Vec::new();
        for name in names.iter().map(|row| row.get::<String, _>(0)) {
            let rows = format!("select coalesce(string_agg(t::text, ' '), '') from \"{name}\" t");
            let row = sqlx::raw_sql(AssertSqlSafe(rows)).fetch_one(&mut sql).await.expect("it can be read");
            tables.push((name, row.get(0)));
        }
        tables
    }
}
