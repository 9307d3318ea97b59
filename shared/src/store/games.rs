//! Games: lock and change one, view some, find those a caller may see.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::people::Person;
use super::rosters::{Flags, Numbers, Rows, Texts, Uuids, column};
use super::{Sql, discord_ids, snowflake, snowflakes};
use crate::domain::game::{Game, Status};
use crate::domain::ids::{
    ChannelId, DiscordChannel, DiscordGuild, DiscordMessage, DiscordRole, GameId, GuildId, ImageId, TemplateId, UserId,
};
use crate::domain::roster::{Roster, Row};
use crate::error::Result;

/// A game and all that people see of it.
#[derive(Clone, Debug)]
pub struct GameView {
    /// The game.
    pub game: Game,
    /// Its server in Discord.
    pub guild_discord: DiscordGuild,
    /// The server's name.
    pub guild_name: String,
    /// Whether the bot is in it.
    pub guild_present: bool,
    /// Roles whose members manage its games.
    pub guild_managers: Vec<DiscordRole>,
    /// The channel of its announcement.
    pub channel_discord: DiscordChannel,
    /// The channel's name.
    pub channel_name: String,
    /// The announcement, once posted.
    pub message: Option<DiscordMessage>,
    /// Who runs it.
    pub host: Person,
    /// The roster in order, each row with its person unless it is a placeholder.
    pub rows: Vec<(Row, Option<Person>)>,
}

impl GameView {
    /// The roster without names.
    #[must_use]
    pub fn roster(&self) -> Roster {
        let rows = self.rows.iter().map(|(row, _)| row.clone()).collect();
        Roster::new(self.game.signup_method, self.game.max_players, rows)
    }
}

/// Which games a list shows, and what its reader may see (LS-01, LS-02).
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Who reads.
    pub reader: Option<UserId>,
    /// The guilds that the reader is in, narrowed by the request.
    pub guilds: Vec<GuildId>,
    /// Those of them that the reader manages.
    pub managed: Vec<GuildId>,
    /// All roles that the reader holds anywhere.
    pub roles: Vec<DiscordRole>,
    /// Only this channel.
    pub channel: Option<ChannelId>,
    /// Only these states; empty: all.
    pub statuses: Vec<Status>,
    /// Only games that the reader hosts.
    pub hosting: bool,
    /// Only games whose roster has the reader.
    pub joined: bool,
    /// Page size.
    pub limit: i64,
    /// Games to skip.
    pub offset: i64,
}

macro_rules! game {
    ($row:ident) => {
        Game {
            id: GameId($row.id),
            guild: GuildId($row.guild_id),
            channel: ChannelId($row.channel_id),
            template: $row.template_id.map(TemplateId),
            host: UserId($row.host_id),
            title: $row.title,
            description: $row.description,
            location: $row.location,
            signup_instructions: $row.signup_instructions,
            scheduled_at: $row.scheduled_at,
            expected_duration_minutes: $row.expected_duration_minutes,
            max_players: $row.max_players,
            min_players: $row.min_players,
            reminder_minutes: $row.reminder_minutes,
            signup_method: $row.signup_method.parse()?,
            status: $row.status.parse()?,
            post_at: $row.post_at,
            recur_rule: $row.recur_rule,
            rewards: $row.rewards,
            remind_host_rewards: $row.remind_host_rewards,
            archive_channel: $row.archive_channel_id.map(ChannelId),
            archive_delay_seconds: $row.archive_delay_seconds,
            notify_roles: snowflakes(&$row.notify_role_ids)?,
            player_roles: snowflakes(&$row.allowed_player_role_ids)?,
            priority_roles: snowflakes(&$row.signup_priority_role_ids)?,
            thumbnail: $row.thumbnail_id.map(ImageId),
            banner: $row.banner_image_id.map(ImageId),
            cancel_reason: $row.cancel_reason,
            version: $row.version,
            roster_version: $row.roster_version,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
        }
    };
}

/// Locks a game for the rest of the transaction. The roster is read by a statement of its own afterwards: one that
/// reads both sees the roster as it was before it waited for the lock, and seats the last player twice.
///
/// # Errors
/// When the database is away.
pub async fn lock(sql: &mut Sql, game: GameId) -> Result<Option<Game>> {
    let row = sqlx::query!(
        "/* SELECT games */ select id, guild_id, channel_id, template_id, host_id, title, description, location,
           signup_instructions, scheduled_at, expected_duration_minutes, max_players, min_players, reminder_minutes,
           signup_method, status, post_at, recur_rule, rewards, remind_host_rewards, archive_channel_id,
           archive_delay_seconds, notify_role_ids, allowed_player_role_ids, signup_priority_role_ids, thumbnail_id,
           banner_image_id, cancel_reason, version, roster_version, created_at, updated_at
         from games where id = $1 for update",
        game.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(game!(row)))
}

/// Where a game is: what a right is granted for.
///
/// # Errors
/// When the database is away.
pub async fn guild_of(sql: &mut Sql, game: GameId) -> Result<Option<(GuildId, DiscordGuild, Vec<DiscordRole>)>> {
    let row = sqlx::query!(
        "/* SELECT games guilds */ select d.id, d.discord_id, d.bot_manager_role_ids
         from games g join guilds d on d.id = g.guild_id where g.id = $1 and d.present",
        game.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let managers = snowflakes(&row.bot_manager_role_ids.unwrap_or_default())?;
    Ok(Some((GuildId(row.id), snowflake(row.discord_id)?, managers)))
}

/// Stores a new game. Whether it is new: one with this id may be there.
///
/// # Errors
/// When the database is away.
pub async fn add(sql: &mut Sql, game: &Game) -> Result<bool> {
    let added = sqlx::query!(
        "/* INSERT games */ insert into games (id, guild_id, channel_id, template_id, host_id, title, description,
           location, signup_instructions, scheduled_at, expected_duration_minutes, max_players, min_players,
           reminder_minutes, signup_method, status, post_at, remind_host_rewards, archive_channel_id,
           archive_delay_seconds, notify_role_ids, allowed_player_role_ids, signup_priority_role_ids,
           created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
           $23, $24, $24)
         on conflict (id) do nothing",
        game.id.0,
        game.guild.0,
        game.channel.0,
        game.template.map(|template| template.0),
        game.host.0,
        game.title,
        game.description,
        game.location,
        game.signup_instructions,
        game.scheduled_at,
        game.expected_duration_minutes,
        game.max_players,
        game.min_players,
        &game.reminder_minutes,
        game.signup_method.as_str(),
        game.status.as_str(),
        game.post_at,
        game.remind_host_rewards,
        game.archive_channel.map(|channel| channel.0),
        game.archive_delay_seconds,
        &discord_ids(&game.notify_roles),
        &discord_ids(&game.player_roles),
        &discord_ids(&game.priority_roles),
        game.created_at,
    )
    .execute(&mut *sql)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Stores what an edit, a transition or a cancellation changed, as the next version.
///
/// # Errors
/// When the database is away.
pub async fn save(sql: &mut Sql, game: &Game, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "/* UPDATE games */ update games set title = $2, description = $3, location = $4, signup_instructions = $5,
           scheduled_at = $6, expected_duration_minutes = $7, max_players = $8, min_players = $9,
           reminder_minutes = $10, signup_method = $11, status = $12, post_at = $13, rewards = $14,
           remind_host_rewards = $15, cancel_reason = $16, version = version + 1, updated_at = $17,
           started_at = case when $12 = 'IN_PROGRESS' then coalesce(started_at, $17) else started_at end,
           completed_at = case when $12 = 'COMPLETED' then coalesce(completed_at, $17) else completed_at end
         where id = $1",
        game.id.0,
        game.title,
        game.description,
        game.location,
        game.signup_instructions,
        game.scheduled_at,
        game.expected_duration_minutes,
        game.max_players,
        game.min_players,
        &game.reminder_minutes,
        game.signup_method.as_str(),
        game.status.as_str(),
        game.post_at,
        game.rewards,
        game.remind_host_rewards,
        game.cancel_reason,
        now,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// The present start of a game and whether it will still take place.
///
/// # Errors
/// When the database is away.
pub async fn start_of(sql: &mut Sql, game: GameId) -> Result<Option<(DateTime<Utc>, Status)>> {
    let row = sqlx::query!("/* SELECT games */ select scheduled_at, status from games where id = $1", game.0)
        .fetch_optional(&mut *sql)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((row.scheduled_at, row.status.parse()?)))
}

/// One game as people see it.
///
/// # Errors
/// When the database is away.
pub async fn view(sql: &mut Sql, game: GameId) -> Result<Option<GameView>> {
    Ok(views(sql, &[game]).await?.pop())
}

/// Games as people see them, in the order of `games`; those that do not exist are left out.
///
/// # Errors
/// When the database is away.
#[expect(clippy::too_many_lines, reason = "one statement and its columns")]
pub async fn views(sql: &mut Sql, games: &[GameId]) -> Result<Vec<GameView>> {
    let ids: Vec<Uuid> = games.iter().map(|game| game.0).collect();
    let rows = sqlx::query!(
        r#"/* SELECT games participants */ select g.id, g.guild_id, g.channel_id, g.template_id, g.host_id, g.title,
           g.description, g.location, g.signup_instructions, g.scheduled_at, g.expected_duration_minutes,
           g.max_players, g.min_players, g.reminder_minutes, g.signup_method, g.status, g.post_at, g.recur_rule,
           g.rewards, g.remind_host_rewards, g.archive_channel_id, g.archive_delay_seconds, g.notify_role_ids,
           g.allowed_player_role_ids, g.signup_priority_role_ids, g.thumbnail_id, g.banner_image_id, g.cancel_reason,
           g.version, g.roster_version, g.created_at, g.updated_at,
           d.discord_id as guild_discord, d.name as guild_name, d.present, d.bot_manager_role_ids,
           c.discord_id as channel_discord, c.name as channel_name,
           a.message_id as "message_id?", h.discord_id as host_discord, h.username, h.global_name, h.avatar,
           h.notify_dm, h.muted_kinds,
           r.ids, r.users as "users: Uuids", r.names as "names: Texts", r.classes, r.positions, r.joins,
           r.discords as "discords: Numbers", r.usernames as "usernames: Texts", r.globals as "globals: Texts",
           r.avatars as "avatars: Texts", r.dms as "dms: Flags", r.muted as "muted: Texts"
         from unnest($1::uuid[]) with ordinality as wanted (id, place)
           join games g on g.id = wanted.id
           join guilds d on d.id = g.guild_id
           join channels c on c.id = g.channel_id
           join users h on h.id = g.host_id
           left join announcements a on a.game_id = g.id
           cross join lateral (
             select array_agg(id) as ids, array_agg(user_id) as users, array_agg(placeholder) as names,
               array_agg(position_type) as classes, array_agg(position) as positions, array_agg(joined_at) as joins,
               array_agg(discord_id) as discords, array_agg(username) as usernames, array_agg(global_name) as globals,
               array_agg(avatar) as avatars, array_agg(notify_dm) as dms, array_agg(muted_kinds::text) as muted
             from (select p.*, u.discord_id, u.username, u.global_name, u.avatar, u.notify_dm, u.muted_kinds
                   from participants p left join users u on u.id = p.user_id where p.game_id = g.id
                   order by p.position_type, p.position, p.joined_at, p.id) as row) as r
         order by wanted.place"#,
        &ids,
    )
    .fetch_all(&mut *sql)
    .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(GameView {
            guild_discord: snowflake(row.guild_discord)?,
            guild_name: row.guild_name,
            guild_present: row.present,
            guild_managers: snowflakes(&row.bot_manager_role_ids.unwrap_or_default())?,
            channel_discord: snowflake(row.channel_discord)?,
            channel_name: row.channel_name,
            message: row.message_id.map(snowflake).transpose()?,
            host: Person {
                id: UserId(row.host_id),
                discord: snowflake(row.host_discord)?,
                username: row.username,
                global_name: row.global_name,
                avatar: row.avatar,
                notify_dm: row.notify_dm,
                muted_kinds: row.muted_kinds,
            },
            rows: Rows {
                users: column(row.users),
                names: column(row.names),
                classes: column(row.classes),
                positions: column(row.positions),
                joins: column(row.joins),
                discords: column(row.discords),
                usernames: column(row.usernames),
                globals: column(row.globals),
                avatars: column(row.avatars),
                dms: column(row.dms),
                muted: column(row.muted),
            }
            .of(row.ids.unwrap_or_default())?,
            game: game!(row),
        });
    }
    Ok(views)
}

/// The ids of a page in the order of LS-03, and how many there are in all.
///
/// # Errors
/// When the database is away.
pub async fn find(sql: &mut Sql, filter: &Filter, now: DateTime<Utc>) -> Result<(Vec<GameId>, i64)> {
    let guilds: Vec<Uuid> = filter.guilds.iter().map(|guild| guild.0).collect();
    let managed: Vec<Uuid> = filter.managed.iter().map(|guild| guild.0).collect();
    let statuses: Vec<String> = filter.statuses.iter().map(|status| status.as_str().to_owned()).collect();
    let row = sqlx::query!(
        r#"/* SELECT games participants */ with visible as (
           select g.id, g.scheduled_at, g.status in ('PENDING_CONFIRMATION', 'SCHEDULED', 'IN_PROGRESS') as ahead
           from games g
           where g.guild_id = any($1) and ($2::uuid is null or g.channel_id = $2)
             and (cardinality($3::text[]) = 0 or g.status = any($3))
             and (not $4 or g.host_id = $5)
             and (not $6 or exists (select from participants p where p.game_id = g.id and p.user_id = $5))
             and (g.host_id = $5 or g.guild_id = any($7)
                  or (g.status <> 'PENDING_CONFIRMATION' and (g.post_at is null or g.post_at <= case when g.status = 'CANCELLED' then g.updated_at else $8 end)
                      and (g.allowed_player_role_ids = '{}' or g.allowed_player_role_ids && $9
                           or exists (select from participants p where p.game_id = g.id and p.user_id = $5)))))
         select (select count(*) from visible) as "total!",
           array(select id from visible
                 order by ahead desc, case when ahead then scheduled_at end, case when not ahead then scheduled_at end desc,
                   id
                 limit $10 offset $11) as "ids!""#,
        &guilds,
        filter.channel.map(|channel| channel.0),
        &statuses,
        filter.hosting,
        filter.reader.map(|reader| reader.0),
        filter.joined,
        &managed,
        now,
        &discord_ids(&filter.roles),
        filter.limit,
        filter.offset,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok((row.ids.into_iter().map(GameId).collect(), row.total))
}
