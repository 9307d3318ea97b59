//! One guild in memory, as the gateway told it: what is rebuilt from when Redis or the database was away.

use std::collections::{BTreeMap, HashMap};

use shared::cache::projection::{ChannelView, EmojiView, GuildCard, GuildView, MemberView, RoleView};
use shared::domain::ids::{DiscordChannel, DiscordGuild, DiscordRole, DiscordUser};
use shared::store::guilds::Seen;
use twilight_model::channel::permission_overwrite::PermissionOverwrite;
use twilight_model::channel::{Channel, ChannelType};
use twilight_model::guild::{Emoji, Guild as Told, Member, PartialGuild, Permissions, Role};
use twilight_model::user::User;

use super::usable::Holder;

/// A guild and what of it is not yet written.
#[derive(Debug)]
pub(super) struct Guild {
    pub(super) id: DiscordGuild,
    pub(super) card: GuildCard,
    pub(super) roles: BTreeMap<DiscordRole, RoleView>,
    channels: BTreeMap<DiscordChannel, Kept>,
    pub(super) emojis: Vec<EmojiView>,
    pub(super) members: HashMap<DiscordUser, MemberView>,
    /// Members are still on their way, in chunks.
    pub(super) incomplete: bool,
    /// The channel rows as last written; none: they are not as they should be.
    pub(super) stored: Option<Vec<Seen>>,
    /// The projection lacks something.
    pub(super) unbuilt: bool,
}

/// A channel and who may what in it.
#[derive(Debug)]
struct Kept {
    name: String,
    kind: u8,
    position: i32,
    parent: Option<DiscordChannel>,
    overwrites: Vec<PermissionOverwrite>,
}

impl Guild {
    /// As GUILD_CREATE tells it; a large guild's members follow.
    pub(super) fn of(told: Told) -> Self {
        let members: HashMap<_, _> = told.members.iter().map(member).map(|member| (member.id, member)).collect();
        let all = told.member_count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        let mut guild = Self {
            id: told.id,
            card: GuildCard { name: told.name, icon: told.icon.map(|icon| icon.to_string()), owner: told.owner_id },
            roles: told.roles.iter().map(role).map(|role| (role.id, role)).collect(),
            channels: BTreeMap::new(),
            emojis: told.emojis.iter().map(emoji).collect(),
            incomplete: members.len() < all,
            members,
            stored: None,
            unbuilt: true,
        };
        for channel in told.channels.into_iter().chain(told.threads) {
            guild.put_channel(channel);
        }
        guild
    }

    /// As GUILD_UPDATE tells it.
    pub(super) fn update(&mut self, told: &PartialGuild) {
        let icon = told.icon.map(|icon| icon.to_string());
        self.card = GuildCard { name: told.name.clone(), icon, owner: told.owner_id };
        self.stored = None;
    }

    pub(super) fn put_channel(&mut self, channel: Channel) {
        let kept = Kept {
            name: channel.name.unwrap_or_default(),
            kind: channel.kind.into(),
            position: channel.position.unwrap_or_default(),
            parent: channel.parent_id,
            overwrites: channel.permission_overwrites.unwrap_or_default(),
        };
        self.channels.insert(channel.id, kept);
    }

    /// Forgets a channel; what becomes of its threads Discord does not say, so they go as well.
    pub(super) fn remove_channel(&mut self, channel: DiscordChannel) {
        self.channels.remove(&channel);
        self.channels.retain(|_, kept| kept.parent != Some(channel) || !thread(kept.kind));
    }

    /// One channel as the projection shows it.
    pub(super) fn channel(&self, channel: DiscordChannel, bot: DiscordUser) -> Option<ChannelView> {
        let holder = self.holder(bot);
        self.channels.get(&channel).map(|kept| kept.view(channel, &holder))
    }

    /// The rows of the channels that can be offered (GU-18), in the order of their ids.
    pub(super) fn seen(&self, bot: DiscordUser) -> Vec<Seen> {
        let holder = self.holder(bot);
        let offered = self.channels.iter().filter(|(_, kept)| offered(kept.kind));
        let seen = offered.map(|(id, kept)| Seen {
            discord: *id,
            name: kept.name.clone(),
            kind: i16::from(kept.kind),
            position: kept.position,
            missing_permissions: holder.missing(&kept.overwrites),
        });
        seen.collect()
    }

    /// All of it, for a build.
    pub(super) fn view(&self, shard: u32, bot: DiscordUser) -> GuildView {
        let holder = self.holder(bot);
        GuildView {
            id: self.id,
            shard,
            card: self.card.clone(),
            roles: self.roles.values().cloned().collect(),
            channels: self.channels.iter().map(|(id, kept)| kept.view(*id, &holder)).collect(),
            emojis: self.emojis.clone(),
            members: self.members.values().cloned().collect(),
        }
    }

    fn holder(&self, bot: DiscordUser) -> Holder {
        let roles = self.members.get(&bot).map(|member| member.roles.clone()).unwrap_or_default();
        let everyone: DiscordRole = self.id.cast();
        let counted = roles.iter().chain([&everyone]).filter_map(|role| self.roles.get(role));
        let mut permissions = counted.fold(0, |bits, role| bits | role.permissions);
        if self.card.owner == bot {
            permissions = u64::MAX;
        }
        Holder { user: bot, guild: self.id, roles, permissions: Permissions::from_bits_truncate(permissions) }
    }
}

impl Kept {
    fn view(&self, id: DiscordChannel, bot: &Holder) -> ChannelView {
        ChannelView {
            id,
            name: self.name.clone(),
            kind: self.kind,
            position: self.position,
            parent: self.parent,
            missing_permissions: bot.missing(&self.overwrites),
        }
    }
}

/// Text, announcement and voice channels can hold announcements.
fn offered(kind: u8) -> bool {
    matches!(ChannelType::from(kind), ChannelType::GuildText | ChannelType::GuildAnnouncement | ChannelType::GuildVoice)
}

fn thread(kind: u8) -> bool {
    ChannelType::from(kind).is_thread()
}

/// A role as the projection shows it.
pub(super) fn role(role: &Role) -> RoleView {
    RoleView {
        id: role.id,
        name: role.name.clone(),
        color: role.colors.primary_color,
        position: role.position,
        managed: role.managed,
        permissions: role.permissions.bits(),
    }
}

/// An emoji as the projection shows it.
pub(super) fn emoji(emoji: &Emoji) -> EmojiView {
    EmojiView { id: emoji.id, name: emoji.name.clone(), animated: emoji.animated }
}

/// A member as the projection shows it.
pub(super) fn member(told: &Member) -> MemberView {
    person(&told.user, told.nick.clone(), told.roles.clone())
}

/// A user in a guild as the projection shows them.
pub(super) fn person(user: &User, nick: Option<String>, roles: Vec<DiscordRole>) -> MemberView {
    MemberView {
        id: user.id,
        username: user.name.clone(),
        global_name: user.global_name.clone(),
        nick,
        avatar: user.avatar.map(|avatar| avatar.to_string()),
        roles,
        bot: user.bot,
    }
}
