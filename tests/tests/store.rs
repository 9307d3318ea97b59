//! The SQL edge: what a caller that goes away leaves behind.

use std::time::Duration;

use shared::store::Db;
use sqlx::Row as _;
use tests::world::World;

/// When the transaction that the pool's one connection is in began; each statement has its own, if there is none.
async fn began(db: &Db) -> String {
    let mut sql = db.connection().await.expect("the pool has a connection");
    let row = sqlx::raw_sql("select now()::text").fetch_one(&mut sql).await.expect("Postgres answers");
    row.get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_while_a_transaction_begins_leaves_none_open() {
    let world = World::empty().await.expect("a world can be made");
    let db = Db::open(&world.database_of("api"), "spec", 1).expect("the URL is good");
    db.time().await.expect("Postgres answers");
    for microseconds in (0..4_000).step_by(25) {
        let begun = tokio::time::timeout(Duration::from_micros(microseconds), db.begin()).await;
        drop(begun);
        assert_ne!(
            began(&db).await,
            began(&db).await,
            "cut after {microseconds} µs: the connection is in a transaction"
        );
    }
}
