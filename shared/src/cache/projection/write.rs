//! Writing: generations that flip at once, changes that are never lost to a build (GU-13), and the shards' beats.
//!
//! A change that answers `Away` may or may not have been written: the guild has to be built again.

use std::fmt::Display;

use fred::types::scripts::Script;
use serde::Serialize;

use super::{ChannelView, EmojiView, GuildCard, GuildView, Kept, MemberView, Projection, RoleView};
use crate::cache::door::{PATIENT, SOON};
use crate::cache::{Away, scripts};
use crate::domain::ids::{DiscordChannel, DiscordGuild, DiscordRole, DiscordUser};

/// Values a round trip; Redis serves nobody else meanwhile.
const CHUNK: usize = 200;
/// A shard without a beat for this long is dead (L-31), in seconds.
const BEAT: u32 = 60;

/// A generation that is being built. Changes written from here on are replayed into it.
#[derive(Debug)]
#[must_use = "a build ends with finish"]
pub struct Build {
    guild: DiscordGuild,
    shard: u32,
    generation: String,
    session: String,
}

/// What became of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// All is as it was.
    Kept,
    /// Redis had forgotten the shard: its guilds have to be built again, then `settled`.
    Lost,
}

impl Projection {
    /// Builds a guild from a complete view that no change can have overtaken.
    ///
    /// # Errors
    /// When Redis is away; readers then see the old generation.
    pub async fn build(&self, view: &GuildView) -> Result<(), Away> {
        let build = self.begin(view.id, view.shard).await?;
        self.finish(build, view).await
    }

    /// Begins a build before its members are asked for, so that no change is lost meanwhile.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn begin(&self, guild: DiscordGuild, shard: u32) -> Result<Build, Away> {
        let answer = self.run(&scripts::BEGIN, vec![guild.to_string(), shard.to_string()]).await?;
        let [_, generation, session] = <[String; 3]>::try_from(answer).map_err(|_| Away("unreadable"))?;
        Ok(Build { guild, shard, generation, session })
    }

    /// Writes the whole generation, replays what changed meanwhile and makes it the current one.
    ///
    /// # Errors
    /// When Redis is away, or a newer build took over.
    pub async fn finish(&self, build: Build, view: &GuildView) -> Result<(), Away> {
        self.fill(&build, "roles", view.roles.iter().map(|role| (role.id, role))).await?;
        self.fill(&build, "channels", view.channels.iter().map(|channel| (channel.id, channel))).await?;
        self.fill(&build, "emojis", view.emojis.iter().map(|emoji| (emoji.id, emoji))).await?;
        self.fill(&build, "members", view.members.iter().map(|member| (member.id, Kept::of(member)))).await?;
        let arguments =
            vec![build.guild.to_string(), build.generation, build.shard.to_string(), build.session, json(&view.card)?];
        let answer = self.run(&scripts::FLIP, arguments).await?;
        accepted(&answer)?;
        if let Some(before) = answer.into_iter().nth(1) {
            let users = self.run(&scripts::USERS, vec![before]).await?;
            self.left(build.guild, "", users).await?;
        }
        Ok(())
    }

    /// A member is new or changed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_member(&self, guild: DiscordGuild, member: &MemberView) -> Result<(), Away> {
        self.delta(guild, "members", member.id, json(&Kept::of(member))?).await
    }

    /// A member is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove_member(&self, guild: DiscordGuild, user: DiscordUser) -> Result<(), Away> {
        self.delta(guild, "members", user, String::new()).await
    }

    /// A role is new or changed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_role(&self, guild: DiscordGuild, role: &RoleView) -> Result<(), Away> {
        self.delta(guild, "roles", role.id, json(role)?).await
    }

    /// A role is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove_role(&self, guild: DiscordGuild, role: DiscordRole) -> Result<(), Away> {
        self.delta(guild, "roles", role, String::new()).await
    }

    /// A channel or thread is new or changed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_channel(&self, guild: DiscordGuild, channel: &ChannelView) -> Result<(), Away> {
        self.delta(guild, "channels", channel.id, json(channel)?).await
    }

    /// A channel or thread is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove_channel(&self, guild: DiscordGuild, channel: DiscordChannel) -> Result<(), Away> {
        self.delta(guild, "channels", channel, String::new()).await
    }

    /// The emojis of a guild are these now.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_emojis(&self, guild: DiscordGuild, emojis: &[EmojiView]) -> Result<(), Away> {
        for gone in self.emojis(guild).await?.iter().filter(|old| emojis.iter().all(|new| new.id != old.id)) {
            self.delta(guild, "emojis", gone.id, String::new()).await?;
        }
        for emoji in emojis {
            self.delta(guild, "emojis", emoji.id, json(emoji)?).await?;
        }
        Ok(())
    }

    /// A guild has another name, icon or owner.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_card(&self, guild: DiscordGuild, card: &GuildCard) -> Result<(), Away> {
        self.delta(guild, "guild", guild, json(card)?).await
    }

    /// The bot is no longer in a guild (GU-03).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn remove_guild(&self, guild: DiscordGuild) -> Result<(), Away> {
        let users = self.run(&scripts::USERS, vec![String::new(), guild.to_string()]).await?;
        self.left(guild, "all", users).await?;
        self.run(&scripts::DROP, vec![guild.to_string()]).await.map(drop)
    }

    /// What is known of a guild cannot be trusted until it is built again (GU-02).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn stale(&self, guild: DiscordGuild) -> Result<(), Away> {
        self.run(&scripts::STALE, vec![guild.to_string()]).await.map(drop)
    }

    /// Which of these guilds cannot be read and have to be built again (GU-14); asked after a beat.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn missing(&self, guilds: &[DiscordGuild]) -> Result<Vec<DiscordGuild>, Away> {
        let gone = self.run(&scripts::MISSING, guilds.iter().map(ToString::to_string).collect()).await?;
        gone.iter().map(|id| id.parse().map_err(|_| Away("unreadable"))).collect()
    }

    /// A shard has a new session (not a resumed one): its guilds are stale until they are built.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn identified(&self, shard: u32) -> Result<(), Away> {
        self.run(&scripts::IDENTIFIED, vec![shard.to_string()]).await.map(drop)
    }

    /// Every guild of a shard was built, or marked stale; only now the guilds of a user are known.
    ///
    /// # Errors
    /// When Redis is away, or has forgotten the shard.
    pub async fn settled(&self, shard: u32) -> Result<(), Away> {
        accepted(&self.run(&scripts::SETTLED, vec![shard.to_string()]).await?)
    }

    /// A shard is alive; every 15 s (L-30).
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn beat(&self, shard: u32, shards: u32) -> Result<Beat, Away> {
        let arguments = vec![shard.to_string(), shards.to_string(), BEAT.to_string()];
        let answer = self.door.script(&scripts::BEAT, self.prefix(), arguments, SOON).await?;
        Ok(if accepted(&answer).is_ok() { Beat::Kept } else { Beat::Lost })
    }

    async fn fill<K: Display, V: Serialize>(
        &self,
        build: &Build,
        kind: &str,
        values: impl Iterator<Item = (K, V)>,
    ) -> Result<(), Away> {
        let head = [build.guild.to_string(), build.generation.clone(), kind.to_owned()];
        let mut arguments = head.to_vec();
        for (id, value) in values {
            arguments.extend([id.to_string(), json(&value)?]);
            if arguments.len() >= head.len() + 2 * CHUNK {
                let full = std::mem::replace(&mut arguments, head.to_vec());
                accepted(&self.run(&scripts::FILL, full).await?)?;
            }
        }
        accepted(&self.run(&scripts::FILL, arguments).await?)
    }

    async fn left(&self, guild: DiscordGuild, which: &str, users: Vec<String>) -> Result<(), Away> {
        for some in users.chunks(CHUNK * 5) {
            let mut arguments = vec![guild.to_string(), which.to_owned()];
            arguments.extend_from_slice(some);
            self.run(&scripts::LEFT, arguments).await?;
        }
        Ok(())
    }

    async fn delta(&self, guild: DiscordGuild, kind: &str, id: impl Display, value: String) -> Result<(), Away> {
        self.run(&scripts::DELTA, vec![guild.to_string(), kind.to_owned(), id.to_string(), value]).await.map(drop)
    }

    async fn run(&self, script: &Script, arguments: Vec<String>) -> Result<Vec<String>, Away> {
        self.door.script(script, self.prefix(), arguments, PATIENT).await
    }
}

fn accepted(answer: &[String]) -> Result<(), Away> {
    match answer.first().map(String::as_str) {
        Some("ok") => Ok(()),
        Some("superseded") => Err(Away("superseded")),
        _ => Err(Away("lost")),
    }
}

fn json(value: &impl Serialize) -> Result<String, Away> {
    serde_json::to_string(value).map_err(|_| Away("unwritable"))
}
