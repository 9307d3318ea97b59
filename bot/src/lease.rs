//! A turn is ours for 20 s; a call that could outlive it is not begun (SE-04).

use std::time::{Duration, Instant};

use shared::amqp::consumer::Outcome;
use shared::discord::Failure;
use shared::faults;
use tracing::warn;

/// From before the claim to the last moment at which anything may be asked of Discord: 20 s less 5 s for recording.
const OURS: Duration = Duration::from_secs(15);
/// How `faults` calls a database that is away.
const AWAY: &str = "database_unavailable";
/// A call takes no longer.
const CALL: Duration = Duration::from_secs(10);
/// A call that has less than this is not worth beginning.
const LEAST: Duration = Duration::from_millis(500);
/// A message is worked on for 30 s at most; a further turn begins only where it fits into them with its recording.
const FURTHER: Duration = Duration::from_secs(10);
/// Rows a look takes.
pub(crate) const BATCH: i64 = 64;
/// Of them at once.
pub(crate) const AT_ONCE: usize = 16;

/// The local, monotonic side of a lease.
#[derive(Debug)]
pub(crate) struct Lease(Instant);

impl Lease {
    /// Begins right before the claim is sent.
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// When the last call must have ended.
    pub(crate) fn until(&self) -> Instant {
        self.0 + OURS
    }

    /// Whether what began with this lease may take one more turn.
    pub(crate) fn leaves_time(&self) -> bool {
        self.0.elapsed() < FURTHER
    }

    /// How long a call may take that begins now; none when it must not begin.
    pub(crate) fn call(&self) -> Option<Duration> {
        let left = self.until().saturating_duration_since(Instant::now());
        (left >= LEAST).then(|| left.min(CALL))
    }
}

/// What was claimed or found out could not be written or read. While the database is away the message has served: the
/// row remembers, and whoever looks by itself finds it (a message brought back would only be parked in the end).
pub(crate) fn again(what: &str, fault: &anyhow::Error) -> Outcome {
    warn!("{what} later: {fault:#}");
    match faults::class(fault) {
        AWAY => Outcome::Later(AWAY.into()),
        class => Outcome::Retry(class, Duration::from_secs(1)),
    }
}

/// A number of rows as the database counts.
pub(crate) fn rows(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A failed call as a bounded word: the status that came, or what came instead.
pub(crate) fn cause(failure: &Failure) -> &'static str {
    match failure.status {
        None => "no_answer",
        Some(400) => "400",
        Some(401) => "401",
        Some(403) => "403",
        Some(404) => "404",
        Some(429) => "429",
        Some(500) => "500",
        Some(502) => "502",
        Some(503) => "503",
        Some(504) => "504",
        Some(_) => "status",
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_call_never_outlives_the_turn() {
        let ago = |seconds| Lease(Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap());
        assert_eq!(Lease::begin().call(), Some(CALL));
        assert!(ago(8).call().unwrap() <= Duration::from_secs(7));
        assert_eq!(ago(15).call(), None);
        assert!(Lease::begin().leaves_time() && !ago(10).leaves_time());
    }

    #[tokio::test]
    async fn while_the_database_is_away_a_message_has_served_and_is_not_returned_until_it_is_parked() {
        let nowhere = shared::store::Db::open("postgres://nobody@127.0.0.1:1/none", "test", 1).unwrap();
        let away = nowhere.connection().await.map(drop).map_err(shared::store::fault).unwrap_err();
        assert_eq!(again("it is done", &away), Outcome::Later(Cow::Borrowed("database_unavailable")));
        let broken = anyhow::anyhow!("the database refused");
        assert_eq!(again("it is done", &broken), Outcome::Retry("fault", Duration::from_secs(1)));
    }
}
