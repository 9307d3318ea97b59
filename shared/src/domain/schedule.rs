//! What becomes due, and how long a notice stays worth sending.

use chrono::{DateTime, TimeDelta, Utc};

use super::game::{Game, Status, words};

/// How long after a join its notice is due (L-20).
pub const JOIN_NOTICE_AFTER: TimeDelta = TimeDelta::seconds(60);
/// How long after the last move of the start people are told of it (L-22).
pub const MOVE_NOTICE_AFTER: TimeDelta = TimeDelta::seconds(60);
/// From when on a notice is marked late (L-23).
pub const LATE_AFTER: TimeDelta = TimeDelta::seconds(60);
/// When a notice of the moment is too late to help (L-23).
pub const MOMENT_LASTS: TimeDelta = TimeDelta::minutes(15);
/// How long news stay news (L-28).
pub const NEWS_LAST: TimeDelta = TimeDelta::hours(24);

words! {
    /// What a due transition leads to.
    Target {
        /// The start is reached.
        InProgress = "IN_PROGRESS",
        /// The run time is over.
        Completed = "COMPLETED",
        /// The archive delay is over.
        Archived = "ARCHIVED",
        /// Nobody confirmed the occurrence in time.
        Cancelled = "CANCELLED",
        /// The announcement is due; no status.
        Post = "POST",
    }

    /// The kinds of notice (NO-01 to NO-14).
    Notice {
        /// You have a seat.
        Joined = "joined",
        /// You are in line.
        Waitlisted = "waitlisted",
        /// You moved up to a seat.
        Promoted = "promoted",
        /// You moved back into the line.
        Demoted = "demoted",
        /// Host, manager or a deadline took you out.
        Removed = "removed",
        /// You left.
        Left = "left",
        /// To the host: somebody they had added is out.
        DropOut = "drop_out",
        /// The game starts soon.
        Reminder = "reminder",
        /// The start moved.
        Rescheduled = "rescheduled",
        /// The game will not take place.
        Cancelled = "cancelled",
        /// To the host: fewer players than the minimum.
        NotEnoughPlayers = "not_enough_players",
        /// You were carried over: say whether you come.
        CloneConfirm = "clone_confirm",
        /// To the host: say whether the next occurrence takes place.
        RecurrenceConfirm = "recurrence_confirm",
        /// To the host: tell what was won.
        RewardsReminder = "rewards_reminder",
    }

    /// Why a notice is deliberately not sent.
    Expired {
        /// Made for another start than the present one (NO-16).
        Stale = "stale",
        /// Too late to be of use (NO-23, NO-24).
        TooLate = "too_late",
        /// The game is over.
        GameOver = "game_over",
        /// The game will not take place.
        GameCancelled = "game_cancelled",
    }
}

/// How long a notice is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Worth something at its moment only (NO-23).
    Moment,
    /// True for longer (NO-24).
    News,
    /// Until its deadline.
    Question,
}

/// A status, or the post, that becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueTransition {
    /// Where it leads.
    pub target: Target,
    /// When.
    pub due_at: DateTime<Utc>,
    /// The start that it was made for.
    pub for_start_at: DateTime<Utc>,
}

/// A notice that becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueNotice {
    /// What it says.
    pub kind: Notice,
    /// For a reminder: how long before the start.
    pub minutes_before: Option<i32>,
    /// When.
    pub due_at: DateTime<Utc>,
    /// The start that it was made for.
    pub for_start_at: DateTime<Utc>,
}

/// The full set of transitions that lie before a game (LI-19), in the order in which they happen.
/// Starts and completions are in it however late they are (LI-20); the post only while ahead (LI-32).
/// The archive timer counts from the completion and is armed by it (LI-50).
#[must_use]
pub fn transitions(game: &Game, now: DateTime<Utc>) -> Vec<DueTransition> {
    let due = |target, due_at| DueTransition { target, due_at, for_start_at: game.scheduled_at };
    let completion = due(Target::Completed, game.ends_at());
    match game.status {
        Status::PendingConfirmation => vec![due(Target::Cancelled, game.scheduled_at)],
        Status::Scheduled => {
            let post = game.post_at.filter(|post_at| *post_at > now).map(|post_at| due(Target::Post, post_at));
            post.into_iter().chain([due(Target::InProgress, game.scheduled_at), completion]).collect()
        }
        Status::InProgress => vec![completion],
        Status::Completed | Status::Cancelled | Status::Archived => vec![],
    }
}

/// A row for every reminder that is still ahead, soonest first; none before the announcement (NO-16, LI-33).
#[must_use]
pub fn reminders(game: &Game, now: DateTime<Utc>) -> Vec<DueNotice> {
    if !game.is_open(now) {
        return vec![];
    }
    let mut offsets = game.reminder_minutes.clone();
    offsets.sort_unstable_by(|a, b| b.cmp(a));
    offsets.dedup();
    offsets
        .into_iter()
        .map(|minutes| DueNotice {
            kind: Notice::Reminder,
            minutes_before: Some(minutes),
            due_at: game.scheduled_at - TimeDelta::minutes(minutes.into()),
            for_start_at: game.scheduled_at,
        })
        .filter(|reminder| reminder.due_at > now)
        .collect()
}

/// The row that tells a new participant where they stand (NO-01, NO-02).
#[must_use]
pub fn join_notice(game: &Game, now: DateTime<Utc>) -> DueNotice {
    DueNotice {
        kind: Notice::Joined,
        minutes_before: None,
        due_at: now + JOIN_NOTICE_AFTER,
        for_start_at: game.scheduled_at,
    }
}

/// The row that tells people of another start, once it has stayed for a minute (NO-09, LI-38). None about a game that
/// nobody knew at its old start.
#[must_use]
pub fn move_notice(before: &Game, after: &Game, now: DateTime<Utc>) -> Option<DueNotice> {
    let known = before.is_known(now) && after.is_known(now);
    (known && before.scheduled_at != after.scheduled_at).then(|| DueNotice {
        kind: Notice::Rescheduled,
        minutes_before: None,
        due_at: now + MOVE_NOTICE_AFTER,
        for_start_at: after.scheduled_at,
    })
}

impl Notice {
    /// How long it is kept (NO-01 to NO-14).
    #[must_use]
    pub const fn keep(self) -> Keep {
        match self {
            Self::Reminder | Self::NotEnoughPlayers => Keep::Moment,
            Self::CloneConfirm | Self::RecurrenceConfirm => Keep::Question,
            Self::Joined | Self::Waitlisted | Self::Promoted | Self::Demoted | Self::Removed => Keep::News,
            Self::Left | Self::DropOut | Self::Rescheduled | Self::Cancelled | Self::RewardsReminder => Keep::News,
        }
    }

    /// The last instant at which it may be sent. `until` is the end of the game, for a question its deadline.
    #[must_use]
    pub fn not_after(self, due_at: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
        match self.keep() {
            Keep::Moment => (due_at + MOMENT_LASTS).min(until),
            Keep::News if self.outlives_the_game() => due_at + NEWS_LAST,
            Keep::News => (due_at + NEWS_LAST).min(until),
            Keep::Question => until,
        }
    }

    /// The time to name in the text when it is sent late (L-23); a question bears its deadline instead.
    #[must_use]
    pub fn late_mark(self, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.keep() != Keep::Question && now - due_at > LATE_AFTER).then_some(due_at)
    }

    /// Why it must not be sent any more, judged when it fires (NO-16, LI-39). The claim of the letter that it became
    /// judges the state again, right before sending, and the start where [`Self::is_stale_once_moved`].
    #[must_use]
    pub fn expired(
        self,
        game: &Game,
        for_start_at: DateTime<Utc>,
        due_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Expired> {
        let over = match game.status {
            Status::PendingConfirmation | Status::Scheduled | Status::InProgress => None,
            Status::Cancelled => (!self.outlives_a_cancellation()).then_some(Expired::GameCancelled),
            Status::Completed | Status::Archived => (!self.outlives_the_game()).then_some(Expired::GameOver),
        };
        let stale = (self.depends_on_the_start() && for_start_at != game.scheduled_at).then_some(Expired::Stale);
        let too_late = self.not_after(due_at, game.ends_at()) <= now;
        over.or(stale).or(too_late.then_some(Expired::TooLate))
    }

    /// Of these the end of the game makes nothing untrue (NO-24).
    #[must_use]
    pub const fn outlives_the_game(self) -> bool {
        matches!(self, Self::Removed | Self::Left | Self::RewardsReminder)
    }

    /// Of these a cancellation makes nothing untrue (LI-41).
    #[must_use]
    pub const fn outlives_a_cancellation(self) -> bool {
        matches!(self, Self::Removed | Self::Left | Self::Cancelled)
    }

    /// These tell a player of their own place: nobody needs them who has none any more.
    #[must_use]
    pub const fn tells_a_place(self) -> bool {
        matches!(self, Self::Joined | Self::Waitlisted | Self::Promoted | Self::Demoted | Self::CloneConfirm)
    }

    /// Due at a time that the start decides, or about a move to it: when the start has moved before it fires, another
    /// one is due instead. What a person's own join or move is about reads the present start.
    const fn depends_on_the_start(self) -> bool {
        matches!(self, Self::Reminder | Self::Rescheduled | Self::NotEnoughPlayers | Self::RecurrenceConfirm)
    }

    /// A letter that is written and not yet sent is stale when the start moves. News of an earlier move, and of leaving,
    /// stay true; a question about a date that is no more does not.
    #[must_use]
    pub const fn is_stale_once_moved(self) -> bool {
        matches!(self, Self::Reminder | Self::NotEnoughPlayers | Self::CloneConfirm | Self::RecurrenceConfirm)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
