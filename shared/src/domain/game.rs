//! A game session: its words and what it holds.

use chrono::{DateTime, Utc};

use super::ids::{ChannelId, DiscordRole, GameId, GuildId, ImageId, TemplateId, UserId};

/// Words that are stored and sent as text.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$case_doc])* $case,)* }

        impl $name {
            /// Every case, in the order of the definition.
            pub const ALL: &'static [Self] = &[$(Self::$case,)*];

            /// The stored and sent form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = anyhow::Error;

            fn from_str(text: &str) -> Result<Self, anyhow::Error> {
                match text {
                    $($text => Ok(Self::$case),)*
                    _ => Err(anyhow::anyhow!(concat!("not a ", stringify!($name)))),
                }
            }
        }
    )*};
}
pub(crate) use words;

words! {
    /// The states of LI-01 to LI-06.
    Status {
        /// The next occurrence of a series; its host has not said yes.
        PendingConfirmation = "PENDING_CONFIRMATION",
        /// Agreed.
        Scheduled = "SCHEDULED",
        /// Start reached.
        InProgress = "IN_PROGRESS",
        /// Run time over.
        Completed = "COMPLETED",
        /// Will not take place; final.
        Cancelled = "CANCELLED",
        /// Put away; final.
        Archived = "ARCHIVED",
    }

    /// How people get a seat (RO-04 to RO-07).
    SignupMethod {
        /// Whoever asks first.
        SelfSignup = "SELF_SIGNUP",
        /// Only the host adds.
        HostSelected = "HOST_SELECTED",
        /// Everybody may wait, the host picks.
        HostSelectedWithWaitlist = "HOST_SELECTED_WITH_WAITLIST",
        /// Holders of priority roles first.
        RoleBased = "ROLE_BASED",
    }

    /// A place that calls an action.
    Face {
        /// The HTTP surface.
        Web = "web",
        /// A button of an announcement.
        Button = "button",
        /// A slash command.
        Command = "command",
        /// A button of a direct message.
        DmButton = "dm_button",
        /// Something that became due.
        Daemon = "daemon",
        /// A gateway event.
        Gateway = "gateway",
        /// A person at the command line.
        Operator = "operator",
    }
}

/// A game as stored.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the columns of games, by their own names")]
pub struct Game {
    pub id: GameId,
    pub guild: GuildId,
    pub channel: ChannelId,
    pub template: Option<TemplateId>,
    pub host: UserId,
    pub title: String,
    pub description: Option<String>,
    pub location: Option<String>,
    pub signup_instructions: Option<String>,
    pub scheduled_at: DateTime<Utc>,
    pub expected_duration_minutes: Option<i32>,
    pub max_players: i32,
    pub min_players: Option<i32>,
    pub reminder_minutes: Vec<i32>,
    pub signup_method: SignupMethod,
    pub status: Status,
    pub post_at: Option<DateTime<Utc>>,
    pub recur_rule: Option<String>,
    pub rewards: Option<String>,
    pub remind_host_rewards: bool,
    pub archive_channel: Option<ChannelId>,
    pub archive_delay_seconds: Option<i32>,
    pub notify_roles: Vec<DiscordRole>,
    pub player_roles: Vec<DiscordRole>,
    pub priority_roles: Vec<DiscordRole>,
    pub thumbnail: Option<ImageId>,
    pub banner: Option<ImageId>,
    pub cancel_reason: Option<String>,
    pub version: i64,
    pub roster_version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}
