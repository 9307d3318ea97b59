//! Ids, one type each, so that none is accepted where another is meant (GE-01).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Discord's ids come from its model crate, typed by what they name.
pub use twilight_model::id::Id as Discord;
pub use twilight_model::id::marker::{
    ChannelMarker as InChannel, GuildMarker as InGuild, MessageMarker as InMessage, RoleMarker as InRole,
    UserMarker as InUser,
};

/// A Discord user.
pub type DiscordUser = Discord<InUser>;
/// A Discord role.
pub type DiscordRole = Discord<InRole>;
/// A Discord channel.
pub type DiscordChannel = Discord<InChannel>;
/// A Discord server.
pub type DiscordGuild = Discord<InGuild>;
/// A Discord message.
pub type DiscordMessage = Discord<InMessage>;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: UUIDv7 (RFC 9562), so that rows sort by birth.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "every call gives another id")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// One game session.
    GameId
    /// A row of a roster.
    ParticipantId
    /// A person we know.
    UserId
    /// A guild the bot is or was in.
    GuildId
    /// A channel of a guild.
    ChannelId
    /// What a guild's managers prepared.
    TemplateId
    /// A stored picture.
    ImageId
    /// One direct message to one person.
    DeliveryId
    /// A due row: notice, transition, post or action.
    JobId
    /// A message on the bus; also its outbox row.
    MessageId
}
