//! A row that this process claimed by itself: a trace of its own, linked to what wrote the row.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use shared::amqp::consumer::Outcome;
use shared::telemetry::span::{self, SpanKind};
use shared::telemetry::{Attribute, carry, instruments};

/// A row that was won.
pub(crate) struct Job {
    /// The kind, `delivery` or `announcement`.
    pub(crate) kind: &'static str,
    /// The name of its span.
    pub(crate) span: &'static str,
    pub(crate) id: String,
    pub(crate) game: Option<String>,
    /// This one included.
    pub(crate) attempt: i32,
    pub(crate) due_at: DateTime<Utc>,
    /// By the database's clock.
    pub(crate) lateness: Duration,
    pub(crate) trace_context: Value,
}

impl Job {
    /// Does the work in the trace of the job.
    pub(crate) async fn run(self, work: impl Future<Output = Outcome>) {
        let labels = [Attribute::new("gamesched.job.kind", self.kind)];
        instruments::get().schedule_lateness.record(self.lateness.as_secs_f64(), &labels);
        let cause = carry::extract_row(&self.trace_context);
        let place = carry::root_linked(cause, if self.attempt > 1 { "retry_of" } else { "scheduled_by" });
        let span = span::begin(SpanKind::Internal, self.span, self.attributes(), place.links, &place.parent);
        let outcome = span.inside(work).await;
        let (word, error) = told(&outcome);
        span.set(Attribute::new("gamesched.outcome", word));
        if let Some(error) = error {
            span.fail(error.into_owned());
        }
        span.end();
    }

    fn attributes(&self) -> Vec<Attribute> {
        let mut attributes = vec![
            Attribute::new("gamesched.job.kind", self.kind),
            Attribute::new("gamesched.job.id", self.id.clone()),
            Attribute::new("gamesched.job.due_at", self.due_at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Attribute::new("gamesched.job.lateness", self.lateness.as_secs_f64()),
            Attribute::new("gamesched.attempt", i64::from(self.attempt)),
        ];
        attributes.extend(self.game.clone().map(|game| Attribute::new("gamesched.game.id", game)));
        attributes
    }
}

/// The word for the outcome, and the class of what failed.
fn told(outcome: &Outcome) -> (&'static str, Option<Cow<'static, str>>) {
    match outcome {
        Outcome::Done => ("done", None),
        Outcome::Coalesced => ("coalesced", None),
        Outcome::AlreadyDone => ("already_done", None),
        Outcome::Later(cause) => ("retry", Some(cause.clone())),
        Outcome::Retry(_) => ("retry", Some("retry".into())),
        Outcome::Park(reason) => ("parked", Some((*reason).into())),
    }
}
