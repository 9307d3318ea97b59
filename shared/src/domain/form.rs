//! The form that creates a game: what was sent, the template and the defaults become a draft (TE-05, LI-22).

mod checks;
mod edit;

pub use edit::{Edit, EditRefusal, Patch, changed_fields};

use checks::Checks;
use chrono::{DateTime, TimeDelta, Utc};

use super::game::{Game, SignupMethod, Status};
use super::ids::{ChannelId, DiscordRole, GameId, GuildId, TemplateId, UserId};

/// How far ahead a start may lie (L-08).
pub const START_AHEAD: TimeDelta = TimeDelta::days(730);
/// Reminders where nobody said otherwise (L-09).
pub const REMINDERS: [i32; 2] = [60, 15];
/// Seats where nobody said otherwise (L-10).
pub const SEATS: i32 = 10;

/// What is wrong with one field; all of them come in one answer (GE-07).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: &'static str,
    /// For programs.
    pub code: &'static str,
    /// For people: one sentence.
    pub message: String,
}

/// What a guild's managers prepared (TE-02).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the columns of templates, by their own names")]
pub struct Template {
    pub id: TemplateId,
    pub guild: GuildId,
    pub name: String,
    pub description: Option<String>,
    pub sort_order: i32,
    pub is_default: bool,
    pub channel: ChannelId,
    pub archive_channel: Option<ChannelId>,
    pub archive_delay_seconds: Option<i32>,
    pub notify_roles: Vec<DiscordRole>,
    pub player_roles: Vec<DiscordRole>,
    pub host_roles: Vec<DiscordRole>,
    pub priority_roles: Vec<DiscordRole>,
    pub allowed_methods: Vec<SignupMethod>,
    pub default_method: Option<SignupMethod>,
    pub max_players: Option<i32>,
    pub min_players: Option<i32>,
    pub expected_duration_minutes: Option<i32>,
    pub reminder_minutes: Option<Vec<i32>>,
    pub location: Option<String>,
    pub signup_instructions: Option<String>,
    pub remind_host_rewards: bool,
    pub version: i64,
}

impl Template {
    /// An empty list allows all but ROLE_BASED (TE-08).
    #[must_use]
    pub fn allows(&self, method: SignupMethod) -> bool {
        if self.allowed_methods.is_empty() {
            method != SignupMethod::RoleBased
        } else {
            self.allowed_methods.contains(&method)
        }
    }
}

/// The creation form as sent: `None` is absent, an empty text was emptied (TE-05).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of the form, by their own names")]
pub struct Form {
    pub title: Option<String>,
    pub description: Option<String>,
    pub signup_instructions: Option<String>,
    pub location: Option<String>,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub post_at: Option<DateTime<Utc>>,
    pub max_players: Option<i32>,
    pub min_players: Option<i32>,
    pub expected_duration_minutes: Option<i32>,
    pub reminder_minutes: Option<Vec<i32>>,
    pub signup_method: Option<SignupMethod>,
    pub remind_host_rewards: Option<bool>,
    pub starters: Option<Vec<String>>,
}

/// A form that holds: every field has its value and is within bounds.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields of the form, by their own names")]
pub struct Draft {
    pub title: String,
    pub description: Option<String>,
    pub signup_instructions: Option<String>,
    pub location: Option<String>,
    pub scheduled_at: DateTime<Utc>,
    /// Ahead of now; `None` posts at once (LI-32).
    pub post_at: Option<DateTime<Utc>>,
    pub max_players: i32,
    pub min_players: Option<i32>,
    pub expected_duration_minutes: Option<i32>,
    pub reminder_minutes: Vec<i32>,
    pub signup_method: SignupMethod,
    pub remind_host_rewards: bool,
    /// As typed, cleaned, without blank lines; who they are is not decided here (RO-16).
    pub starters: Vec<String>,
}

impl Form {
    /// Fills what is absent from the template, then from the defaults, and checks the whole.
    ///
    /// # Errors
    /// Everything that is wrong, at once (GE-07).
    pub fn against(self, template: &Template, now: DateTime<Utc>) -> Result<Draft, Vec<FieldError>> {
        let mut checks = Checks::default();
        let title = checks.title(self.title.as_deref());
        let scheduled_at = checks.required("scheduled_at", self.scheduled_at);
        if let Some(start) = scheduled_at {
            checks.start(start, now);
            checks.post_at(self.post_at, start);
        }
        let location = self.location.or_else(|| template.location.clone());
        let instructions = self.signup_instructions.or_else(|| template.signup_instructions.clone());
        let max_players = checks.max_players(self.max_players.or(template.max_players).unwrap_or(SEATS));
        let min_players = checks.min_players(self.min_players.or(template.min_players), max_players);
        let minutes = self.expected_duration_minutes.or(template.expected_duration_minutes);
        let reminders = self.reminder_minutes.or_else(|| template.reminder_minutes.clone());
        let method = self.signup_method.or(template.default_method).unwrap_or(SignupMethod::SelfSignup);
        if !template.allows(method) {
            checks.method_not_allowed(method);
        }
        let draft = Draft {
            title: title.unwrap_or_default(),
            description: checks.description(self.description.as_deref()),
            signup_instructions: checks.signup_instructions(instructions.as_deref()),
            location: checks.location(location.as_deref()),
            scheduled_at: scheduled_at.unwrap_or(now),
            post_at: self.post_at.filter(|post_at| *post_at > now),
            max_players,
            min_players,
            expected_duration_minutes: checks.duration(minutes),
            reminder_minutes: checks.reminders(reminders.unwrap_or_else(|| REMINDERS.to_vec())),
            signup_method: method,
            remind_host_rewards: self.remind_host_rewards.unwrap_or(template.remind_host_rewards),
            starters: checks.starters(self.starters.unwrap_or_default()),
        };
        checks.done(draft)
    }
}

impl Draft {
    /// The game that it becomes, with the template's locked fields copied (TE-02, LI-07).
    #[must_use]
    pub fn game(self, id: GameId, template: &Template, host: UserId, now: DateTime<Utc>) -> Game {
        Game {
            id,
            guild: template.guild,
            channel: template.channel,
            template: Some(template.id),
            host,
            title: self.title,
            description: self.description,
            location: self.location,
            signup_instructions: self.signup_instructions,
            scheduled_at: self.scheduled_at,
            expected_duration_minutes: self.expected_duration_minutes,
            max_players: self.max_players,
            min_players: self.min_players,
            reminder_minutes: self.reminder_minutes,
            signup_method: self.signup_method,
            status: Status::Scheduled,
            post_at: self.post_at,
            recur_rule: None,
            rewards: None,
            remind_host_rewards: self.remind_host_rewards,
            archive_channel: template.archive_channel,
            archive_delay_seconds: template.archive_delay_seconds,
            notify_roles: template.notify_roles.clone(),
            player_roles: template.player_roles.clone(),
            priority_roles: template.priority_roles.clone(),
            thumbnail: None,
            banner: None,
            cancel_reason: None,
            version: 1,
            roster_version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

#[cfg(test)]
mod tests;
