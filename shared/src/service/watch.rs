//! Backing services come and go: told once when they do, shown in health, waited for where nothing goes without.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Health, Turns, backoff};
use crate::telemetry::span;

/// Between pings while all is well.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// A ping without an answer after this has failed.
const ANSWER: Duration = Duration::from_secs(3);
/// Between the first tries of something that is away.
const SOON: Duration = Duration::from_millis(500);

/// Pings a backing service every 5 s until `stop`, flips its check, and logs when it goes and when it is back.
pub async fn watch<F>(
    health: &Health,
    name: &'static str,
    required: bool,
    mut ping: impl FnMut() -> F,
    stop: CancellationToken,
) where
    F: Future<Output = anyhow::Result<()>>,
{
    let check = health.check(name, required);
    let turns = Turns::of(name);
    let mut failures: u32 = 0;
    loop {
        turns.turn();
        let wait = match asked(ping()).await {
            Ok(()) => {
                if failures > 0 {
                    info!("{name} is back");
                }
                failures = 0;
                check.ok();
                backoff::shortened(EVERY)
            }
            Err(fault) => {
                if failures == 0 {
                    warn!("{name} is away: {fault:#}, trying again");
                }
                check.failing(format!("{fault:#}"));
                failures = failures.saturating_add(1);
                backoff::doubled(failures, SOON, EVERY)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = turns.during(tokio::time::sleep(wait)) => {}
        }
    }
}

/// Tries until it works and gives the result, or `None` at `stop`. Logs once when it does not and once when it does.
pub async fn awaiting<T, F>(what: &'static str, mut attempt: impl FnMut() -> F, stop: &CancellationToken) -> Option<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let mut failures: u32 = 0;
    loop {
        let tried = tokio::select! {
            () = stop.cancelled() => return None,
            tried = span::silent(attempt()) => tried,
        };
        match tried {
            Ok(found) => {
                if failures > 0 {
                    info!("{what}: done");
                }
                return Some(found);
            }
            Err(fault) if failures == 0 => warn!("{what}: {fault:#}, trying again"),
            Err(_) => {}
        }
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff::doubled(failures, SOON, EVERY)) => {}
        }
    }
}

async fn asked(ping: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    match tokio::time::timeout(ANSWER, span::silent(ping)).await {
        Ok(answer) => answer,
        Err(_) => anyhow::bail!("no answer within {} s", ANSWER.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_at_first_is_tried_until_it_works() {
        let mut tries = 0;
        let attempt = || {
            tries += 1;
            let round = tries;
            async move { if round < 2 { anyhow::bail!("away") } else { Ok(round) } }
        };
        assert_eq!(awaiting("a test", attempt, &CancellationToken::new()).await, Some(2));
    }

    #[tokio::test]
    async fn waiting_ends_at_stop() {
        let stop = CancellationToken::new();
        let attempt = || {
            stop.cancel();
            async { anyhow::Result::<()>::Err(anyhow::anyhow!("away")) }
        };
        assert_eq!(awaiting("a test", attempt, &stop).await, None);
    }
}
