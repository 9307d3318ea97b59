//! What a direct message is made of: the facts at the moment it was written, stored with its delivery.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{DiscordChannel, DiscordGuild, DiscordMessage, DiscordUser, GameId};

/// As what a person is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// Has a seat.
    Confirmed,
    /// Is in line.
    Waiting,
    /// Runs the game; the place, if any, is a seat.
    Host,
    /// Runs the game and is in line for a seat of it.
    HostInLine,
    /// Left, or was taken out.
    Gone,
}

/// Somebody whom a letter speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A user.
    User(DiscordUser),
    /// A placeholder, as the host typed it.
    Name(String),
}

/// The facts of one direct message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// The game.
    pub game: GameId,
    /// Its title, as the host wrote it.
    pub title: String,
    /// When it starts.
    pub start: DateTime<Utc>,
    /// When it started before it moved.
    pub was: Option<DateTime<Utc>>,
    /// As what the person is written to.
    pub reader: Reader,
    /// The seat, or the number in line.
    pub place: Option<u32>,
    /// How many have a seat.
    pub confirmed: u32,
    /// How many are in line.
    #[serde(default)]
    pub waiting: u32,
    /// How many seats there are.
    pub seats: u32,
    /// Whether the host picks who moves up from the line.
    pub host_picks: bool,
    /// Who dropped out.
    pub who: Option<Named>,
    /// Who is first in line.
    pub next: Option<Named>,
    /// Where it takes place, as stored.
    pub location: Option<String>,
    /// What the seated must know.
    pub instructions: Option<String>,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// The server, for links.
    pub guild: DiscordGuild,
    /// The channel of the announcement, for links.
    pub channel: DiscordChannel,
    /// The announcement, once posted.
    pub message: Option<DiscordMessage>,
}
