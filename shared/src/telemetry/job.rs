//! The job edge: a due row that was won is a root span of its own, linked to what asked for it.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::carry::{self, Place};
use super::instruments;
use super::span::{self, SpanKind};

/// A due row that this process has won.
#[derive(Clone, Debug)]
pub struct Job {
    /// A kind of the registry, such as `notice.reminder`.
    pub kind: Cow<'static, str>,
    /// The row.
    pub id: String,
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// How long ago that is, by the database's clock.
    pub lateness: Duration,
    /// The first is 1.
    pub attempt: i32,
    /// The game that it is about.
    pub game: Option<String>,
    /// The guild of the game, by its id in Discord.
    pub guild: Option<String>,
    /// The context of the span that wrote the row.
    pub cause: Value,
}

/// How a job ended, as its span tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `done`, `expired`, `retry`, and so on.
    pub word: &'static str,
    /// The class of the fault, when there was one.
    pub fault: Option<&'static str>,
}

/// Runs what a periodic look found something for, in a trace of its own; `mark` tells its fault, if any. The look itself
/// was silent. `name` is of the registry, such as `sweep purge`.
pub async fn sweep<T>(
    name: &'static str,
    found: i64,
    work: impl Future<Output = T>,
    mark: impl FnOnce(&T) -> Option<&'static str>,
) -> T {
    let found = vec![KeyValue::new("gamesched.sweep.found", found)];
    let span = span::begin(SpanKind::Internal, name, || found, Vec::new(), &Context::new());
    span::run(span, work, |span, result| {
        if let Some(class) = mark(result) {
            span.fail(class);
        }
    })
    .await
}

impl Job {
    /// Measures the lateness and does the work in the trace of the job.
    pub async fn run<T>(self, work: impl Future<Output = T>, outcome: impl FnOnce(&T) -> Outcome) -> T {
        let kind = KeyValue::new("gamesched.job.kind", self.kind.clone());
        instruments::get().schedule_lateness.record(self.lateness.as_secs_f64(), std::slice::from_ref(&kind));
        let mut attributes = vec![
            kind,
            KeyValue::new("gamesched.job.id", self.id),
            KeyValue::new("gamesched.job.due_at", self.due_at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            KeyValue::new("gamesched.job.lateness", self.lateness.as_secs_f64()),
            KeyValue::new("gamesched.attempt", i64::from(self.attempt)),
        ];
        attributes.extend(self.game.map(|game| KeyValue::new("gamesched.game.id", game)));
        attributes.extend(self.guild.map(|guild| KeyValue::new("gamesched.guild.id", guild)));
        // Of either reason the link is to the span that wrote the row: earlier attempts left no context behind.
        let reason = if self.attempt > 1 { "retry_of" } else { "scheduled_by" };
        let Place { parent, links } = carry::root_linked(carry::extract_row(&self.cause), reason);
        let span = span::begin(SpanKind::Internal, format!("job {}", self.kind), || attributes, links, &parent);
        span::run(span, work, |span, result| {
            let outcome = outcome(result);
            span.set(KeyValue::new("gamesched.outcome", outcome.word));
            if let Some(class) = outcome.fault {
                span.fail(class);
            }
        })
        .await
    }
}
