//! Due transitions, one row and one transaction at a time.

use shared::actions::{self, Advanced};
use shared::app::App;
use shared::daemon::Look;
use shared::domain::schedule::Target;
use shared::error::Error;
use shared::faults;
use shared::store::schedule::{Job, claim_transition};
use shared::store::{Tx, backlog};
use shared::telemetry::job::{self, Outcome};
use tracing::{error, info};

/// Takes the transition that is due for longest, if any.
pub(crate) async fn look(app: App) -> anyhow::Result<Look> {
    let mut tx = app.db.begin().await.map_err(shared::store::fault)?;
    let claimed = claim_transition(&mut tx).await.map_err(Error::into_fault)?;
    let Some(transition) = claimed else {
        let next_due_in = backlog::next_transition(&mut tx).await.map_err(Error::into_fault)?;
        tx.rollback().await.map_err(shared::store::fault)?;
        return Ok(Look { next_due_in, ..Look::default() });
    };
    take(&app, tx, transition).await?;
    Ok(Look { claimed: 1, full: true, ..Look::default() })
}

/// Takes one transition in a trace of its own; a failed one goes on later and delays none behind it.
async fn take(app: &App, tx: Tx, transition: Job<Target>) -> anyhow::Result<()> {
    let told = job::Job {
        kind: format!("transition.{}", transition.kind.as_str().to_lowercase()).into(),
        id: transition.id.to_string(),
        due_at: transition.due_at,
        lateness: transition.lateness,
        attempt: transition.attempt,
        game: Some(transition.game.to_string()),
        cause: transition.trace_context.clone(),
    };
    let work = async {
        let advanced = actions::advance(app, tx, &transition).await.map_err(Error::into_fault);
        match &advanced {
            Ok(Advanced::Done) => {
                info!(gamesched.game.id = %transition.game, "moved a game to {}", transition.kind);
            }
            Ok(Advanced::Expired(reason)) => {
                info!(gamesched.game.id = %transition.game, "did not move a game to {}: {reason}", transition.kind);
            }
            Err(fault) => {
                error!(error.type = faults::class(fault), "transition {} failed: {fault:#}", transition.kind);
            }
        }
        advanced
    };
    let ended = told.run(work, outcome).await;
    let Err(fault) = ended else { return Ok(()) };
    let mut sql = app.db.connection().await.map_err(shared::store::fault)?;
    backlog::retry_transition(&mut sql, transition.id, faults::class(&fault)).await.map_err(Error::into_fault)
}

fn outcome(ended: &anyhow::Result<Advanced>) -> Outcome {
    match ended {
        Ok(Advanced::Done) => Outcome { word: "done", fault: None },
        Ok(Advanced::Expired(_)) => Outcome { word: "expired", fault: None },
        Err(fault) => Outcome { word: "retry", fault: Some(faults::class(fault)) },
    }
}
