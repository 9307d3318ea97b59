//! Participants: the rows of a game's roster.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
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

// Short, since they stand in a statement that every span of it tells: columns in which a value may be missing.
pub(super) type Uuids = Vec<Option<Uuid>>;
pub(super) type Texts = Vec<Option<String>>;
pub(super) type Numbers = Vec<Option<i64>>;
pub(super) type Flags = Vec<Option<bool>>;

/// One column of a game's rows; nothing of a game without any.
pub(super) type Column<T> = std::vec::IntoIter<T>;

pub(super) fn column<T>(values: Option<Vec<T>>) -> Column<T> {
    values.unwrap_or_default().into_iter()
}

/// The rows of a game with their people, column by column: a quarter of the work for Postgres that one JSON object
/// a row is.
pub(super) struct Rows {
    pub(super) users: Column<Option<Uuid>>,
    pub(super) names: Column<Option<String>>,
    pub(super) classes: Column<i32>,
    pub(super) positions: Column<i32>,
    pub(super) joins: Column<DateTime<Utc>>,
    pub(super) discords: Column<Option<i64>>,
    pub(super) usernames: Column<Option<String>>,
    pub(super) globals: Column<Option<String>>,
    pub(super) avatars: Column<Option<String>>,
    pub(super) dms: Column<Option<bool>>,
    /// Arrays as Postgres writes them: their lengths differ, so they make no array of arrays.
    pub(super) muted: Column<Option<String>>,
}

impl Rows {
    /// The rows with these ids, which are the column that never lacks a value.
    pub(super) fn of(mut self, ids: Vec<Uuid>) -> anyhow::Result<Vec<(Row, Option<Person>)>> {
        ids.into_iter().map(|id| self.next(ParticipantId(id))).collect()
    }

    fn next(&mut self, id: ParticipantId) -> anyhow::Result<(Row, Option<Person>)> {
        let user = next(&mut self.users)?;
        let row = Row {
            id,
            who: who(user, next(&mut self.names)?)?,
            class: class(next(&mut self.classes)?)?,
            position: next(&mut self.positions)?,
            joined_at: next(&mut self.joins)?,
        };
        Ok((row, self.person(user)?))
    }

    /// The person of the row, unless it is a placeholder.
    fn person(&mut self, user: Option<Uuid>) -> anyhow::Result<Option<Person>> {
        let (discord, username) = (next(&mut self.discords)?, next(&mut self.usernames)?);
        let (global_name, avatar) = (next(&mut self.globals)?, next(&mut self.avatars)?);
        let (notify_dm, muted) = (next(&mut self.dms)?, next(&mut self.muted)?);
        let (Some(user), Some(discord), Some(username)) = (user, discord, username) else { return Ok(None) };
        Ok(Some(Person {
            id: UserId(user),
            discord: snowflake(discord)?,
            username,
            global_name,
            avatar,
            notify_dm: notify_dm.unwrap_or(true),
            muted_kinds: elements(&muted.unwrap_or_default()),
        }))
    }
}

fn next<T>(column: &mut Column<T>) -> anyhow::Result<T> {
    column.next().context("a roster's columns differ in length")
}

/// Of an array of words, as in `{reminder,promoted}`.
fn elements(array: &str) -> Vec<String> {
    let words = array.trim_matches(['{', '}']).split(',');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
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

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn an_array_of_words_is_read_as_postgres_writes_it() {
        assert_eq!(elements("{}"), Vec::<String>::new());
        assert_eq!(elements("{promoted}"), ["promoted"]);
        assert_eq!(elements("{reminder,promoted}"), ["reminder", "promoted"]);
    }
}
