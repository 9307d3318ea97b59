//! Templates that the caller may host with.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::domain::form::Template;
use shared::domain::ids::{ChannelId, DiscordRole, GuildId, TemplateId};
use shared::domain::permission::may_host;
use shared::error::Refusal;
use shared::store::{guilds, templates};
use utoipa::ToSchema;

use crate::Api;
use crate::access::Access;
use crate::extract::Id;
use crate::problem::Problem;
use crate::session::Caller;

/// Shown for a channel that is gone.
const UNKNOWN: &str = "Unknown Channel";

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TemplateEntry {
    #[schema(value_type = Uuid)]
    id: TemplateId,
    name: String,
    description: Option<String>,
    is_default: bool,
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    channel_name: String,
    archive_delay_seconds: Option<i32>,
    #[schema(value_type = Option<Uuid>)]
    archive_channel_id: Option<ChannelId>,
    archive_channel_name: Option<String>,
    notify_role_ids: Option<Vec<String>>,
    allowed_player_role_ids: Option<Vec<String>>,
    allowed_host_role_ids: Option<Vec<String>>,
    signup_priority_role_ids: Option<Vec<String>>,
    max_players: Option<i32>,
    min_players: Option<i32>,
    expected_duration_minutes: Option<i32>,
    reminder_minutes: Option<Vec<i32>>,
    #[serde(rename = "where")]
    location: Option<String>,
    signup_instructions: Option<String>,
    remind_host_rewards: bool,
    allowed_signup_methods: Option<Vec<&'static str>>,
    default_signup_method: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TemplateDetail {
    #[serde(flatten)]
    entry: TemplateEntry,
    #[schema(value_type = Uuid)]
    guild_id: GuildId,
    order: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

type Names = HashMap<ChannelId, String>;

fn entry(template: Template, names: &Names) -> TemplateEntry {
    let name = |channel: &ChannelId| names.get(channel).cloned().unwrap_or_else(|| UNKNOWN.to_owned());
    TemplateEntry {
        id: template.id,
        channel_name: name(&template.channel),
        archive_channel_name: template.archive_channel.as_ref().map(name),
        name: template.name,
        description: template.description,
        is_default: template.is_default,
        channel_id: template.channel,
        archive_delay_seconds: template.archive_delay_seconds,
        archive_channel_id: template.archive_channel,
        notify_role_ids: roles(&template.notify_roles),
        allowed_player_role_ids: roles(&template.player_roles),
        allowed_host_role_ids: roles(&template.host_roles),
        signup_priority_role_ids: roles(&template.priority_roles),
        max_players: template.max_players,
        min_players: template.min_players,
        expected_duration_minutes: template.expected_duration_minutes,
        reminder_minutes: template.reminder_minutes,
        location: template.location,
        signup_instructions: template.signup_instructions,
        remind_host_rewards: template.remind_host_rewards,
        allowed_signup_methods: some(template.allowed_methods.iter().map(|method| method.as_str()).collect()),
        default_signup_method: template.default_method.map(|method| method.as_str()),
    }
}

/// No list at all where it would be empty: the client reads an empty one as "nothing is allowed".
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn roles(roles: &[DiscordRole]) -> Option<Vec<String>> {
    some(roles.iter().map(ToString::to_string).collect())
}

async fn names(api: &Api, guild: GuildId) -> Result<Names, Problem> {
    let channels = guilds::channels(&mut api.sql().await?, guild).await?;
    Ok(channels.into_iter().map(|channel| (channel.id, channel.name)).collect())
}

/// The templates that the caller may host with, the default first; a manager sees all.
#[utoipa::path(get, path = "/guilds/{id}/templates", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The templates.", body = Vec<TemplateEntry>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GuildId>,
) -> Result<Json<Vec<TemplateEntry>>, Problem> {
    let (access, _) = Access::to_guild(&api, &caller, id).await?;
    let mut usable = templates::of(&mut api.sql().await?, id).await?;
    usable.retain(|template| may_host(&template.host_roles, access.member.roles(), access.manager));
    if usable.is_empty() && !access.manager {
        return Err(Refusal::Forbidden { need: "host games on this server" }.into());
    }
    let names = names(&api, id).await?;
    Ok(Json(usable.into_iter().map(|template| entry(template, &names)).collect()))
}

/// One template.
#[utoipa::path(get, path = "/templates/{id}", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The template.", body = TemplateDetail)))]
pub(crate) async fn one(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<TemplateId>,
) -> Result<Json<TemplateDetail>, Problem> {
    let template = templates::by_id(&mut api.sql().await?, id).await?.ok_or(Refusal::NotFound)?;
    Access::to_guild(&api, &caller, template.guild).await?;
    let dates = templates::dates(&mut api.sql().await?, id).await?;
    let (created_at, updated_at) = dates.ok_or(Refusal::NotFound)?;
    let names = names(&api, template.guild).await?;
    let (guild_id, order) = (template.guild, template.sort_order);
    Ok(Json(TemplateDetail { entry: entry(template, &names), guild_id, order, created_at, updated_at }))
}
