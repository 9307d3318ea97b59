//! Due notices: each becomes the letters of those whom it concerns at the moment when it fires.

use std::time::Duration;

use shared::actions::{self, Expanded};
use shared::app::App;
use shared::domain::ids::JobId;
use shared::error::Result;
use shared::store::schedule::{self, Claim, End, Job, NoticeKind};
use shared::store::{Sql, Tx, backlog};
use shared::worker::Errand;

/// The notices.
pub(crate) struct Notices;

impl Errand for Notices {
    type Kind = NoticeKind;

    const TABLE: &'static str = "scheduled_notifications";

    fn kind(kind: &NoticeKind) -> String {
        format!("notice.{}", kind.notice)
    }

    async fn claim(sql: &mut Sql) -> Result<Option<Claim<NoticeKind>>> {
        schedule::claim_notice(sql).await
    }

    async fn work(app: &App, tx: Tx, job: &Job<NoticeKind>) -> Result<(End, String)> {
        let notice = job.kind.notice;
        Ok(match actions::expand(app, tx, job).await? {
            Expanded::Told(people) => (End::Done, format!("told {people} people: {notice}")),
            Expanded::Expired(reason) => (End::Expired(reason), format!("did not tell {notice}: {reason}")),
        })
    }

    async fn end(sql: &mut Sql, row: JobId, end: End) -> Result<()> {
        schedule::end_notice(sql, row, end).await
    }

    async fn retry(sql: &mut Sql, row: JobId, error: &'static str) -> Result<()> {
        backlog::retry_notice(sql, row, error).await
    }

    async fn next(sql: &mut Sql) -> Result<Option<Duration>> {
        backlog::next_notice(sql).await
    }
}
