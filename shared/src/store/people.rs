//! Users: made at first contact, on whichever face.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Sql, discord_id, snowflake};
use crate::domain::ids::{DiscordUser, UserId};
use crate::error::Result;

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of users, by their own names")]
pub struct Person {
    pub id: UserId,
    pub discord: DiscordUser,
    pub username: String,
    pub global_name: Option<String>,
    pub avatar: Option<String>,
    pub notify_dm: bool,
    pub muted_kinds: Vec<String>,
}

impl Person {
    /// The name that is shown when the guild's own is not known (GU-21).
    #[must_use]
    pub fn shown_name(&self) -> &str {
        self.global_name.as_deref().unwrap_or(&self.username)
    }
}

/// What Discord says about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Discord's user, by their own names")]
pub struct Profile {
    pub discord: DiscordUser,
    pub username: String,
    pub global_name: Option<String>,
    pub avatar: Option<String>,
}

/// Makes or refreshes the row of a user; several faces at once make one (GE-15).
///
/// # Errors
/// When the database is away.
pub async fn meet(sql: &mut Sql, profile: &Profile, now: DateTime<Utc>) -> Result<UserId> {
    let id = sqlx::query_scalar!(
        "/* INSERT users */ insert into users (id, discord_id, username, global_name, avatar, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (discord_id) do update
           set username = excluded.username, global_name = excluded.global_name, avatar = excluded.avatar,
               updated_at = excluded.updated_at
         returning id",
        UserId::new().0,
        discord_id(profile.discord),
        profile.username,
        profile.global_name,
        profile.avatar,
        now,
    )
    .fetch_one(&mut *sql)
    .await?;
    Ok(UserId(id))
}

/// The people with these ids.
///
/// # Errors
/// When the database is away.
pub async fn by_id(sql: &mut Sql, ids: &[UserId]) -> Result<HashMap<UserId, Person>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "/* SELECT users */ select id, discord_id, username, global_name, avatar, notify_dm, muted_kinds
         from users where id = any($1)",
        &ids,
    )
    .fetch_all(&mut *sql)
    .await?;
    rows.into_iter()
        .map(|row| {
            let person = Person {
                id: UserId(row.id),
                discord: snowflake(row.discord_id)?,
                username: row.username,
                global_name: row.global_name,
                avatar: row.avatar,
                notify_dm: row.notify_dm,
                muted_kinds: row.muted_kinds,
            };
            Ok((person.id, person))
        })
        .collect()
}

/// The users with these Discord ids, as far as we know them.
///
/// # Errors
/// When the database is away.
pub async fn by_discord(sql: &mut Sql, ids: &[DiscordUser]) -> Result<HashMap<DiscordUser, UserId>> {
    let ids: Vec<_> = ids.iter().map(|id| discord_id(*id)).collect();
    let rows = sqlx::query!("/* SELECT users */ select id, discord_id from users where discord_id = any($1)", &ids)
        .fetch_all(&mut *sql)
        .await?;
    rows.into_iter().map(|row| Ok((snowflake(row.discord_id)?, UserId(row.id)))).collect()
}
