//! Guilds as Discord's gateway tells them (GU-09 to GU-16): the bot writes, everybody else reads.

mod read;
mod write;

use serde::{Deserialize, Serialize};

use super::Cache;
use super::door::Door;
use crate::domain::ids::{Discord, DiscordChannel, DiscordGuild, DiscordRole, DiscordUser};

pub use read::{Members, Standing};
pub use twilight_model::id::marker::EmojiMarker as InEmoji;
pub use write::{Beat, Build};

/// The projection of guilds.
#[derive(Clone, Debug)]
pub struct Projection {
    door: Door,
}

impl Cache {
    /// The projection of guilds.
    #[must_use]
    pub fn projection(&self) -> Projection {
        Projection { door: self.door.clone() }
    }
}

impl Projection {
    /// What all its keys begin with.
    fn prefix(&self) -> String {
        self.door.key("proj:")
    }
}

/// A guild with all that is in it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct GuildView {
    pub id: DiscordGuild,
    pub shard: u32,
    pub card: GuildCard,
    pub roles: Vec<RoleView>,
    pub channels: Vec<ChannelView>,
    pub emojis: Vec<EmojiView>,
    pub members: Vec<MemberView>,
}

/// What a guild says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct GuildCard {
    pub name: String,
    pub icon: Option<String>,
    pub owner: DiscordUser,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct RoleView {
    pub id: DiscordRole,
    pub name: String,
    pub color: u32,
    pub position: i64,
    pub managed: bool,
    pub permissions: u64,
}

/// A channel, category or thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelView {
    /// Its id.
    pub id: DiscordChannel,
    /// Its name.
    pub name: String,
    /// Discord's number of its type.
    pub kind: u8,
    /// Its place among its siblings.
    pub position: i32,
    /// The category, or of a thread the channel.
    pub parent: Option<DiscordChannel>,
    /// What the bot may not do here and would need for announcements (GU-18).
    pub missing_permissions: Vec<String>,
}

/// An emoji of the guild.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct EmojiView {
    pub id: Discord<InEmoji>,
    pub name: String,
    pub animated: bool,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "Discord's own words")]
pub struct MemberView {
    pub id: DiscordUser,
    pub username: String,
    pub global_name: Option<String>,
    pub nick: Option<String>,
    pub avatar: Option<String>,
    pub roles: Vec<DiscordRole>,
    pub bot: bool,
}

impl MemberView {
    /// Nick, else global name, else username (GU-21).
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.nick.as_deref().or(self.global_name.as_deref()).unwrap_or(&self.username)
    }
}

/// A member as stored: with the names a search finds them by.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    member: MemberView,
    names: Vec<String>,
}

impl Kept {
    fn of(member: &MemberView) -> Self {
        let all = [member.nick.as_deref(), member.global_name.as_deref(), Some(&*member.username)];
        let mut names: Vec<_> = all.into_iter().flatten().map(searched).collect();
        names.sort();
        names.dedup();
        Self { member: member.clone(), names }
    }
}

/// A name as it is searched by: case does not count, and no byte may end it early.
fn searched(name: &str) -> String {
    name.to_lowercase().replace('\0', "")
}
