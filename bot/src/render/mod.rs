//! What Discord shows, as message bodies: pure, from plain values, always within Discord's limits (DI-31).

pub mod board;
pub mod letter;
pub mod list;

mod columns;
mod embed;
pub(crate) mod links;
mod mentions;

use shared::domain::ids::DiscordUser;
use shared::domain::text;

/// Somebody as a message names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A user: Discord puts the name.
    Mention(DiscordUser),
    /// A plain name, shown as typed.
    Name(String),
}

impl std::fmt::Display for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mention(user) => write!(out, "<@{user}>"),
            Self::Name(name) => out.write_str(&text::escape(name)),
        }
    }
}

#[cfg(test)]
mod accepts;
