//! The life of a game: which state follows which (LI-07 to LI-16), and what is open, hidden and over.

use chrono::{DateTime, TimeDelta, Utc};

use super::game::{Game, Status};

/// What counts as the run time when none is set (LI-30).
pub const UNSET_RUN_TIME_MINUTES: i32 = 60;

/// A step that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The game becomes the target.
    Take,
    /// The game is there already: success without effects (LI-16).
    AlreadyTaken,
}

/// A step that does not exist (LI-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illegal {
    /// The present state.
    pub from: Status,
    /// What was asked for.
    pub target: Status,
}

impl Illegal {
    /// What the present state allows.
    #[must_use]
    pub const fn allowed(self) -> &'static [Status] {
        self.from.next()
    }

    /// The refusal's code: cancelling what is over has its own (LI-40).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match (self.from, self.target) {
            (Status::Completed | Status::Archived, Status::Cancelled) => "already_finished",
            _ => "illegal_transition",
        }
    }
}

impl Status {
    /// The states that may follow, in the order of LI-09 to LI-15.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::PendingConfirmation => &[Self::Scheduled, Self::Cancelled],
            Self::Scheduled => &[Self::InProgress, Self::Cancelled],
            Self::InProgress => &[Self::Completed, Self::Cancelled],
            Self::Completed => &[Self::Archived],
            Self::Cancelled | Self::Archived => &[],
        }
    }

    /// Whether a game of this state may become `target`.
    ///
    /// # Errors
    /// When there is no such step.
    pub fn may_become(self, target: Self) -> Result<Step, Illegal> {
        if self == target {
            Ok(Step::AlreadyTaken)
        } else if self.next().contains(&target) {
            Ok(Step::Take)
        } else {
            Err(Illegal { from: self, target })
        }
    }
}

impl Game {
    /// When the run time is over.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        let minutes = self.expected_duration_minutes.unwrap_or(UNSET_RUN_TIME_MINUTES);
        self.scheduled_at + TimeDelta::minutes(minutes.into())
    }

    /// Its post is due or done and nothing withholds it. Nothing changes in a cancelled game after the
    /// cancellation, so its last change tells whether its posting time was ever reached (LI-06).
    #[must_use]
    pub fn is_announced(&self, now: DateTime<Utc>) -> bool {
        let reached = match self.status {
            Status::PendingConfirmation => return false,
            Status::Cancelled => self.updated_at,
            Status::Scheduled | Status::InProgress | Status::Completed | Status::Archived => now,
        };
        self.post_at.is_none_or(|post_at| post_at <= reached)
    }

    /// For the eyes of host and managers only (LI-34).
    #[must_use]
    pub fn is_hidden(&self, now: DateTime<Utc>) -> bool {
        !self.is_announced(now)
    }

    /// Whether people know of it and are told what changes. A post that is late has told nobody yet.
    #[must_use]
    pub fn is_known(&self, now: DateTime<Utc>) -> bool {
        self.post_at.is_none() && !self.is_hidden(now)
    }

    /// People may join and leave by themselves (RO-12).
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Scheduled && self.is_announced(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{game, noon, noon_plus};
    use super::*;
    use Status::{Archived, Cancelled, Completed, InProgress, PendingConfirmation, Scheduled};

    #[test]
    fn li_07_to_li_16_exactly_seven_steps_exist() {
        let steps: Vec<(Status, Status)> = Status::ALL
            .iter()
            .flat_map(|from| Status::ALL.iter().map(move |target| (*from, *target)))
            .filter(|(from, target)| from.may_become(*target) == Ok(Step::Take))
            .collect();
        assert_eq!(
            steps,
            [
                (PendingConfirmation, Scheduled),
                (PendingConfirmation, Cancelled),
                (Scheduled, InProgress),
                (Scheduled, Cancelled),
                (InProgress, Completed),
                (InProgress, Cancelled),
                (Completed, Archived),
            ]
        );
    }

    #[test]
    fn li_16_repeating_a_step_already_done_succeeds_without_effects() {
        for status in Status::ALL {
            assert_eq!(status.may_become(*status), Ok(Step::AlreadyTaken));
        }
    }

    #[test]
    fn li_16_an_illegal_step_names_the_present_state_and_what_it_allows() {
        let illegal = Scheduled.may_become(Archived).unwrap_err();
        assert_eq!((illegal.from, illegal.allowed()), (Scheduled, [InProgress, Cancelled].as_slice()));
        assert_eq!(illegal.code(), "illegal_transition");
    }

    #[test]
    fn li_40_cancelling_a_finished_game_is_refused_as_already_finished() {
        assert_eq!(Completed.may_become(Cancelled).unwrap_err().code(), "already_finished");
        assert_eq!(Archived.may_become(Cancelled).unwrap_err().code(), "already_finished");
    }

    #[test]
    fn li_30_an_unset_run_time_counts_as_sixty_minutes() {
        let mut game = game();
        game.scheduled_at = noon();
        assert_eq!(game.ends_at(), noon_plus(120));
        game.expected_duration_minutes = None;
        assert_eq!(game.ends_at(), noon_plus(60));
    }

    #[test]
    fn ro_12_open_is_announced_and_scheduled() {
        for status in Status::ALL {
            let game = Game { status: *status, ..game() };
            assert_eq!(game.is_open(noon()), *status == Scheduled);
        }
    }

    #[test]
    fn li_34_a_game_is_hidden_until_its_posting_time_is_reached() {
        let game = Game { post_at: Some(noon_plus(10)), ..game() };
        assert!(game.is_hidden(noon_plus(9)) && !game.is_open(noon_plus(9)));
        assert!(!game.is_hidden(noon_plus(10)) && game.is_open(noon_plus(10)));
    }

    #[test]
    fn li_34_a_pending_occurrence_is_hidden() {
        assert!(Game { status: PendingConfirmation, ..game() }.is_hidden(noon()));
    }

    #[test]
    fn li_06_a_game_cancelled_before_its_post_stays_hidden_for_ever() {
        let cancelled = Game { status: Cancelled, post_at: Some(noon_plus(10)), updated_at: noon_plus(5), ..game() };
        assert!(cancelled.is_hidden(noon_plus(5)) && cancelled.is_hidden(noon_plus(500)));
        assert!(!Game { updated_at: noon_plus(11), ..cancelled }.is_hidden(noon_plus(500)));
    }
}
