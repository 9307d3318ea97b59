//! A stored game as its announcement and lists show it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shared::domain::game::{Game, Status};
use shared::domain::ids::{GameId, ParticipantId};
use shared::domain::roster::{Row, Who};
use shared::store::games::GameView;
use shared::store::people::Person;

use crate::render::Shown;
use crate::render::board::{Board, Host};
use crate::render::links::message_link;
use crate::render::list::Entry;
use crate::words;

/// The address of a game's page, where a web client is configured.
#[must_use]
pub fn page(frontend: Option<&str>, game: GameId) -> Option<String> {
    frontend.map(|frontend| format!("{}/games/{game}", frontend.trim_end_matches('/')))
}

/// The address where its calendar file can be had.
fn calendar(frontend: Option<&str>, game: GameId) -> Option<String> {
    frontend.map(|frontend| format!("{}/download-calendar/{game}", frontend.trim_end_matches('/')))
}

/// What the announcement of a game shows.
#[must_use]
pub fn board(view: &GameView, frontend: Option<&str>) -> Board {
    let game = &view.game;
    let people: HashMap<ParticipantId, &Person> =
        view.rows.iter().filter_map(|(row, person)| Some((row.id, person.as_ref()?))).collect();
    let roster = view.roster();
    let shown = |rows: &[Row]| rows.iter().map(|row| shown(row, people.get(&row.id).copied())).collect();
    Board {
        game: game.id,
        guild: view.guild_discord,
        host: host(&view.host),
        title: game.title.clone(),
        description: game.description.clone(),
        location: game.location.clone(),
        scheduled_at: game.scheduled_at,
        expected_duration_minutes: game.expected_duration_minutes,
        max_players: game.max_players,
        min_players: game.min_players,
        signup_method: game.signup_method,
        status: game.status,
        cancel_reason: game.cancel_reason.clone(),
        rewards: game.rewards.clone(),
        notify_roles: game.notify_roles.clone(),
        confirmed: shown(roster.confirmed()),
        waiting: shown(roster.waiting()),
        page_url: page(frontend, game.id),
        calendar_url: calendar(frontend, game.id),
        thumbnail_url: None,
        banner_url: None,
    }
}

/// A row of a list, without the server's name.
#[must_use]
pub fn entry(view: &GameView, frontend: Option<&str>, now: DateTime<Utc>) -> Entry {
    let (game, roster) = (&view.game, view.roster());
    let post = view.message.map(|message| message_link(view.guild_discord, view.channel_discord, message));
    Entry {
        title: game.title.clone(),
        guild: None,
        starts_at: game.scheduled_at,
        seats: game.max_players,
        confirmed: roster.confirmed().len(),
        waiting: roster.waiting().len(),
        mark: mark(game, now),
        message_url: post,
        page_url: page(frontend, game.id),
    }
}

/// What is to be known of a game that is not simply agreed and announced.
fn mark(game: &Game, now: DateTime<Utc>) -> Option<&'static str> {
    match game.status {
        Status::PendingConfirmation => Some(words::UNCONFIRMED),
        Status::InProgress => Some(words::RUNNING),
        _ if game.is_hidden(now) => Some(words::DEFERRED),
        Status::Scheduled | Status::Completed | Status::Cancelled | Status::Archived => None,
    }
}

fn host(person: &Person) -> Host {
    let user = person.discord;
    let avatar = |hash: &String| format!("https://cdn.discordapp.com/avatars/{user}/{hash}.png");
    Host { user, name: person.shown_name().to_owned(), avatar_url: person.avatar.as_ref().map(avatar) }
}

fn shown(row: &Row, person: Option<&Person>) -> Shown {
    match (&row.who, person) {
        (Who::Placeholder(name), _) => Shown::Name(name.clone()),
        (Who::User(_), Some(person)) => Shown::Mention(person.discord),
        (Who::User(_), None) => Shown::Name("somebody".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_linked_only_where_there_is_one() {
        let game = GameId::new();
        assert_eq!(page(None, game), None);
        assert_eq!(page(Some("https://play.example/"), game), Some(format!("https://play.example/games/{game}")));
    }
}
