//! Templates: what a guild's managers prepared.

use chrono::{DateTime, Utc};

use super::{Sql, snowflakes};
use crate::domain::form::Template;
use crate::domain::ids::{ChannelId, GuildId, TemplateId};
use crate::error::Result;

macro_rules! template {
    ($row:ident) => {
        Template {
            id: TemplateId($row.id),
            guild: GuildId($row.guild_id),
            name: $row.name,
            description: $row.description,
            sort_order: $row.sort_order,
            is_default: $row.is_default,
            channel: ChannelId($row.channel_id),
            archive_channel: $row.archive_channel_id.map(ChannelId),
            archive_delay_seconds: $row.archive_delay_seconds,
            notify_roles: snowflakes(&$row.notify_role_ids)?,
            player_roles: snowflakes(&$row.allowed_player_role_ids)?,
            host_roles: snowflakes(&$row.allowed_host_role_ids)?,
            priority_roles: snowflakes(&$row.signup_priority_role_ids)?,
            allowed_methods: $row
                .allowed_signup_methods
                .iter()
                .map(|method| method.parse())
                .collect::<Result<_, _>>()?,
            default_method: $row.default_signup_method.map(|method| method.parse()).transpose()?,
            max_players: $row.max_players,
            min_players: $row.min_players,
            expected_duration_minutes: $row.expected_duration_minutes,
            reminder_minutes: $row.reminder_minutes,
            location: $row.location,
            signup_instructions: $row.signup_instructions,
            remind_host_rewards: $row.remind_host_rewards,
            version: $row.version,
        }
    };
}

/// One template.
///
/// # Errors
/// When the database is away.
pub async fn by_id(sql: &mut Sql, template: TemplateId) -> Result<Option<Template>> {
    let row = sqlx::query!(
        "/* SELECT templates */ select id, guild_id, name, description, sort_order, is_default, channel_id,
           archive_channel_id, archive_delay_seconds, notify_role_ids, allowed_player_role_ids, allowed_host_role_ids,
           signup_priority_role_ids, allowed_signup_methods, default_signup_method, max_players, min_players,
           expected_duration_minutes, reminder_minutes, location, signup_instructions, remind_host_rewards, version
         from templates where id = $1",
        template.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(template!(row)))
}

/// The templates of a guild: the default first, then by order and name (TE-12).
///
/// # Errors
/// When the database is away.
pub async fn of(sql: &mut Sql, guild: GuildId) -> Result<Vec<Template>> {
    let rows = sqlx::query!(
        "/* SELECT templates */ select id, guild_id, name, description, sort_order, is_default, channel_id,
           archive_channel_id, archive_delay_seconds, notify_role_ids, allowed_player_role_ids, allowed_host_role_ids,
           signup_priority_role_ids, allowed_signup_methods, default_signup_method, max_players, min_players,
           expected_duration_minutes, reminder_minutes, location, signup_instructions, remind_host_rewards, version
         from templates where guild_id = $1 order by is_default desc, sort_order, name, id",
        guild.0,
    )
    .fetch_all(&mut *sql)
    .await?;
    let mut templates = Vec::with_capacity(rows.len());
    for row in rows {
        templates.push(template!(row));
    }
    Ok(templates)
}

/// Gives a guild without templates its "Default", bound to the first usable text channel (GU-19). Nothing happens
/// when there is one already, or no such channel yet; two bots at once make one.
///
/// # Errors
/// When the database is away.
pub async fn ensure_default(sql: &mut Sql, guild: GuildId, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "/* INSERT templates */ insert into templates (id, guild_id, name, is_default, channel_id, created_at, updated_at)
         select $1, $2, 'Default', true, c.id, $3, $3
         from channels c
         where c.guild_id = $2 and c.is_active and c.kind = 0 and c.missing_permissions = '{}'
           and not exists (select from templates t where t.guild_id = $2)
         order by c.position, c.discord_id limit 1
         on conflict do nothing",
        TemplateId::new().0,
        guild.0,
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// When a template was made and last changed.
///
/// # Errors
/// When the database is away.
pub async fn dates(sql: &mut Sql, template: TemplateId) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let row =
        sqlx::query!("/* SELECT templates */ select created_at, updated_at from templates where id = $1", template.0)
            .fetch_optional(&mut *sql)
            .await?;
    Ok(row.map(|row| (row.created_at, row.updated_at)))
}
