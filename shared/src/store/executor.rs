//! The SQL edge: every statement is bounded in time, measured, and a CLIENT span below a recording span.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use opentelemetry::KeyValue;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Error, Execute, Executor, Postgres, SqlStr};

use super::Db;
use super::told::{Server, Statement};
use crate::telemetry::instruments::pools::label;
use crate::telemetry::instruments::{self, seconds};
use crate::telemetry::span::{self, Leaf};

/// The server gives up first, at its `statement_timeout` of 5 s; past this the connection is closed.
const DEADLINE: Duration = Duration::from_secs(6);
/// To wait for a connection for longer is told on the span of its first statement.
const WAITED: Duration = Duration::from_millis(1);
/// The summary of what could not even be sent, for want of a connection.
const CONNECT: &str = "CONNECT";

/// One connection, on which every statement is told.
#[derive(Debug)]
pub struct Sql {
    connection: Option<PoolConnection<Postgres>>,
    server: Arc<Server>,
    /// A transaction was begun and has not ended.
    open: bool,
    /// How long it took to get the connection, until a statement tells it.
    waited: Option<Duration>,
}

/// A transaction. Dropped without `commit` it is rolled back.
#[derive(Debug)]
#[must_use]
pub struct Tx(Sql);

impl Db {
    /// A connection for single statements.
    ///
    /// # Errors
    /// When the pool has none within 2 s, or the database is away.
    pub async fn connection(&self) -> Result<Sql, Error> {
        let since = Instant::now();
        let pending = Pending::of(&self.server);
        let taken = self.pool.acquire().await;
        drop(pending);
        let waited = Some(since.elapsed()).filter(|waited| *waited > WAITED);
        match taken {
            Ok(taken) => {
                self.server.wait.record(seconds(since));
                Ok(Sql { connection: Some(taken), server: Arc::clone(&self.server), open: false, waited })
            }
            Err(error) => {
                let class = class(&error);
                if class == NO_CONNECTION {
                    instruments::get().db_timeouts.add(1, &[label(self.name)]);
                }
                let labels = [label(self.name), KeyValue::new("error.type", class)];
                instruments::get().db_wait.record(seconds(since), &labels);
                unconnected(&self.server, waited, class);
                Err(error)
            }
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As `connection`, and when the server refuses.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let mut sql = self.connection().await?;
        // Before it is sent: a caller that goes away meanwhile must not put an open transaction back into the pool.
        // Where none was begun, the rollback is a notice of the server and nothing else.
        sql.open = true;
        (&mut sql).execute("/* BEGIN */ begin").await?;
        Ok(Tx(sql))
    }

    /// Tells of a statement that does not run: what telling costs, for benches.
    pub fn tell(&self, statement: &str) {
        Told::new(&self.server, statement, None).done();
    }
}

impl Sql {
    /// The connection itself, for what is not told: pings.
    pub(super) fn raw(&mut self) -> &mut sqlx::PgConnection {
        self.connection.as_mut().expect("a connection is only taken when it is dropped")
    }
}

impl Tx {
    /// Makes it so.
    ///
    /// # Errors
    /// When the server refuses, or its answer is lost: then only what is idempotent by key may be repeated.
    pub async fn commit(mut self) -> Result<(), Error> {
        let done = (&mut self.0).execute("/* COMMIT */ commit").await;
        self.0.open = done.is_err();
        done.map(drop)
    }

    /// Gives it up; said explicitly where a refusal is usual.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let done = (&mut self.0).execute("/* ROLLBACK */ rollback").await;
        self.0.open = done.is_err();
        done.map(drop)
    }
}

impl Deref for Tx {
    type Target = Sql;

    fn deref(&self) -> &Sql {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Sql {
        &mut self.0
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|_| self.open) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        #[expect(clippy::disallowed_methods, reason = "an implicit rollback has no span and belongs to nobody")]
        runtime.spawn(span::silent(async move {
            let ended = tokio::time::timeout(Duration::from_secs(1), connection.execute("rollback")).await;
            if !matches!(ended, Ok(Ok(_))) {
                connection.close_on_drop();
            }
        }));
    }
}

/// A request that waits for a connection, until this is dropped, also by a caller that goes away.
struct Pending<'a>(&'a Server);

impl<'a> Pending<'a> {
    fn of(server: &'a Server) -> Self {
        server.pending.add(1);
        Self(server)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending.add(-1);
    }
}

/// A query taken apart, so that its text can be told before it runs.
struct Parts {
    statement: Option<PgStatement>,
    arguments: Option<PgArguments>,
    persistent: bool,
    sql: SqlStr,
}

impl Parts {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, Error> {
        let statement = query.statement().cloned();
        let arguments = query.take_arguments().map_err(Error::Encode)?;
        Ok(Self { statement, arguments, persistent: query.persistent(), sql: query.sql() })
    }
}

impl Execute<'_, Postgres> for Parts {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, sqlx::error::BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

impl<'c> Executor<'c> for &'c mut Sql {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let parts = Parts::of(query);
        async_stream::try_stream! {
            let parts = parts?;
            let mut told = Told::new(&self.server, parts.sql.as_str(), self.waited.take());
            let connection = self.connection.as_mut().ok_or(Error::PoolClosed)?;
            let until = tokio::time::Instant::now() + DEADLINE;
            let ended = {
                let mut steps = connection.fetch_many(parts);
                loop {
                    match tokio::time::timeout_at(until, steps.next()).await {
                        Ok(None) => break Ok(()),
                        Ok(Some(Ok(step))) => {
                            told.count(&step);
                            yield step;
                        }
                        Ok(Some(Err(error))) => break Err((class(&error), error)),
                        Err(_) => break Err(("timeout", Error::PoolTimedOut)),
                    }
                }
            };
            if let Err((class, error)) = ended {
                if class == "timeout" {
                    // An unread answer is on its way on this connection: it cannot be used again.
                    connection.close_on_drop();
                    self.open = false;
                }
                told.failed(class);
                Err(error)?;
                return;
            }
            told.done();
        }
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let mut rows = self.fetch(query);
        Box::pin(async move {
            let first = rows.try_next().await?;
            // Read to the end, or the span would end before the statement does.
            while rows.try_next().await?.is_some() {}
            Ok(first)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let connection = self.connection.as_mut().ok_or(Error::PoolClosed)?;
            connection.prepare_with(sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let connection = self.connection.as_mut().ok_or(Error::PoolClosed)?;
            connection.describe(sql).await
        })
    }
}

/// Tells of a statement that was never sent: there was no connection for it. What broke has a span, or a trace would
/// show a request that failed for no reason.
fn unconnected(server: &Server, waited: Option<Duration>, class: &'static str) {
    let mut span = span::leaf(CONNECT, || server.attributes(server.labels(CONNECT), waited));
    span.fail(class);
    span.end();
}

/// The span and the measurement of one statement; dropped unfinished it ends as `cancelled`.
struct Told {
    span: Leaf,
    statement: Arc<Statement>,
    since: Instant,
    returned: i64,
    affected: i64,
}

impl Told {
    fn new(server: &Server, text: &str, waited: Option<Duration>) -> Self {
        let statement = server.statement(text);
        let span = span::leaf(statement.name(), || {
            let mut attributes = server.attributes(statement.labels().clone(), waited);
            attributes.push(statement.text());
            attributes
        });
        Self { span, statement, since: Instant::now(), returned: 0, affected: 0 }
    }

    fn count(&mut self, step: &Either<PgQueryResult, PgRow>) {
        match step {
            Either::Left(result) => self.affected += i64::try_from(result.rows_affected()).unwrap_or(i64::MAX),
            Either::Right(_) => self.returned += 1,
        }
    }

    fn failed(mut self, class: &'static str) {
        self.statement.failed(self.since, class);
        if class.len() == 5 {
            self.span.set(KeyValue::new("db.response.status_code", class));
        }
        self.span.fail(class);
        self.span.end();
    }

    fn done(mut self) {
        self.statement.done(self.since);
        // The server reports returned rows as affected ones too.
        self.span.set(KeyValue::new("gamesched.db.rows", self.affected.max(self.returned)));
        self.span.end();
    }
}

/// The pool had no connection in time.
const NO_CONNECTION: &str = "pool_timeout";

/// What went wrong, as a bounded word: the SQLSTATE, or how the connection failed.
pub(super) fn class(error: &Error) -> &'static str {
    match error {
        Error::Database(database) => database.code().map_or("unknown", |code| sqlstate(&code)),
        Error::PoolTimedOut => NO_CONNECTION,
        Error::Io(_) | Error::Tls(_) | Error::PoolClosed | Error::WorkerCrashed => "io",
        _ => "client",
    }
}

/// SQLSTATEs that this schema can meet; others by their class.
fn sqlstate(code: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "23502", "23503", "23505", "23514", "25006", "25P02", "40001", "40P01", "42501", "53300", "55P03", "57014",
        "57P01", "57P03",
    ];
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("other")
}
