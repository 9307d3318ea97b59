//! What benches work on: a full roster, a full announcement, a message.

use std::time::Duration;

use bot::render::Shown;
use bot::render::board::{Board, Host};
use chrono::{DateTime, Utc};
use shared::domain::game::{Face, SignupMethod, Status};
use shared::domain::ids::{DiscordGuild, DiscordUser, GameId, GuildId, MessageId, UserId};
use shared::domain::roster::{Roster, Row};
use shared::events::{Event, GameChange, RosterEvent, VERSION};
use shared::store::outbox::OutboxRow;
use shared::telemetry::carry;
use uuid::Uuid;

/// A moment.
pub const NOON: DateTime<Utc> = DateTime::from_timestamp(1_778_414_400, 0).expect("a date within the calendar");
/// A game.
pub const GAME: GameId = GameId(Uuid::from_u128(0x0199_c0de_0000_7000_8000_0000_0000_0001));

/// Somebody.
#[must_use]
pub fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// 100 who play and 100 who wait.
///
/// # Panics
/// Never: the game takes everybody.
#[must_use]
pub fn roster() -> Roster {
    let mut roster = Roster::new(SignupMethod::SelfSignup, 100, vec![]);
    for number in 0..200 {
        roster.join(user(number), &[], &[], NOON).expect("a game that takes everybody");
    }
    roster
}

/// The same rows in their order, whatever order they come in.
#[must_use]
pub fn ordered(rows: Vec<Row>) -> Roster {
    Roster::new(SignupMethod::SelfSignup, 100, rows)
}

fn shown(from: u64) -> Vec<Shown> {
    (from..from + 100).map(|number| Shown::Mention(DiscordUser::new(100_000_000_000_000_000 + number))).collect()
}

/// An announcement as long as they get.
#[must_use]
pub fn board() -> Board {
    Board {
        game: GAME,
        guild: DiscordGuild::new(77),
        host: Host { user: DiscordUser::new(1), name: "Dee".to_owned(), avatar_url: None },
        title: "Barrow of the Ice King".to_owned(),
        description: Some("It is cold. ".repeat(160)),
        location: Some("<#123456789012345678>".to_owned()),
        scheduled_at: NOON,
        expected_duration_minutes: Some(150),
        max_players: 100,
        min_players: None,
        signup_method: SignupMethod::SelfSignup,
        status: Status::Scheduled,
        cancel_reason: None,
        rewards: None,
        notify_roles: vec![],
        confirmed: shown(0),
        waiting: shown(100),
        page_url: Some("https://play.example/games/1".to_owned()),
        calendar_url: Some("https://play.example/download-calendar/1".to_owned()),
        thumbnail_url: None,
        banner_url: None,
    }
}

/// What a join tells the others.
#[must_use]
pub fn event() -> Event {
    Event::Game {
        change: GameChange::RosterChanged,
        game: GAME,
        guild: GuildId(Uuid::from_u128(2)),
        face: Face::Web,
        roster: vec![RosterEvent::Joined],
    }
}

/// The row that a join writes for it, from the current span.
#[must_use]
pub fn row() -> OutboxRow {
    let event = event();
    OutboxRow {
        id: MessageId(Uuid::from_u128(0x0199_c0de_0000_7000_8000_0000_0000_0003)),
        routing_key: event.routing_key().to_owned(),
        schema_version: VERSION,
        redrive: 0,
        payload: event.payload(),
        trace_context: carry::row(),
        age: Duration::from_millis(3),
    }
}
