//! Changing a game: three-state fields, and what may change in which state (LI-25 to LI-27).

use chrono::{DateTime, Utc};

use super::super::game::{Game, SignupMethod, Status};
use super::checks::Checks;
use super::{FieldError, REMINDERS, SEATS};

/// A field of an edit (GE-04).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Absent.
    #[default]
    Keep,
    /// Sent as null.
    Clear,
    /// Sent as a value.
    Set(T),
}

/// An edit as sent.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of the form, by their own names")]
pub struct Edit {
    pub title: Patch<String>,
    pub description: Patch<String>,
    pub signup_instructions: Patch<String>,
    pub location: Patch<String>,
    pub scheduled_at: Patch<DateTime<Utc>>,
    pub max_players: Patch<i32>,
    pub min_players: Patch<i32>,
    pub expected_duration_minutes: Patch<i32>,
    pub reminder_minutes: Patch<Vec<i32>>,
    pub signup_method: Patch<SignupMethod>,
    pub rewards: Patch<String>,
    pub remind_host_rewards: Patch<bool>,
    pub post_at: Patch<DateTime<Utc>>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditRefusal {
    /// Malformed or out of bounds.
    Invalid(Vec<FieldError>),
    /// Good, but not in the game's present state (LI-27).
    NotEditableNow {
        /// The present state.
        status: Status,
        /// What it does not let change.
        fields: Vec<&'static str>,
    },
}

impl Edit {
    /// The game after the edit, `None` when nothing differs (LI-26). Version and time of change are the verb's.
    ///
    /// Of the template only what the game copied is known here: with priority roles the method stays
    /// ROLE_BASED and without it never becomes that (TE-07); the verb also asks `Template::allows`.
    ///
    /// # Errors
    /// When a value is out of bounds, or one that differs may not change now.
    pub fn apply(self, game: &Game, now: DateTime<Utc>) -> Result<Option<Game>, EditRefusal> {
        let edited = self.merge(game, now).map_err(EditRefusal::Invalid)?;
        let changed = changed_fields(game, &edited);
        let posted = game.is_announced(now) && edited.post_at.is_some_and(|post_at| post_at > now);
        let fields: Vec<&'static str> = changed
            .iter()
            .copied()
            .filter(|field| !may_change(game.status, field) || (posted && *field == "post_at"))
            .collect();
        match (fields.is_empty(), changed.is_empty()) {
            (false, _) => Err(EditRefusal::NotEditableNow { status: game.status, fields }),
            (true, true) => Ok(None),
            (true, false) => Ok(Some(edited)),
        }
    }

    fn merge(self, game: &Game, now: DateTime<Utc>) -> Result<Game, Vec<FieldError>> {
        let mut checks = Checks::default();
        let mut edited = game.clone();
        if let Some(title) = never_cleared(&mut checks, "title", self.title) {
            edited.title = checks.title(Some(&title)).unwrap_or_default();
        }
        if let Some(text) = patched(self.description) {
            edited.description = checks.description(text.as_deref());
        }
        if let Some(text) = patched(self.signup_instructions) {
            edited.signup_instructions = checks.signup_instructions(text.as_deref());
        }
        if let Some(text) = patched(self.location) {
            edited.location = checks.location(text.as_deref());
        }
        if let Some(text) = patched(self.rewards) {
            edited.rewards = checks.rewards(text.as_deref());
        }
        if let Some(minutes) = patched(self.expected_duration_minutes) {
            edited.expected_duration_minutes = checks.duration(minutes);
        }
        if let Some(minutes) = patched(self.reminder_minutes) {
            edited.reminder_minutes = checks.reminders(minutes.unwrap_or_else(|| REMINDERS.to_vec()));
        }
        if let Some(wanted) = patched(self.remind_host_rewards) {
            edited.remind_host_rewards = wanted.unwrap_or(false);
        }
        merge_seats(&mut checks, &mut edited, self.max_players, self.min_players);
        merge_method(&mut checks, &mut edited, self.signup_method);
        merge_dates(&mut checks, &mut edited, self.scheduled_at, self.post_at, now);
        checks.done(edited)
    }
}

fn merge_seats(checks: &mut Checks, edited: &mut Game, max_players: Patch<i32>, min_players: Patch<i32>) {
    let before = (edited.max_players, edited.min_players);
    if let Some(seats) = patched(max_players) {
        edited.max_players = checks.max_players(seats.unwrap_or(SEATS));
    }
    if let Some(minimum) = patched(min_players) {
        edited.min_players = minimum;
    }
    if before != (edited.max_players, edited.min_players) {
        checks.min_players(edited.min_players, edited.max_players);
    }
}

fn merge_method(checks: &mut Checks, edited: &mut Game, method: Patch<SignupMethod>) {
    let Some(method) = never_cleared(checks, "signup_method", method) else {
        return;
    };
    let fits_the_roles = (method == SignupMethod::RoleBased) != edited.priority_roles.is_empty();
    if method != edited.signup_method && !fits_the_roles {
        checks.method_not_allowed(method);
    }
    edited.signup_method = method;
}

/// GE-03 and LI-32 hold for a date that moves; a form sent back unchanged is always fine (LI-26).
fn merge_dates(
    checks: &mut Checks,
    edited: &mut Game,
    scheduled_at: Patch<DateTime<Utc>>,
    post_at: Patch<DateTime<Utc>>,
    now: DateTime<Utc>,
) {
    let before = (edited.scheduled_at, edited.post_at);
    if let Some(start) = never_cleared(checks, "scheduled_at", scheduled_at)
        && start != edited.scheduled_at
    {
        checks.start(start, now);
        edited.scheduled_at = start;
    }
    if let Some(post_at) = patched(post_at) {
        edited.post_at = post_at;
    }
    if before != (edited.scheduled_at, edited.post_at) {
        checks.post_at(edited.post_at, edited.scheduled_at);
    }
    if before.1 != edited.post_at {
        edited.post_at = edited.post_at.filter(|post_at| *post_at > now);
    }
}

/// `None` keeps, `Some(None)` clears, `Some(Some(value))` sets.
fn patched<T>(patch: Patch<T>) -> Option<Option<T>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(value) => Some(Some(value)),
    }
}

fn never_cleared<T>(checks: &mut Checks, field: &'static str, patch: Patch<T>) -> Option<T> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => {
            checks.not_clearable(field);
            None
        }
        Patch::Set(value) => Some(value),
    }
}

/// The fields, by their names on the wire, in which two versions of a game differ.
#[must_use]
pub fn changed_fields(before: &Game, after: &Game) -> Vec<&'static str> {
    let fields = [
        ("title", before.title != after.title),
        ("description", before.description != after.description),
        ("signup_instructions", before.signup_instructions != after.signup_instructions),
        ("where", before.location != after.location),
        ("scheduled_at", before.scheduled_at != after.scheduled_at),
        ("max_players", before.max_players != after.max_players),
        ("min_players", before.min_players != after.min_players),
        ("expected_duration_minutes", before.expected_duration_minutes != after.expected_duration_minutes),
        ("reminder_minutes", before.reminder_minutes != after.reminder_minutes),
        ("signup_method", before.signup_method != after.signup_method),
        ("rewards", before.rewards != after.rewards),
        ("remind_host_rewards", before.remind_host_rewards != after.remind_host_rewards),
        ("post_at", before.post_at != after.post_at),
    ];
    fields.into_iter().filter(|(_, changed)| *changed).map(|(field, _)| field).collect()
}

/// LI-27; rewards from the start of the game on (LI-49), and the wish to be reminded of them with them.
fn may_change(status: Status, field: &str) -> bool {
    match status {
        Status::PendingConfirmation | Status::Scheduled => field != "rewards",
        Status::InProgress => !["scheduled_at", "reminder_minutes", "signup_method", "post_at"].contains(&field),
        Status::Completed => ["description", "signup_instructions", "rewards", "remind_host_rewards"].contains(&field),
        Status::Archived => field == "rewards",
        Status::Cancelled => false,
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
