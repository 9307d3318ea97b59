//! Due notices, one row and one transaction at a time.

use shared::actions::{self, Expanded};
use shared::app::App;
use shared::daemon::Look;
use shared::error::Error;
use shared::faults;
use shared::store::schedule::{Job, NoticeKind, claim_notice};
use shared::store::{Tx, backlog};
use shared::telemetry::job::{self, Outcome};
use tracing::{error, info};

/// Takes the notice that is due for longest, if any.
pub(crate) async fn look(app: App) -> anyhow::Result<Look> {
    let mut tx = app.db.begin().await.map_err(shared::store::fault)?;
    let claimed = claim_notice(&mut tx).await.map_err(Error::into_fault)?;
    let Some(notice) = claimed else {
        let next_due_in = backlog::next_notice(&mut tx).await.map_err(Error::into_fault)?;
        tx.rollback().await.map_err(shared::store::fault)?;
        return Ok(Look { next_due_in, ..Look::default() });
    };
    fire(&app, tx, notice).await?;
    Ok(Look { claimed: 1, full: true, ..Look::default() })
}

/// Fires one notice in a trace of its own; a failed one goes on later and delays none behind it.
async fn fire(app: &App, tx: Tx, notice: Job<NoticeKind>) -> anyhow::Result<()> {
    let told = job::Job {
        kind: format!("notice.{}", notice.kind.notice).into(),
        id: notice.id.to_string(),
        due_at: notice.due_at,
        lateness: notice.lateness,
        attempt: notice.attempt,
        game: Some(notice.game.to_string()),
        cause: notice.trace_context.clone(),
    };
    let work = async {
        let expanded = actions::expand(app, tx, &notice).await.map_err(Error::into_fault);
        match &expanded {
            Ok(Expanded::Told(people)) => {
                info!(gamesched.game.id = %notice.game, "told {people} people: {}", notice.kind.notice);
            }
            Ok(Expanded::Expired(reason)) => {
                info!(gamesched.game.id = %notice.game, "did not tell {}: {reason}", notice.kind.notice);
            }
            Err(fault) => {
                error!(error.type = faults::class(fault), "notice {} failed: {fault:#}", notice.kind.notice);
            }
        }
        expanded
    };
    let ended = told.run(work, outcome).await;
    let Err(fault) = ended else { return Ok(()) };
    let mut sql = app.db.connection().await.map_err(shared::store::fault)?;
    backlog::retry_notice(&mut sql, notice.id, faults::class(&fault)).await.map_err(Error::into_fault)
}

fn outcome(ended: &anyhow::Result<Expanded>) -> Outcome {
    match ended {
        Ok(Expanded::Told(_)) => Outcome { word: "done", fault: None },
        Ok(Expanded::Expired(_)) => Outcome { word: "expired", fault: None },
        Err(fault) => Outcome { word: "retry", fault: Some(faults::class(fault)) },
    }
}
