//! Participants: the rows of a game's roster.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::people::Person;
use super::{Sql, snowflake};
use crate::domain::game::Game;
use crate::domain::ids::{GameId, ParticipantId, UserId};
use crate::domain::roster::{Class, Roster, Row, Who};
use crate::error::Result;

/// The roster of a locked game.
///
/// # Errors
/// When the database is away.
pub async fn of(sql: &mut Sql, game: &Game) -> Result<Roster> {
    let rows = sqlx::query!(
        "/* SELECT participants */ select id, user_id, placeholder, position_type, position, joined_at
         from participants where game_id = $1",
        game.id.0,
    )
    .fetch_all(&mut *sql)
    .await?;
    let rows = rows
        .into_iter()
        .map(|row| {
            Ok(Row {
                id: ParticipantId(row.id),
                who: who(row.user_id, row.placeholder)?,
                class: class(row.position_type)?,
                position: row.position,
                joined_at: row.joined_at,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Roster::new(game.signup_method, game.max_players, rows))
}

/// Stores new rows and raises the roster's version.
///
/// # Errors
/// When the database is away.
pub async fn add(sql: &mut Sql, game: GameId, rows: &[Row]) -> Result<()> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
    let users: Vec<Option<Uuid>> = rows.iter().map(|row| row.who.user().map(|user| user.0)).collect();
    let names: Vec<Option<String>> = rows.iter().map(|row| placeholder(&row.who)).collect();
    let classes: Vec<i32> = rows.iter().map(|row| row.class.number()).collect();
    let positions: Vec<i32> = rows.iter().map(|row| row.position).collect();
    let times: Vec<DateTime<Utc>> = rows.iter().map(|row| row.joined_at).collect();
    sqlx::query!(
        "/* INSERT participants */ with raised as (
           update games set roster_version = roster_version + 1, version = version + 1 where id = $1)
         insert into participants (id, game_id, user_id, placeholder, position_type, position, joined_at)
         select id, $1, user_id, placeholder, position_type, position, joined_at
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::int[], $7::timestamptz[])
           as new (id, user_id, placeholder, position_type, position, joined_at)",
        game.0,
        &ids,
        &users as &[Option<Uuid>],
        &names as &[Option<String>],
        &classes,
        &positions,
        &times,
    )
    .execute(&mut *sql)
    .await?;
    Ok(())
}

/// Takes a row out and raises the roster's version; its waiting notices go with it. Whether the notice of its join was
/// one of them.
///
/// # Errors
/// When the database is away.
pub async fn remove(sql: &mut Sql, game: GameId, row: ParticipantId) -> Result<bool> {
    let unheard = sqlx::query_scalar!(
        r#"/* DELETE participants */ with raised as (
           update games set roster_version = roster_version + 1, version = version + 1 where id = $1)
         delete from participants where id = $2 and game_id = $1
         returning exists (select from scheduled_notifications where participant_id = $2 and kind = 'joined'
                             and state = 'pending') as "unheard!""#,
        game.0,
        row.0,
    )
    .fetch_optional(&mut *sql)
    .await?;
    Ok(unheard.unwrap_or(false))
}

/// A row with its person, as Postgres aggregates it.
#[derive(Debug, Deserialize)]
pub(super) struct StoredRow {
    id: Uuid,
    user: Option<Uuid>,
    placeholder: Option<String>,
    position_type: i32,
    position: i32,
    joined_at: DateTime<Utc>,
    discord: Option<i64>,
    username: Option<String>,
    global_name: Option<String>,
    avatar: Option<String>,
    notify_dm: Option<bool>,
    muted_kinds: Option<Vec<String>>,
}

impl StoredRow {
    pub(super) fn parts(self) -> anyhow::Result<(Row, Option<Person>)> {
        let person = match (self.user, self.discord, self.username) {
            (Some(user), Some(discord), Some(username)) => Some(Person {
                id: UserId(user),
                discord: snowflake(discord)?,
                username,
                global_name: self.global_name,
                avatar: self.avatar,
                notify_dm: self.notify_dm.unwrap_or(true),
                muted_kinds: self.muted_kinds.unwrap_or_default(),
            }),
            _ => None,
        };
        let row = Row {
            id: ParticipantId(self.id),
            who: who(self.user, self.placeholder)?,
            class: class(self.position_type)?,
            position: self.position,
            joined_at: self.joined_at,
        };
        Ok((row, person))
    }
}

fn who(user: Option<Uuid>, placeholder: Option<String>) -> anyhow::Result<Who> {
    match (user, placeholder) {
        (Some(user), _) => Ok(Who::User(UserId(user))),
        (None, Some(name)) => Ok(Who::Placeholder(name)),
        (None, None) => anyhow::bail!("a participant is nobody"),
    }
}

fn placeholder(who: &Who) -> Option<String> {
    match who {
        Who::User(_) => None,
        Who::Placeholder(name) => Some(name.clone()),
    }
}

fn class(position_type: i32) -> anyhow::Result<Class> {
    Class::of(position_type).ok_or_else(|| anyhow::anyhow!("position type {position_type} is unknown"))
}
