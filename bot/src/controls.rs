//! What a button's `custom_id` means. Version zero of the scheme is honoured for ever (DI-17).

use shared::domain::ids::GameId;

/// What a press asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Join this game.
    Join(GameId),
    /// Leave this game.
    Leave(GameId),
    /// Of another version, or none of ours (DI-16).
    Unknown,
}

impl Control {
    /// Reads a `custom_id`.
    #[must_use]
    pub fn of(custom_id: &str) -> Self {
        let game = |prefix: &str| custom_id.strip_prefix(prefix)?.parse::<GameId>().ok();
        match (game("join_game_"), game("leave_game_")) {
            (Some(game), _) => Self::Join(game),
            (_, Some(game)) => Self::Leave(game),
            (None, None) => Self::Unknown,
        }
    }

    /// The game it is about.
    #[must_use]
    pub const fn game(self) -> Option<GameId> {
        match self {
            Self::Join(game) | Self::Leave(game) => Some(game),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::board;

    #[test]
    fn di_17_the_buttons_of_an_announcement_are_understood() {
        let game = GameId::new();
        assert_eq!(Control::of(&board::join_id(game)), Control::Join(game));
        assert_eq!(Control::of(&board::leave_id(game)), Control::Leave(game));
    }

    #[test]
    fn di_16_anything_else_is_told_so() {
        let other = ["", "join_game_", "join_game_7", "9:join:0190", "leave_game_0190 ", "JOIN_GAME_0190", "\u{0}"];
        assert!(other.iter().all(|id| Control::of(id) == Control::Unknown));
    }
}
