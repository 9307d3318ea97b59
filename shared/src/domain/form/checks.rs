//! The bounds of every field, shared by create and edit (GE-05).

use chrono::{DateTime, Utc};

use super::super::game::SignupMethod;
use super::super::text;
use super::{FieldError, START_AHEAD};

/// Collects what is wrong, so that one answer tells all of it (GE-07).
#[derive(Default)]
pub(super) struct Checks {
    errors: Vec<FieldError>,
}

impl Checks {
    pub(super) fn done<T>(self, checked: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { Ok(checked) } else { Err(self.errors) }
    }

    pub(super) fn refuse(&mut self, field: &'static str, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError { field, code, message: message.into() });
    }

    pub(super) fn required<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.refuse(field, "required", "This field is needed.");
        }
        value
    }

    /// LI-25: of these there is no unset.
    pub(super) fn not_clearable(&mut self, field: &'static str) {
        self.refuse(field, "not_clearable", "This field can be changed but not emptied.");
    }

    pub(super) fn title(&mut self, typed: Option<&str>) -> Option<String> {
        let typed = self.required("title", typed)?;
        let title = text::clean_line(typed);
        if title.is_empty() {
            self.refuse("title", "required", "A game needs a title.");
        }
        self.at_most("title", &title, 200);
        Some(title)
    }

    pub(super) fn description(&mut self, typed: Option<&str>) -> Option<String> {
        self.text("description", typed, 2000)
    }

    pub(super) fn signup_instructions(&mut self, typed: Option<&str>) -> Option<String> {
        self.text("signup_instructions", typed, 1000)
    }

    pub(super) fn location(&mut self, typed: Option<&str>) -> Option<String> {
        self.text("where", typed, 500)
    }

    pub(super) fn rewards(&mut self, typed: Option<&str>) -> Option<String> {
        self.text("rewards", typed, 2000)
    }

    /// GE-03.
    pub(super) fn start(&mut self, start: DateTime<Utc>, now: DateTime<Utc>) {
        if start <= now || start - now > START_AHEAD {
            let message = "The start must lie ahead, at most 730 days from now.";
            self.refuse("scheduled_at", "start_out_of_range", message);
        }
    }

    /// LI-32.
    pub(super) fn post_at(&mut self, post_at: Option<DateTime<Utc>>, start: DateTime<Utc>) {
        if post_at.is_some_and(|post_at| post_at >= start) {
            let message = "The announcement must be posted before the start.";
            self.refuse("post_at", "post_at_not_before_start", message);
        }
    }

    pub(super) fn max_players(&mut self, seats: i32) -> i32 {
        self.within("max_players", seats, 1, 100)
    }

    /// LI-44.
    pub(super) fn min_players(&mut self, minimum: Option<i32>, max_players: i32) -> Option<i32> {
        let minimum = minimum?;
        self.within("min_players", minimum, 1, 100);
        if minimum > max_players {
            let message = format!("The minimum of {minimum} players is above the {max_players} seats.");
            self.refuse("min_players", "min_above_max", message);
        }
        Some(minimum)
    }

    pub(super) fn duration(&mut self, minutes: Option<i32>) -> Option<i32> {
        minutes.map(|minutes| self.within("expected_duration_minutes", minutes, 1, 1440))
    }

    /// L-09, without repetitions, keeping first order (GE-05).
    pub(super) fn reminders(&mut self, minutes: Vec<i32>) -> Vec<i32> {
        let mut distinct: Vec<i32> = Vec::with_capacity(minutes.len());
        for minutes in minutes {
            if !distinct.contains(&minutes) {
                distinct.push(minutes);
            }
        }
        if distinct.len() > 10 {
            self.refuse("reminder_minutes", "too_many", "At most 10 reminders are possible.");
        }
        if let Some(strange) = distinct.iter().find(|minutes| !(1..=10_080).contains(*minutes)) {
            let message = format!("A reminder comes 1 to 10080 minutes before the start, not {strange}.");
            self.refuse("reminder_minutes", "out_of_range", message);
        }
        distinct
    }

    /// L-11, blank lines skipped (RO-15); whom an entry means is decided where members are known.
    pub(super) fn starters(&mut self, typed: Vec<String>) -> Vec<String> {
        let mut entries: Vec<String> = typed.iter().map(|entry| text::clean_line(entry)).collect();
        entries.retain(|entry| !entry.is_empty());
        if entries.len() > 100 {
            self.refuse("initial_participants", "too_many", "At most 100 starters fit a form.");
        }
        if let Some(long) = entries.iter().find(|entry| text::length(entry) > 100) {
            let message = format!("A name has at most 100 characters, not {}.", text::length(long));
            self.refuse("initial_participants", "too_long", message);
        }
        entries
    }

    pub(super) fn method_not_allowed(&mut self, method: SignupMethod) {
        let message = format!("This game's template does not allow {method}.");
        self.refuse("signup_method", "method_not_allowed", message);
    }

    /// Cleaned; nothing left means none.
    fn text(&mut self, field: &'static str, typed: Option<&str>, max: usize) -> Option<String> {
        let cleaned = text::clean(typed?);
        self.at_most(field, &cleaned, max);
        (!cleaned.is_empty()).then_some(cleaned)
    }

    fn at_most(&mut self, field: &'static str, text: &str, max: usize) {
        let length = text::length(text);
        if length > max {
            self.refuse(field, "too_long", format!("At most {max} characters fit; these are {length}."));
        }
    }

    fn within(&mut self, field: &'static str, value: i32, min: i32, max: i32) -> i32 {
        if !(min..=max).contains(&value) {
            self.refuse(field, "out_of_range", format!("This must be {min} to {max}, not {value}."));
        }
        value
    }
}
