//! What the processes tell each other: ids only, no text that a person wrote.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::game::{Face, words};
use crate::domain::ids::{DeliveryId, GameId, GuildId};

/// The version of the bodies written here. A reader of another one parks the message.
pub const VERSION: i16 = 1;

/// The routing key of a delivery that became due.
const DELIVERY_DUE: &str = "delivery.due";

/// A message on the bus. It wakes its readers; what is true stands in the database.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Something about a game changed.
    Game {
        /// What.
        change: GameChange,
        /// Of this game.
        game: GameId,
        /// In this guild.
        guild: GuildId,
        /// Through this face.
        face: Face,
        /// What happened on the roster, if anything, once for each person.
        roster: Vec<RosterEvent>,
    },
    /// A direct message is due.
    Delivery {
        /// Its row.
        delivery: DeliveryId,
    },
}

words! {
    /// What can change about a game, as routing keys.
    GameChange {
        /// It was agreed.
        Created = "game.created",
        /// Its text, time or settings are others now.
        Updated = "game.updated",
        /// Somebody came, left or moved.
        RosterChanged = "game.roster_changed",
        /// It will not take place.
        Cancelled = "game.cancelled",
        /// It runs.
        Started = "game.started",
        /// It is over.
        Completed = "game.completed",
        /// It was put away.
        Archived = "game.archived",
    }

    /// What can happen to one person on a roster.
    RosterEvent {
        /// Came by themselves or was added.
        Joined = "joined",
        /// Went by themselves.
        Left = "left",
        /// Did not confirm in time.
        Dropped = "dropped",
        /// Was taken off by the host.
        Removed = "removed",
        /// Came from the waiting list to a seat.
        Promoted = "promoted",
        /// Went from a seat to the waiting list.
        Demoted = "demoted",
        /// Was placed elsewhere by the host.
        Moved = "moved",
    }
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The routing key or the body is none of ours.
    #[error("undecodable")]
    Undecodable,
    /// Written by a release whose bodies mean something else.
    #[error("unknown_version")]
    UnknownVersion,
}

impl Unreadable {
    /// The word for `error.type` and for parking.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::UnknownVersion => "unknown_version",
        }
    }
}

/// Fields that a later minor version adds are ignored.
#[derive(Deserialize)]
struct GameBody {
    game: GameId,
    guild: GuildId,
    face: String,
    #[serde(default)]
    roster: Vec<String>,
}

#[derive(Deserialize)]
struct DeliveryBody {
    delivery: DeliveryId,
}

/// What telemetry calls a routing key that is none of ours.
pub(crate) const OTHER: &str = "_OTHER";

/// The routing key as telemetry may name it: one of ours, or `_OTHER`.
pub(crate) fn declared_key(key: &str) -> &'static str {
    let known = GameChange::ALL.iter().map(|change| change.as_str());
    known.chain([DELIVERY_DUE]).find(|known| *known == key).unwrap_or(OTHER)
}

impl Event {
    /// What the exchange routes by.
    #[must_use]
    pub fn routing_key(&self) -> &'static str {
        match self {
            Self::Game { change, .. } => change.as_str(),
            Self::Delivery { .. } => DELIVERY_DUE,
        }
    }

    /// The body.
    #[must_use]
    pub fn payload(&self) -> Value {
        match self {
            Self::Game { game, guild, face, roster, .. } => {
                let roster: Vec<_> = roster.iter().map(|event| event.as_str()).collect();
                json!({ "v": VERSION, "game": game, "guild": guild, "face": face.as_str(), "roster": roster })
            }
            Self::Delivery { delivery } => json!({ "v": VERSION, "delivery": delivery }),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When the version is not ours, or key and body do not make an event.
    pub fn read(routing_key: &str, version: i16, body: &[u8]) -> Result<Self, Unreadable> {
        if version != VERSION {
            return Err(Unreadable::UnknownVersion);
        }
        let undecodable = |_| Unreadable::Undecodable;
        if routing_key == DELIVERY_DUE {
            let DeliveryBody { delivery } = serde_json::from_slice(body).map_err(undecodable)?;
            return Ok(Self::Delivery { delivery });
        }
        let change = routing_key.parse().map_err(|_| Unreadable::Undecodable)?;
        let GameBody { game, guild, face, roster } = serde_json::from_slice(body).map_err(undecodable)?;
        let face = face.parse().map_err(|_| Unreadable::Undecodable)?;
        let roster = roster.iter().filter_map(|word| word.parse().ok()).collect();
        Ok(Self::Game { change, game, guild, face, roster })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Event {
        Event::Game {
            change: GameChange::RosterChanged,
            game: GameId::new(),
            guild: GuildId::new(),
            face: Face::Button,
            roster: vec![RosterEvent::Joined, RosterEvent::Promoted],
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for event in [joined(), Event::Delivery { delivery: DeliveryId::new() }] {
            let body = event.payload().to_string();
            assert_eq!(Event::read(event.routing_key(), VERSION, body.as_bytes()), Ok(event));
        }
    }

    #[test]
    fn another_version_is_told_from_rubbish() {
        let body = joined().payload().to_string();
        let read = |key, version, body: &str| Event::read(key, version, body.as_bytes());
        assert_eq!(read("game.created", 2, &body), Err(Unreadable::UnknownVersion));
        assert_eq!(read("game.exploded", 1, &body), Err(Unreadable::Undecodable));
        assert_eq!(read("game.created", 1, "not json"), Err(Unreadable::Undecodable));
        assert_eq!(read("delivery.due", 1, &body), Err(Unreadable::Undecodable));
    }

    #[test]
    fn telemetry_names_no_key_that_is_not_declared() {
        assert_eq!(declared_key("game.created"), "game.created");
        assert_eq!(declared_key("delivery.due"), "delivery.due");
        assert_eq!(declared_key("somebody's words"), "_OTHER");
    }

    #[test]
    fn unknown_fields_and_words_of_a_minor_version_are_ignored() {
        let mut body = joined().payload();
        body["new"] = json!(1);
        body["roster"] = json!(["joined", "cloned"]);
        let read = Event::read("game.roster_changed", VERSION, body.to_string().as_bytes());
        assert!(matches!(read, Ok(Event::Game { roster, .. }) if roster == [RosterEvent::Joined]));
    }
}
