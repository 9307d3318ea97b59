//! What telling of statements needs, made once: where they go, and for each text its labels and its series.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter};
use opentelemetry::{KeyValue, StringValue};
use sqlx::postgres::PgConnectOptions;

use crate::telemetry::instruments::pools::label;
use crate::telemetry::instruments::{self, seconds};

/// Attributes that a statement may have, until it has ended.
const ATTRIBUTES: usize = 10;
/// Statements that are remembered: more than there are in this program, and few enough to be kept for ever.
const MOST: usize = 512;

/// Where the statements go; the same for every connection of a pool.
pub(super) struct Server {
    // Shared, since every statement tells them.
    namespace: StringValue,
    address: StringValue,
    port: u16,
    /// Waits for a connection that ended well.
    pub(super) wait: BoundHistogram<f64>,
    /// Those who wait.
    pub(super) pending: BoundUpDownCounter<i64>,
    /// By where their text stands: nearly all are literals, which do not move.
    statements: RwLock<HashMap<usize, Arc<Statement>>>,
}

/// One text.
pub(super) struct Statement {
    name: Cow<'static, str>,
    text: Box<str>,
    /// The same in one line: how it is set out in our source costs every span its spaces.
    told: StringValue,
    labels: [KeyValue; 3],
    /// Durations of those that ended well.
    durations: BoundHistogram<f64>,
}

impl Server {
    pub(super) fn new(pool: &'static str, options: &PgConnectOptions) -> Self {
        let instruments = instruments::get();
        Self {
            namespace: Arc::<str>::from(options.get_database().unwrap_or_default()).into(),
            address: Arc::<str>::from(options.get_host()).into(),
            port: options.get_port(),
            wait: instruments.db_wait.bind(&[label(pool)]),
            pending: instruments.db_pending.bind(&[label(pool)]),
            statements: RwLock::default(),
        }
    }

    pub(super) fn labels(&self, summary: impl Into<StringValue>) -> [KeyValue; 3] {
        [
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.namespace", self.namespace.clone()),
            KeyValue::new("db.query.summary", summary.into()),
        ]
    }

    pub(super) fn attributes(&self, labels: [KeyValue; 3], waited: Option<Duration>) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.extend(labels);
        attributes.push(KeyValue::new("server.address", self.address.clone()));
        if self.port != 5432 {
            attributes.push(KeyValue::new("server.port", i64::from(self.port)));
        }
        attributes.extend(waited.map(|waited| KeyValue::new("gamesched.db.pool_wait", waited.as_secs_f64())));
        attributes
    }

    /// The statement with this text.
    pub(super) fn statement(&self, text: &str) -> Arc<Statement> {
        let place = text.as_ptr().addr();
        let known = self.statements.read().unwrap_or_else(PoisonError::into_inner).get(&place).map(Arc::clone);
        // A text that was made may stand where another one stood.
        known.filter(|known| *known.text == *text).unwrap_or_else(|| self.remember(place, text))
    }

    fn remember(&self, place: usize, text: &str) -> Arc<Statement> {
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        let keep = statements.len() < MOST && !statements.contains_key(&place);
        let statement = Arc::new(Statement::new(self, text, keep));
        if keep {
            statements.insert(place, Arc::clone(&statement));
        }
        statement
    }
}

impl Statement {
    fn new(server: &Server, text: &str, kept: bool) -> Self {
        let summary = summary(text).to_owned();
        let name = if kept { Cow::Borrowed(&*summary.leak()) } else { Cow::Owned(summary) };
        let summary = match &name {
            Cow::Borrowed(kept) => StringValue::from(*kept),
            Cow::Owned(made) => made.clone().into(),
        };
        let labels = server.labels(summary);
        let durations = instruments::get().db_duration.bind(&labels);
        let told: Arc<str> = text.lines().map(str::trim).collect::<Vec<_>>().join(" ").into();
        Self { name, text: text.into(), told: told.into(), labels, durations }
    }

    /// Of its spans: operations and targets.
    pub(super) fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    pub(super) fn labels(&self) -> &[KeyValue; 3] {
        &self.labels
    }

    pub(super) fn text(&self) -> KeyValue {
        KeyValue::new("db.query.text", self.told.clone())
    }

    /// Measures one that ended well.
    pub(super) fn done(&self, since: Instant) {
        self.durations.record(seconds(since));
    }

    /// Measures one that did not.
    pub(super) fn failed(&self, since: Instant, class: &'static str) {
        let [system, namespace, summary] = self.labels.clone();
        let labels = [system, namespace, summary, KeyValue::new("error.type", class)];
        instruments::get().db_duration.record(seconds(since), &labels);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Server").field("address", &self.address).field("port", &self.port).finish_non_exhaustive()
    }
}

/// The statement's leading comment: operations and targets in order, as the conventions define the summary.
fn summary(text: &str) -> &str {
    text.strip_prefix("/* ").and_then(|rest| rest.split_once(" */")).map_or("SQL", |(summary, _)| summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::new("test", &"postgres://localhost/scheduler".parse().unwrap())
    }

    #[test]
    fn the_leading_comment_names_the_statement() {
        assert_eq!(summary("/* INSERT participants */ insert into participants"), "INSERT participants");
        assert_eq!(summary("select 1"), "SQL");
    }

    #[test]
    fn a_literal_is_remembered_and_a_text_that_stands_in_its_place_is_not_taken_for_it() {
        let server = server();
        let literal = "/* SELECT games */ select 1";
        assert!(Arc::ptr_eq(&server.statement(literal), &server.statement(literal)));
        let mut made = "/* SELECT users */ select 1".to_owned();
        assert_eq!(server.statement(&made).name(), "SELECT users");
        made.replace_range(10..15, "rooms");
        assert_eq!(server.statement(&made).name(), "SELECT rooms");
    }

    #[test]
    fn a_statement_is_told_in_one_line() {
        let statement = server().statement("/* SELECT games */ select id,\n           title\n         from games");
        assert_eq!(statement.text().value.as_str(), "/* SELECT games */ select id, title from games");
    }

    #[test]
    fn texts_that_are_made_anew_each_time_are_not_kept_for_ever() {
        let server = server();
        let made: Vec<_> = (0..2 * MOST).map(|number| format!("/* SELECT games {number} */ select 1")).collect();
        for text in &made {
            assert_eq!(*server.statement(text).text, **text);
        }
        assert_eq!(server.statements.read().unwrap().len(), MOST);
    }
}
