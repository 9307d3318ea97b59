//! Guilds, their channels and roles, as far as the caller may see them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::ids::{ChannelId, GuildId};
use shared::store::guilds::{self, Channel, Guild};
use utoipa::ToSchema;

use crate::Api;
use crate::access::Access;
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuildList {
    guilds: Vec<GuildBasic>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuildBasic {
    #[schema(value_type = Uuid)]
    id: GuildId,
    guild_name: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuildConfig {
    #[serde(flatten)]
    guild: GuildBasic,
    bot_manager_role_ids: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelEntry {
    #[schema(value_type = Uuid)]
    id: ChannelId,
    #[schema(value_type = Uuid)]
    guild_id: GuildId,
    guild_discord_id: String,
    channel_id: String,
    channel_name: String,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleEntry {
    id: String,
    name: String,
    color: u32,
    position: i64,
    managed: bool,
}

impl From<Guild> for GuildBasic {
    fn from(guild: Guild) -> Self {
        Self { id: guild.id, guild_name: guild.name, created_at: guild.created_at, updated_at: guild.updated_at }
    }
}

impl From<Guild> for GuildConfig {
    fn from(guild: Guild) -> Self {
        let roles: Vec<String> = guild.manager_roles.iter().map(ToString::to_string).collect();
        Self { bot_manager_role_ids: Some(roles).filter(|roles| !roles.is_empty()), guild: guild.into() }
    }
}

/// The servers that both the caller and the bot are in.
#[utoipa::path(get, path = "/guilds", responses((status = 200, description = "By name.", body = GuildList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<GuildList>, Problem> {
    let known = api.projection.guilds_of(caller.discord).await?;
    let guilds = guilds::by_discord(&mut api.sql().await?, &known).await?;
    Ok(Json(GuildList { guilds: guilds.into_iter().map(GuildBasic::from).collect() }))
}

/// One server.
#[utoipa::path(get, path = "/guilds/{id}", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The server.", body = GuildBasic)))]
pub(crate) async fn one(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GuildId>,
) -> Result<Json<GuildBasic>, Problem> {
    let (_, guild) = Access::to_guild(&api, &caller, id).await?;
    Ok(Json(guild.into()))
}

/// A server's settings; managers only.
#[utoipa::path(get, path = "/guilds/{id}/config", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The settings.", body = GuildConfig)))]
pub(crate) async fn config(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GuildId>,
) -> Result<Json<GuildConfig>, Problem> {
    let (access, guild) = Access::to_guild(&api, &caller, id).await?;
    access.must_manage()?;
    Ok(Json(guild.into()))
}

/// A server's channels, by name. The bot keeps them current, so `refresh` has nothing to do.
#[utoipa::path(get, path = "/guilds/{id}/channels", params(("id" = Uuid, Path), ("refresh" = Option<bool>, Query)),
    responses((status = 200, description = "The channels.", body = Vec<ChannelEntry>)))]
pub(crate) async fn channels(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GuildId>,
) -> Result<Json<Vec<ChannelEntry>>, Problem> {
    let (access, _) = Access::to_guild(&api, &caller, id).await?;
    let channels = guilds::channels(&mut api.sql().await?, id).await?;
    let entry = |channel: Channel| ChannelEntry {
        id: channel.id,
        guild_id: channel.guild,
        guild_discord_id: access.discord.to_string(),
        channel_id: channel.discord.to_string(),
        channel_name: channel.name,
        is_active: channel.is_active,
        created_at: channel.created_at,
        updated_at: channel.updated_at,
    };
    Ok(Json(channels.into_iter().map(entry).collect()))
}

/// A server's roles, by name, without those that belong to bots.
#[utoipa::path(get, path = "/guilds/{id}/roles", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The roles.", body = Vec<RoleEntry>)))]
pub(crate) async fn roles(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GuildId>,
) -> Result<Json<Vec<RoleEntry>>, Problem> {
    let (access, _) = Access::to_guild(&api, &caller, id).await?;
    let roles = api.projection.roles(access.discord).await?;
    let mut roles: Vec<RoleEntry> = roles
        .into_iter()
        .filter(|role| !role.managed)
        .map(|role| RoleEntry {
            id: role.id.to_string(),
            name: if role.name.starts_with('@') { role.name } else { format!("@{}", role.name) },
            color: role.color,
            position: role.position,
            managed: role.managed,
        })
        .collect();
    roles.sort_by_cached_key(|role| (role.name.to_lowercase(), role.id.clone()));
    Ok(Json(roles))
}
