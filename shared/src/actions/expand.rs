//! A notice that is due: who gets a letter, decided at the moment it fires.

use tracing::instrument;

use super::tell::{Occasion, letters};
use crate::app::App;
use crate::domain::audience::{About, recipients};
use crate::domain::schedule::Notice;
use crate::error::{Refusal, Result};
use crate::store::schedule::{End, Job, NoticeKind, end_notice};
use crate::store::{Tx, games};

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
#[instrument(skip_all, fields(gamesched.game.id = %job.game))]
pub async fn expand(app: &App, tx: Tx, job: &Job<NoticeKind>) -> Result<Expanded> {
    let mut tx = tx;
    let now = app.clock.now();
    let view = games::view(&mut tx, job.game).await?.ok_or(Refusal::NotFound)?;
    let notice = job.kind.notice;
    let expanded = match notice.expired(&view.game, job.for_start_at, job.due_at, now) {
        Some(reason) => Expanded::Expired(reason.as_str()),
        None => {
            let about = job.kind.participant.map_or(About::Everyone, About::Participant);
            let told = recipients(&view.game, &view.roster(), notice, about);
            let occasion = Occasion { subject: subject(job), due_at: job.due_at };
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
}

/// What makes the letters of this notice unique (NO-20).
fn subject(job: &Job<NoticeKind>) -> String {
    match (job.kind.notice, job.kind.participant) {
        (Notice::Joined, Some(row)) => row.to_string(),
        _ => format!("{}|{}", job.for_start_at.timestamp(), job.kind.minutes_before.unwrap_or_default()),
    }
}
