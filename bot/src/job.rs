//! How a job's span tells what a handler says; by message the consumer does the same.

use shared::amqp::consumer::Outcome;
use shared::telemetry::job;

/// The word for the outcome, and the class of what failed.
pub(crate) fn told(outcome: &Outcome) -> job::Outcome {
    let (word, fault) = match outcome {
        Outcome::Done => ("done", None),
        Outcome::Coalesced => ("coalesced", None),
        Outcome::AlreadyDone => ("already_done", None),
        Outcome::Later(std::borrow::Cow::Borrowed(cause)) => ("retry", Some(*cause)),
        Outcome::Retry(cause, _) => ("retry", Some(*cause)),
        Outcome::Later(_) => ("retry", Some("retry")),
        Outcome::Park(reason) => ("parked", Some(*reason)),
    };
    job::Outcome { word, fault }
}
