//! Reading: one round trip a question. Stale or unreadable is away - never a refusal, never an empty list (GU-15).

use std::collections::HashMap;

use fred::types::scripts::Script;
use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundCounter;
use serde::de::DeserializeOwned;

use super::{ChannelView, EmojiView, GuildCard, Kept, MemberView, Projection, RoleView, searched};
use crate::cache::door::SOON;
use crate::cache::{Away, scripts};
use crate::domain::ids::{DiscordGuild, DiscordUser};
use crate::telemetry::instruments;
use crate::telemetry::instruments::series::Series;

/// A reader that meets a missing key looks again so many times.
const LOOKS: usize = 3;
/// Discord's permission that holds all others.
const ADMINISTRATOR: u64 = 1 << 3;

/// What a member may do in a guild.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Who it is.
    pub member: MemberView,
    /// Whether the guild is theirs.
    pub owner: bool,
    /// Discord's permission bits of all their roles; every bit for the owner and for administrators.
    pub permissions: u64,
}

/// Members by who they are.
pub type Members = HashMap<DiscordUser, MemberView>;

impl Projection {
    /// What a user may do in a guild; `None` when they are no member of it.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn standing(&self, guild: DiscordGuild, user: DiscordUser) -> Result<Option<Standing>, Away> {
        Ok(self.standing_among(guild, user, &[]).await?.map(|(standing, _)| standing))
    }

    /// The same, and those of the `others` who are members.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn standing_among(
        &self,
        guild: DiscordGuild,
        user: DiscordUser,
        others: &[DiscordUser],
    ) -> Result<Option<(Standing, Members)>, Away> {
        let mut arguments = vec![guild.to_string(), user.to_string()];
        arguments.extend(others.iter().map(ToString::to_string));
        let answer = self.read(&scripts::STANDING, guild, arguments).await?;
        let Some((member, rest)) = answer.values.split_first() else { return Ok(None) };
        // No value is empty but the one between the roles and the others.
        let (roles, others) = rest.split_at(rest.iter().take_while(|value| !value.is_empty()).count());
        let kept: Kept = self.decode(guild, member).await?;
        let owner = answer.card(self, guild).await?.owner == user;
        let mut permissions = if owner { u64::MAX } else { 0 };
        for role in roles {
            permissions |= self.decode::<RoleView>(guild, role).await?.permissions;
        }
        if permissions & ADMINISTRATOR != 0 {
            permissions = u64::MAX;
        }
        let others = self.decode_members(guild, others.get(1..).unwrap_or_default()).await?;
        let others = others.into_iter().map(|member| (member.id, member)).collect();
        Ok(Some((Standing { member: kept.member, owner, permissions }, others)))
    }

    /// What a guild says of itself.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn guild(&self, guild: DiscordGuild) -> Result<GuildCard, Away> {
        let answer = self.read(&scripts::VALUES, guild, vec![guild.to_string(), String::new()]).await?;
        answer.card(self, guild).await
    }

    /// The roles of a guild, highest first.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn roles(&self, guild: DiscordGuild) -> Result<Vec<RoleView>, Away> {
        let mut roles: Vec<RoleView> = self.values(guild, "roles").await?;
        roles.sort_by_key(|role| (std::cmp::Reverse(role.position), role.id));
        Ok(roles)
    }

    /// The channels, categories and threads of a guild, by position.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn channels(&self, guild: DiscordGuild) -> Result<Vec<ChannelView>, Away> {
        let mut channels: Vec<ChannelView> = self.values(guild, "channels").await?;
        channels.sort_by_key(|channel| (channel.position, channel.id));
        Ok(channels)
    }

    /// The emojis of a guild.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn emojis(&self, guild: DiscordGuild) -> Result<Vec<EmojiView>, Away> {
        let mut emojis: Vec<EmojiView> = self.values(guild, "emojis").await?;
        emojis.sort_by_key(|emoji| emoji.id);
        Ok(emojis)
    }

    /// Those of the users who are members, in one batch; who is not is not in the answer.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn names(&self, guild: DiscordGuild, users: &[DiscordUser]) -> Result<Members, Away> {
        let mut arguments = vec![guild.to_string()];
        arguments.extend(users.iter().map(ToString::to_string));
        let members = self.members(&scripts::NAMES, guild, arguments).await?;
        Ok(members.into_iter().map(|member| (member.id, member)).collect())
    }

    /// Members one of whose names begins so, in any case of letters.
    ///
    /// # Errors
    /// When Redis is away, or the guild is stale.
    pub async fn search(&self, guild: DiscordGuild, prefix: &str, most: usize) -> Result<Vec<MemberView>, Away> {
        let arguments = vec![guild.to_string(), searched(prefix), most.to_string()];
        self.members(&scripts::SEARCH, guild, arguments).await
    }

    /// The guilds that both the user and the bot are in.
    ///
    /// # Errors
    /// When Redis is away, a shard is, or one of the user's guilds is stale.
    pub async fn guilds_of(&self, user: DiscordUser) -> Result<Vec<DiscordGuild>, Away> {
        let answer = self.ask(&scripts::GUILDS, vec![user.to_string()]).await?;
        let ids = answer.values.iter().map(|id| id.parse().map_err(|_| Away("unreadable")));
        let mut ids = ids.collect::<Result<Vec<DiscordGuild>, Away>>()?;
        ids.sort();
        Ok(ids)
    }

    async fn values<T: DeserializeOwned>(&self, guild: DiscordGuild, kind: &str) -> Result<Vec<T>, Away> {
        let answer = self.read(&scripts::VALUES, guild, vec![guild.to_string(), kind.to_owned()]).await?;
        let mut values = Vec::with_capacity(answer.values.len());
        for text in &answer.values {
            values.push(self.decode(guild, text).await?);
        }
        Ok(values)
    }

    async fn members(
        &self,
        script: &Script,
        guild: DiscordGuild,
        arguments: Vec<String>,
    ) -> Result<Vec<MemberView>, Away> {
        let answer = self.read(script, guild, arguments).await?;
        self.decode_members(guild, &answer.values).await
    }

    async fn decode_members(&self, guild: DiscordGuild, texts: &[String]) -> Result<Vec<MemberView>, Away> {
        let mut members = Vec::with_capacity(texts.len());
        for text in texts {
            members.push(self.decode::<Kept>(guild, text).await?.member);
        }
        Ok(members)
    }

    async fn read(&self, script: &Script, guild: DiscordGuild, arguments: Vec<String>) -> Result<Answer, Away> {
        let answer = self.ask(script, arguments).await;
        if answer.as_ref().is_err_and(|away| *away == Away("unreadable")) {
            self.stale(guild).await?;
        }
        answer
    }

    async fn ask(&self, script: &Script, arguments: Vec<String>) -> Result<Answer, Away> {
        for _ in 0..=LOOKS {
            let mut texts = self.door.script(script, self.prefix(), arguments.clone(), SOON).await?.into_iter();
            match texts.next().as_deref() {
                Some("ok") => {
                    count("hit");
                    return Ok(Answer { card: texts.next().unwrap_or_default(), values: texts.collect() });
                }
                Some("missing") => {}
                Some("stale" | "old") => {
                    count("stale");
                    return Err(Away("stale"));
                }
                _ => return Err(Away("unreadable")),
            }
        }
        count("miss");
        Err(Away("missing"))
    }

    /// Decodes strictly; what cannot be read makes the guild stale, so that the bot builds it again.
    async fn decode<T: DeserializeOwned>(&self, guild: DiscordGuild, text: &str) -> Result<T, Away> {
        match serde_json::from_str(text) {
            Ok(value) => Ok(value),
            Err(_) => {
                self.stale(guild).await?;
                Err(Away("unreadable"))
            }
        }
    }
}

/// What a script found: the guild's card, and the values that were asked for.
struct Answer {
    card: String,
    values: Vec<String>,
}

impl Answer {
    async fn card(&self, projection: &Projection, guild: DiscordGuild) -> Result<GuildCard, Away> {
        projection.decode(guild, &self.card).await
    }
}

fn count(outcome: &'static str) {
    static READS: Series<&str, BoundCounter<u64>> = Series::new();
    let bind = || instruments::get().projection_reads.bind(&[KeyValue::new("gamesched.outcome", outcome)]);
    READS.get(outcome, bind).add(1);
}
