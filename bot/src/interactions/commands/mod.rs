//! Slash commands: which there are. How Discord learns of them stands in `register`, what each does in its own file.

mod list_games;
mod my_games;
pub(crate) mod register;

use shared::actions::Page;
use shared::store::games::GameView;

use crate::Bot;
use crate::boards;
use crate::render::list::{Entry, List, ROWS};

pub(super) use list_games::answer as list_games;
pub(super) use my_games::answer as my_games;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `/list-games` (DI-05).
    ListGames,
    /// `/my-games` (DI-06).
    MyGames,
    /// Of another version.
    Unknown,
}

impl Command {
    /// By the name under which it is registered.
    pub(super) fn of(name: &str) -> Self {
        match name {
            register::LIST_GAMES => Self::ListGames,
            register::MY_GAMES => Self::MyGames,
            _ => Self::Unknown,
        }
    }
}

/// As many games as a list shows.
const PAGE: i64 = ROWS.cast_signed() as i64;

/// A page of games as a list; `guilds` says whether each row names its server.
fn list(bot: &Bot, title: &str, lead: Option<String>, none: &str, page: &Page, guilds: bool) -> List {
    let now = bot.app.clock.now();
    let entry = |view: &GameView| Entry {
        guild: guilds.then(|| view.guild_name.clone()),
        ..boards::entry(view, bot.frontend.as_deref(), now)
    };
    let entries = page.games.iter().map(entry).collect();
    List { title: title.to_owned(), lead, none: none.to_owned(), entries, total: page.total }
}
