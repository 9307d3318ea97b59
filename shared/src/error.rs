//! Refusal or fault: an answer for the person who asked, or an incident for us. `?` sorts them.

use std::fmt;

use crate::domain::form::FieldError;
use crate::domain::game::Status;
use crate::domain::permission::Unseen;

/// What an action returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an action did not do what it was asked.
#[derive(Debug)]
pub enum Error {
    /// The person who asked gets this answer. Nothing was written, nothing is wrong with us.
    Refused(Refusal),
    /// We failed. Logged once at the edge that ends it; the person gets a neutral sentence and the trace id.
    Fault(anyhow::Error),
}

/// An answer for a person: a code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No session, or it ended.
    #[error("You are signed out. Sign in and try again.")]
    SignedOut,
    /// Absent, or hidden from this caller: both look the same (GE-17).
    #[error("There is nothing here, or you may not see it.")]
    NotFound,
    /// Visible, but the right is missing.
    #[error("You may not do this: it needs the right to {need}.")]
    Forbidden {
        /// The right, as a verb phrase.
        need: &'static str,
    },
    /// A field of the form is malformed or out of bounds; all of them at once (GE-07).
    #[error("{}", sentence(.0))]
    Invalid(Vec<FieldError>),
    /// The game does not take sign-ups in its present state.
    #[error("This game is not open: it is {}.", state_word(*.0))]
    NotOpen(Status),
    /// Only the host adds players (RO-05).
    #[error("The host picks the players of this game. You cannot join by yourself.")]
    HostPicks,
    /// L-12.
    #[error("The list of this game is full. Nobody else can be added.")]
    RosterFull,
    /// A finished game cannot be cancelled.
    #[error("This game is already over. It cannot be cancelled.")]
    AlreadyFinished,
    /// The state says no (LI-16).
    #[error("A game that is {} cannot become {}.", state_word(*.from), state_word(*.to))]
    IllegalTransition {
        /// The present state.
        from: Status,
        /// What was asked for.
        to: Status,
    },
    /// LI-27.
    #[error("This cannot be changed while the game is {}: {}.", state_word(*.status), .fields.join(", "))]
    NotEditableNow {
        /// The present state.
        status: Status,
        /// The fields that were to change.
        fields: Vec<&'static str>,
    },
    /// The sign-in did not complete; one answer for every cause (AU-03).
    #[error("Signing in did not work. Start again from the sign-in page.")]
    SignInFailed,
    /// A cookie came with a foreign origin (AU-13).
    #[error("This request came from another site and was not carried out.")]
    CrossSite,
    /// Too large a body.
    #[error("This is too large: at most {limit} bytes.")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// Too often (L-38).
    #[error("Too many requests. Try again in {seconds} s.")]
    SlowDown {
        /// Until the next try, in seconds.
        seconds: u64,
    },
    /// Too many live views of one session (LS-11).
    #[error("This is open too often: at most {limit} times at once. Close one of them and try again.")]
    TooManyStreams {
        /// At once.
        limit: usize,
    },
    /// A backing service that this needs is away (GE-22).
    #[error("This is not available right now. Try again in {seconds} s.")]
    TryLater {
        /// Until the next try, in seconds.
        seconds: u64,
    },
    /// The same idempotency key came with another request.
    #[error("This Idempotency-Key was used for another request.")]
    KeyReused,
    /// The first request with this idempotency key is still running.
    #[error("The first request with this Idempotency-Key is still running.")]
    KeyInProgress,
}

impl Refusal {
    /// One field that is wrong.
    #[must_use]
    pub fn field(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field, code, message: message.into() }])
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::NotFound => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Invalid(fields) => fields.first().map_or("invalid", |field| field.code),
            Self::NotOpen(_) => "not_open",
            Self::HostPicks => "host_picks",
            Self::RosterFull => "roster_full",
            Self::AlreadyFinished => "already_finished",
            Self::IllegalTransition { .. } => "illegal_transition",
            Self::NotEditableNow { .. } => "not_editable_now",
            Self::SignInFailed => "sign_in_failed",
            Self::CrossSite => "cross_site",
            Self::TooLarge { .. } => "too_large",
            Self::SlowDown { .. } => "slow_down",
            Self::TooManyStreams { .. } => "too_many_streams",
            Self::TryLater { .. } => "try_later",
            Self::KeyReused => "idempotency_key_reused",
            Self::KeyInProgress => "idempotency_in_progress",
        }
    }
}

/// The state as it stands in a sentence.
fn state_word(status: Status) -> &'static str {
    match status {
        Status::PendingConfirmation => "waiting for its host",
        Status::Scheduled => "scheduled",
        Status::InProgress => "running",
        Status::Completed => "completed",
        Status::Cancelled => "cancelled",
        Status::Archived => "archived",
    }
}

fn sentence(fields: &[FieldError]) -> String {
    fields.iter().map(|field| field.message.as_str()).collect::<Vec<_>>().join(" ")
}

impl Error {
    /// As a fault, where there is nobody to refuse: what a daemon meets is an incident.
    #[must_use]
    pub fn into_fault(self) -> anyhow::Error {
        match self {
            Self::Refused(refusal) => anyhow::anyhow!("refused: {}", refusal.code()),
            Self::Fault(fault) => fault,
        }
    }
}

impl From<Unseen> for Refusal {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Hidden => Self::NotFound,
            Unseen::Gated => Self::Forbidden { need: "hold one of the player roles of this game" },
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Error {
    fn from(fault: anyhow::Error) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(out),
            Self::Fault(fault) => write!(out, "{fault:#}"),
        }
    }
}
