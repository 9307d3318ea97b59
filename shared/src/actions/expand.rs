//! A notice that is due: who gets a letter, decided at the moment it fires.

use tracing::info_span;

use super::tell::{Occasion, letters};
use crate::app::App;
use crate::domain::audience::{About, recipients};
use crate::domain::schedule::Notice;
use crate::error::{Refusal, Result};
use crate::store::schedule::{End, Job, NoticeKind, end_notice};
use crate::store::{Tx, games};
use crate::telemetry::span::action;

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// So many letters were written.
    Told(usize),
    /// Deliberately none, for this reason.
    Expired(&'static str),
}

/// Writes the letters of a due notice and ends its row, all in the transaction that claimed it (NO-15, NO-16).
///
/// # Errors
/// When the database is away; the row stays due.
pub async fn expand(app: &App, tx: Tx, job: &Job<NoticeKind>) -> Result<Expanded> {
    action(info_span!("expand", gamesched.game.id = %job.game), async {
        let mut tx = tx;
        let now = app.clock.now();
        let view = games::view(&mut tx, job.game).await?.ok_or(Refusal::NotFound)?;
        let notice = job.kind.notice;
        let expanded = match notice.expired(&view.game, job.for_start_at, job.due_at, now) {
            Some(reason) => Expanded::Expired(reason.as_str()),
            None => {
                let told = recipients(&view.game, &view.roster(), notice, about(&job.kind));
                let (subject, due_at, was_at) = (subject(job), job.due_at, job.kind.was_at);
                let occasion = Occasion { subject, due_at, was_at, gone: None };
                Expanded::Told(letters(&mut tx, &view, &told, &occasion).await?)
            }
        };
        let end = match expanded {
            Expanded::Told(_) => End::Done,
            Expanded::Expired(reason) => End::Expired(reason),
        };
        end_notice(&mut tx, job.id, end).await?;
        tx.commit().await?;
        app.hint.wake();
        Ok(expanded)
    })
    .await
}

fn about(kind: &NoticeKind) -> About {
    match (kind.participant, kind.actor) {
        (Some(row), _) => About::Participant(row),
        (None, Some(actor)) => About::AllBut(actor),
        (None, None) => About::Everyone,
    }
}

/// What makes the letters of this notice unique (NO-20).
fn subject(job: &Job<NoticeKind>) -> String {
    match (job.kind.notice, job.kind.participant) {
        (Notice::Joined, Some(row)) => row.to_string(),
        (Notice::Rescheduled, _) => job.id.to_string(),
        _ => format!("{}|{}", job.for_start_at.timestamp(), job.kind.minutes_before.unwrap_or_default()),
    }
}
