//! Due transitions: start, completion, and the post of a deferred announcement.

use std::time::Duration;

use shared::actions::{self, Advanced};
use shared::app::App;
use shared::domain::ids::JobId;
use shared::domain::schedule::Target;
use shared::error::Result;
use shared::store::schedule::{self, Claim, End, Job};
use shared::store::{Sql, Tx, backlog};
use shared::worker::Errand;

/// The transitions.
pub(crate) struct Transitions;

impl Errand for Transitions {
    type Kind = Target;

    const TABLE: &'static str = "scheduled_transitions";

    fn kind(target: &Target) -> String {
        format!("transition.{}", target.as_str().to_lowercase())
    }

    async fn claim(sql: &mut Sql) -> Result<Option<Claim<Target>>> {
        schedule::claim_transition(sql).await
    }

    async fn work(app: &App, tx: Tx, job: &Job<Target>) -> Result<(End, String)> {
        let target = job.kind;
        Ok(match actions::advance(app, tx, job).await? {
            Advanced::Done => (End::Done, format!("moved a game to {target}")),
            Advanced::Expired(reason) => (End::Expired(reason), format!("did not move a game to {target}: {reason}")),
        })
    }

    async fn end(sql: &mut Sql, row: JobId, end: End) -> Result<()> {
        schedule::end_transition(sql, row, end).await
    }

    async fn retry(sql: &mut Sql, row: JobId, error: &'static str) -> Result<()> {
        backlog::retry_transition(sql, row, error).await
    }

    async fn next(sql: &mut Sql) -> Result<Option<Duration>> {
        backlog::next_transition(sql).await
    }
}
