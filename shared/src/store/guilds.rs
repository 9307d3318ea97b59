//! Guilds and their channels, as the gateway last told them.

use chrono::{DateTime, Utc};

use super::{Sql, discord_id, snowflake, snowflakes};
use crate::domain::ids::{ChannelId, DiscordChannel, DiscordGuild, DiscordRole, GuildId};
use crate::error::Result;

/// A guild as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of guilds, by their own names")]
pub struct Guild {
    pub id: GuildId,
    pub discord: DiscordGuild,
    pub name: String,
    pub present: bool,
    pub manager_roles: Vec<DiscordRole>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A channel as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of channels, by their own names")]
pub struct Channel {
    pub id: ChannelId,
    pub guild: GuildId,
    pub discord: DiscordChannel,
    pub name: String,
    pub position: i32,
    pub is_active: bool,
    pub missing_permissions: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A channel as the gateway tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Discord's channel, by their own names")]
pub struct Seen {
    pub discord: DiscordChannel,
    pub name: String,
    pub kind: i16,
    pub position: i32,
    pub missing_permissions: Vec<String>,
}

/// Makes or refreshes a guild's row and says that the bot is in it (GU-01).
///
/// # Errors
/// When the database is away.
pub async fn arrive(sql: &mut Sql, guild: DiscordGuild, name: &str, now: DateTime<Utc>) -> Result<GuildId> {
    let id = sqlx::query_scalar!(
        "/* INSERT guilds */ insert into guilds (id, discord_id, name, present, created_at, updated_at)
         values ($1, $2, $3, true, $4, $4)
         on conflict (discord_id) do update set name = excluded.name, present = true, updated_at = excluded.updated_at
         returning id",
        GuildId::new().0,
        discord_id(guild),
        name,
        now,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(GuildId(id))
}

/// The bot was removed (GU-03).
///
/// # Errors
/// When the database is away.
pub async fn depart(sql: &mut Sql, guild: DiscordGuild, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "/* UPDATE guilds */ update guilds set present = false, updated_at = $2 where discord_id = $1",
        discord_id(guild),
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Makes the rows of a guild's channels what the gateway said: all that are not named become inactive.
///
/// # Errors
/// When the database is away.
pub async fn put_channels(sql: &mut Sql, guild: GuildId, channels: &[Seen], now: DateTime<Utc>) -> Result<()> {
    let named: Vec<_> = channels.iter().map(|channel| discord_id(channel.discord)).collect();
    for channel in channels {
        put_channel(&mut *sql, guild, channel, now).await?;
    }
    sqlx::query!(
        "/* UPDATE channels */ update channels set is_active = false, updated_at = $3
         where guild_id = $1 and is_active and discord_id <> all($2)",
        guild.0,
        &named,
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Makes or refreshes one channel's row (GU-05).
///
/// # Errors
/// When the database is away.
pub async fn put_channel(sql: &mut Sql, guild: GuildId, channel: &Seen, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "/* INSERT channels */ insert into channels
           (id, guild_id, discord_id, name, kind, position, missing_permissions, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         on conflict (discord_id) do update
           set name = excluded.name, kind = excluded.kind, position = excluded.position, is_active = true,
               missing_permissions = excluded.missing_permissions, updated_at = excluded.updated_at",
        ChannelId::new().0,
        guild.0,
        discord_id(channel.discord),
        channel.name,
        channel.kind,
        channel.position,
        &channel.missing_permissions,
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// A channel was deleted in Discord (GU-05).
///
/// # Errors
/// When the database is away.
pub async fn drop_channel(sql: &mut Sql, channel: DiscordChannel, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "/* UPDATE channels */ update channels set is_active = false, updated_at = $2 where discord_id = $1",
        discord_id(channel),
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// One guild; one that the bot left counts as absent.
///
/// # Errors
/// When the database is away.
pub async fn by_id(sql: &mut Sql, guild: GuildId) -> Result<Option<Guild>> {
    let row = sqlx::query_as!(
        GuildRow,
        "/* SELECT guilds */ select id, discord_id, name, present, bot_manager_role_ids, created_at, updated_at
         from guilds where id = $1 and present",
        guild.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(row.map(Guild::try_from).transpose()?)
}

/// The guilds with these Discord ids that the bot is in, by name.
///
/// # Errors
/// When the database is away.
pub async fn by_discord(sql: &mut Sql, guilds: &[DiscordGuild]) -> Result<Vec<Guild>> {
    let rows = sqlx::query_as!(
        GuildRow,
        "/* SELECT guilds */ select id, discord_id, name, present, bot_manager_role_ids, created_at, updated_at
         from guilds where discord_id = any($1) and present order by name, id",
        &super::discord_ids(guilds),
    )
    .fetch_all(&mut *sql)
    .await?;
    Ok(rows.into_iter().map(Guild::try_from).collect::<anyhow::Result<_>>()?)
}

/// The Discord id of an active channel.
///
/// # Errors
/// When the database is away.
pub async fn channel(sql: &mut Sql, channel: ChannelId) -> Result<Option<DiscordChannel>> {
    let id = sqlx::query_scalar!(
        "/* SELECT channels */ select discord_id from channels where id = $1 and is_active",
        channel.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(id.map(snowflake).transpose()?)
}

/// The row of a channel of this guild, by its Discord id.
///
/// # Errors
/// When the database is away.
pub async fn channel_of(sql: &mut Sql, guild: GuildId, channel: DiscordChannel) -> Result<Option<ChannelId>> {
    let id = sqlx::query_scalar!(
        "/* SELECT channels */ select id from channels where guild_id = $1 and discord_id = $2",
        guild.0,
        discord_id(channel),
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(id.map(ChannelId))
}

/// The active channels of a guild, by name.
///
/// # Errors
/// When the database is away.
pub async fn channels(sql: &mut Sql, guild: GuildId) -> Result<Vec<Channel>> {
    let rows = sqlx::query!(
        "/* SELECT channels */ select id, guild_id, discord_id, name, position, is_active, missing_permissions,
           created_at, updated_at
         from channels where guild_id = $1 and is_active order by name, id",
        guild.0,
    )
    .fetch_all(&mut *sql)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Channel {
                id: ChannelId(row.id),
                guild: GuildId(row.guild_id),
                discord: snowflake(row.discord_id)?,
                name: row.name,
                position: row.position,
                is_active: row.is_active,
                missing_permissions: row.missing_permissions,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}

struct GuildRow {
    id: uuid::Uuid,
    discord_id: i64,
    name: String,
    present: bool,
    bot_manager_role_ids: Option<Vec<i64>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<GuildRow> for Guild {
    type Error = anyhow::Error;

    fn try_from(row: GuildRow) -> anyhow::Result<Self> {
        Ok(Self {
            id: GuildId(row.id),
            discord: snowflake(row.discord_id)?,
            name: row.name,
            present: row.present,
            manager_roles: snowflakes(&row.bot_manager_role_ids.unwrap_or_default())?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
