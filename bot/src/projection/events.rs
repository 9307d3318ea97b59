//! What each gateway event changes: first in memory, then where it is read.

use futures_util::future::BoxFuture;
use shared::cache::Away;
use shared::cache::projection::MemberView;
use shared::domain::ids::{DiscordChannel, DiscordGuild, DiscordRole, DiscordUser};
use tracing::info;
use twilight_gateway::Event;
use twilight_model::channel::Channel;
use twilight_model::gateway::payload::incoming::{GuildCreate, GuildEmojisUpdate, MemberChunk, Ready};
use twilight_model::gateway::payload::outgoing::RequestGuildMembers;
use twilight_model::guild::{PartialGuild, Role};

use super::Keeper;
use super::guild::{Guild, emoji, member, person, role};

impl Keeper {
    /// Whether an event is for the keeper of guilds.
    pub(crate) fn wants(event: &Event) -> bool {
        matches!(
            event,
            Event::Ready(_)
                | Event::GuildCreate(_)
                | Event::GuildUpdate(_)
                | Event::GuildDelete(_)
                | Event::UnavailableGuild(_)
                | Event::GuildEmojisUpdate(_)
                | Event::MemberChunk(_)
                | Event::MemberAdd(_)
                | Event::MemberUpdate(_)
                | Event::MemberRemove(_)
                | Event::RoleCreate(_)
                | Event::RoleUpdate(_)
                | Event::RoleDelete(_)
                | Event::ChannelCreate(_)
                | Event::ChannelUpdate(_)
                | Event::ChannelDelete(_)
                | Event::ThreadCreate(_)
                | Event::ThreadUpdate(_)
                | Event::ThreadDelete(_)
        )
    }

    /// Each change is boxed: together, in one frame, they would not fit on a thread's stack.
    pub(super) fn apply(&mut self, event: Event) -> BoxFuture<'_, ()> {
        match event {
            Event::Ready(ready) => Box::pin(self.ready(ready)),
            Event::GuildCreate(guild) => match *guild {
                GuildCreate::Available(guild) => Box::pin(self.arrived(Guild::of(guild))),
                GuildCreate::Unavailable(guild) => Box::pin(self.unavailable(guild.id)),
            },
            Event::UnavailableGuild(guild) => Box::pin(self.unavailable(guild.id)),
            Event::GuildDelete(guild) if guild.unavailable == Some(true) => Box::pin(self.unavailable(guild.id)),
            Event::GuildDelete(guild) => Box::pin(self.left(guild.id)),
            Event::GuildUpdate(told) => Box::pin(self.renamed(told.0)),
            Event::GuildEmojisUpdate(told) => Box::pin(self.put_emojis(told)),
            Event::MemberChunk(chunk) => Box::pin(self.chunk(chunk)),
            Event::MemberAdd(told) => Box::pin(self.put_member(told.guild_id, member(&told.member))),
            Event::MemberUpdate(told) => {
                Box::pin(self.put_member(told.guild_id, person(&told.user, told.nick, told.roles)))
            }
            Event::MemberRemove(told) => Box::pin(self.remove_member(told.guild_id, told.user.id)),
            Event::RoleCreate(told) => Box::pin(self.put_role(told.guild_id, told.role)),
            Event::RoleUpdate(told) => Box::pin(self.put_role(told.guild_id, told.role)),
            Event::RoleDelete(told) => Box::pin(self.remove_role(told.guild_id, told.role_id)),
            Event::ChannelCreate(told) => Box::pin(self.put_channel(told.0)),
            Event::ChannelUpdate(told) => Box::pin(self.put_channel(told.0)),
            Event::ThreadCreate(told) => Box::pin(self.put_channel(told.0)),
            Event::ThreadUpdate(told) => Box::pin(self.put_channel(told.0)),
            Event::ChannelDelete(told) => Box::pin(self.remove_channel(told.0.guild_id, told.0.id)),
            Event::ThreadDelete(told) => Box::pin(self.remove_channel(Some(told.guild_id), told.id)),
            _ => Box::pin(std::future::ready(())),
        }
    }

    /// A new session: what Redis knows is stale until every guild came again (GU-08).
    async fn ready(&mut self, ready: Ready) {
        self.me = Some(ready.user.id);
        self.guilds.clear();
        self.since = std::time::Instant::now();
        self.expected = ready.guilds.iter().map(|guild| guild.id).collect();
        (self.unidentified, self.unsettled) = (true, true);
        // Away: tried again with the first guild.
        let _ = self.identify().await;
        // The first beat is not waited for: without one, readers take nothing as fresh.
        let _ = self.projection.beat(self.shard, self.shards).await;
        self.settle_shard().await;
    }

    async fn left(&mut self, id: DiscordGuild) {
        self.guilds.remove(&id);
        info!(gamesched.guild.id = %id, "left guild {id}");
        self.depart(id).await;
    }

    async fn put_emojis(&mut self, told: GuildEmojisUpdate) {
        let Some(guild) = self.guilds.get_mut(&told.guild_id) else { return };
        guild.emojis = told.emojis.iter().map(emoji).collect();
        let written = self.projection.put_emojis(told.guild_id, &guild.emojis).await;
        self.written(told.guild_id, written);
    }

    async fn arrived(&mut self, guild: Guild) {
        let id = guild.id;
        self.expected.remove(&id);
        self.gone.remove(&id);
        if guild.incomplete {
            let ask = RequestGuildMembers::builder(id).query("", None);
            // A closed shard starts a new session, and the guild comes again.
            let _ = self.sender.command(&ask);
        }
        self.guilds.insert(id, guild);
        self.settle(id).await;
    }

    async fn unavailable(&mut self, id: DiscordGuild) {
        self.expected.remove(&id);
        self.guilds.remove(&id);
        // Away: no reader trusts what it cannot read, and a lost Redis holds nothing.
        if self.projection.stale(id).await.is_err() {
            self.unwritten();
        }
        self.settle_shard().await;
    }

    async fn renamed(&mut self, told: PartialGuild) {
        let Some(guild) = self.guilds.get_mut(&told.id) else { return };
        guild.update(&told);
        let card = guild.card.clone();
        let written = self.projection.put_card(told.id, &card).await;
        self.written(told.id, written);
        self.settle(told.id).await;
    }

    async fn chunk(&mut self, chunk: MemberChunk) {
        let Some(guild) = self.guilds.get_mut(&chunk.guild_id) else { return };
        guild.members.extend(chunk.members.iter().map(member).map(|member| (member.id, member)));
        if chunk.chunk_index + 1 == chunk.chunk_count {
            guild.incomplete = false;
            self.settle(chunk.guild_id).await;
        }
    }

    async fn put_member(&mut self, id: DiscordGuild, member: MemberView) {
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        guild.members.insert(member.id, member.clone());
        let written = self.projection.put_member(id, &member).await;
        self.written(id, written);
        if Some(member.id) == self.me {
            self.rights_changed(id).await;
        }
    }

    async fn remove_member(&mut self, id: DiscordGuild, user: DiscordUser) {
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        guild.members.remove(&user);
        let written = self.projection.remove_member(id, user).await;
        self.written(id, written);
    }

    async fn put_role(&mut self, id: DiscordGuild, told: Role) {
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        let role = role(&told);
        guild.roles.insert(role.id, role.clone());
        let written = self.projection.put_role(id, &role).await;
        self.written(id, written);
        self.rights_changed(id).await;
    }

    async fn remove_role(&mut self, id: DiscordGuild, role: DiscordRole) {
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        guild.roles.remove(&role);
        for member in guild.members.values_mut() {
            member.roles.retain(|held| *held != role);
        }
        let written = self.projection.remove_role(id, role).await;
        self.written(id, written);
        self.rights_changed(id).await;
    }

    async fn put_channel(&mut self, channel: Channel) {
        let (Some(id), Some(me)) = (channel.guild_id, self.me) else { return };
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        let channel_id = channel.id;
        guild.put_channel(channel);
        if let Some(view) = guild.channel(channel_id, me) {
            let written = self.projection.put_channel(id, &view).await;
            self.written(id, written);
        }
        self.settle(id).await;
    }

    async fn remove_channel(&mut self, guild: Option<DiscordGuild>, channel: DiscordChannel) {
        let Some(id) = guild else { return };
        let Some(guild) = self.guilds.get_mut(&id) else { return };
        guild.remove_channel(channel);
        let written = self.projection.remove_channel(id, channel).await;
        self.written(id, written);
        self.settle(id).await;
    }

    /// What the bot may do may have changed in every channel: if it did, rows and projection follow.
    async fn rights_changed(&mut self, id: DiscordGuild) {
        let (Some(me), Some(guild)) = (self.me, self.guilds.get_mut(&id)) else { return };
        let seen = guild.seen(me);
        if guild.stored.as_ref() != Some(&seen) {
            guild.unbuilt = true;
            self.settle(id).await;
        }
    }

    /// A change that may not have been written is written with all the rest.
    fn written(&mut self, id: DiscordGuild, written: Result<(), Away>) {
        if let (Err(_away), Some(guild)) = (written, self.guilds.get_mut(&id)) {
            guild.unbuilt = true;
            self.unwritten();
        }
    }
}
