//! The line above an announcement, and whom it may ping (DI-20, DI-33, NO-28).

use std::collections::HashSet;

use serde_json::{Value, json};
use shared::domain::game::Status;
use shared::domain::ids::{DiscordRole, DiscordUser};
use shared::domain::text::units;

use super::Shown;
use super::board::{Board, Occasion};

const CONTENT: usize = 2000;
/// Discord takes no longer list of ids.
const LISTED: usize = 100;
/// Room for the words that close a line which does not hold everybody.
const CLOSING: usize = 20;

/// The line, and who stands in it.
#[derive(Default)]
pub(super) struct Line {
    pub(super) text: String,
    roles: Vec<DiscordRole>,
    users: Vec<DiscordUser>,
    everyone: bool,
}

impl Line {
    /// Notify roles, host, confirmed players, each once; on an archive copy the players who were rewarded.
    pub(super) fn of(board: &Board, occasion: Occasion) -> Self {
        let mut line = Self::default();
        match occasion {
            Occasion::First | Occasion::Edit => {
                board.notify_roles.iter().for_each(|role| line.role(*role, board));
                line.people(std::iter::once(board.host.user).chain(players(board)));
            }
            Occasion::ArchiveCopy if board.rewards.is_some() => line.people(players(board)),
            Occasion::ArchiveCopy => {}
        }
        line
    }

    /// Edits ping nobody, nor does a post that comes after the start (LI-36).
    pub(super) fn allowed(&self, board: &Board, occasion: Occasion) -> Value {
        let pings = match occasion {
            Occasion::First => board.status == Status::Scheduled,
            Occasion::ArchiveCopy => true,
            Occasion::Edit => false,
        };
        if !pings {
            return nobody();
        }
        let parse: &[&str] = if self.everyone { &["everyone"] } else { &[] };
        let roles: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
        let users: Vec<String> = self.users.iter().map(ToString::to_string).collect();
        json!({ "parse": parse, "roles": roles, "users": users })
    }

    /// The role with the guild's id is everyone (TE-02, DI-33).
    fn role(&mut self, role: DiscordRole, board: &Board) {
        if role.cast() == board.guild {
            if !self.everyone {
                self.everyone = true;
                self.push("@everyone");
            }
        } else if !self.roles.contains(&role) {
            self.roles.push(role);
            self.push(&format!("<@&{role}>"));
        }
    }

    fn people(&mut self, users: impl Iterator<Item = DiscordUser>) {
        let mut seen = HashSet::new();
        let mut left_out = 0;
        for user in users.filter(|user| seen.insert(*user)) {
            let mention = format!("<@{user}>");
            let fits = units(&self.text) + 1 + units(&mention) + CLOSING <= CONTENT;
            if fits && self.users.len() < LISTED {
                self.users.push(user);
                self.push(&mention);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.push(&format!("and {left_out} more"));
        }
    }

    fn push(&mut self, word: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(word);
    }
}

/// Pings nobody, whatever the text says.
pub(super) fn nobody() -> Value {
    json!({ "parse": [] })
}

fn players(board: &Board) -> impl Iterator<Item = DiscordUser> {
    board.confirmed.iter().filter_map(|shown| match shown {
        Shown::Mention(user) => Some(*user),
        Shown::Name(_) => None,
    })
}
