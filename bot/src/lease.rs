//! A turn is ours for 20 s; a call that could outlive it is not begun (SE-04).

use std::time::{Duration, Instant};

use shared::discord::Failure;

/// From before the claim to the last moment at which anything may be asked of Discord: 20 s less 5 s for recording.
const OURS: Duration = Duration::from_secs(15);
/// A call takes no longer.
const CALL: Duration = Duration::from_secs(10);
/// A call that has less than this is not worth beginning.
const LEAST: Duration = Duration::from_millis(500);
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

    /// How long a call may take that begins now; none when it must not begin.
    pub(crate) fn call(&self) -> Option<Duration> {
        let left = self.until().saturating_duration_since(Instant::now());
        (left >= LEAST).then(|| left.min(CALL))
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
