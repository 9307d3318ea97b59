//! The announcement of a game (DI-20 to DI-33).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::domain::game::{SignupMethod, Status};
use shared::domain::ids::{DiscordGuild, DiscordRole, DiscordUser, GameId};
use shared::domain::lifecycle::UNSET_RUN_TIME_MINUTES;
use shared::domain::text::{escape, truncate, units};

use super::Shown;
use super::columns::columns;
use super::embed::{Embed, FIELD, Field, TITLE, WHOLE};
use super::links::{default_avatar, google_calendar, link};
use super::mentions::Line;
use crate::words;

/// What an announcement shows.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of a game, by their own names")]
pub struct Board {
    pub game: GameId,
    /// Its role with the same id means everyone.
    pub guild: DiscordGuild,
    pub host: Host,
    pub title: String,
    pub description: Option<String>,
    pub location: Option<String>,
    pub scheduled_at: DateTime<Utc>,
    pub expected_duration_minutes: Option<i32>,
    pub max_players: i32,
    pub min_players: Option<i32>,
    pub signup_method: SignupMethod,
    pub status: Status,
    pub cancel_reason: Option<String>,
    pub rewards: Option<String>,
    pub notify_roles: Vec<DiscordRole>,
    /// In the order of their seats.
    pub confirmed: Vec<Shown>,
    /// In the order of the line.
    pub waiting: Vec<Shown>,
    /// Where a web client is configured.
    pub page_url: Option<String>,
    /// The download page for other calendars.
    pub calendar_url: Option<String>,
    pub thumbnail_url: Option<String>,
    pub banner_url: Option<String>,
}

/// Who runs the game.
#[derive(Clone, Debug)]
pub struct Host {
    /// On Discord.
    pub user: DiscordUser,
    /// As the guild knows them.
    pub name: String,
    /// Without one, Discord's default.
    pub avatar_url: Option<String>,
}

/// What a rendering is for; it decides who is pinged (DI-33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The post itself.
    First,
    /// A change of the post.
    Edit,
    /// The copy in the archive channel (LI-52).
    ArchiveCopy,
}

/// How much is shown: what DI-32 cuts, in its order.
#[derive(Clone, Copy)]
struct Cut {
    waiting: usize,
    description: usize,
    place: usize,
    lists: bool,
}

const WHOLE_WAITLIST: usize = usize::MAX;
const CUTS: [Cut; 5] = [
    Cut { waiting: WHOLE_WAITLIST, description: 3600, place: FIELD, lists: true },
    Cut { waiting: 15, description: 3600, place: FIELD, lists: true },
    Cut { waiting: 15, description: 200, place: FIELD, lists: true },
    Cut { waiting: 15, description: 200, place: 100, lists: true },
    Cut { waiting: 0, description: 200, place: 100, lists: false },
];

/// The body of the message. The nonce is the sender's.
#[must_use]
pub fn render(board: &Board, occasion: Occasion) -> Value {
    let line = Line::of(board, occasion);
    let allowed = line.allowed(board, occasion);
    json!({
        "content": line.text,
        "embeds": [fitting(board).json()],
        "components": buttons(board, occasion),
        "allowed_mentions": allowed,
    })
}

/// The `custom_id` of the button that joins: version zero of the scheme, honoured for ever (DI-17).
#[must_use]
pub fn join_id(game: GameId) -> String {
    format!("join_game_{game}")
}

/// The `custom_id` of the button that leaves.
#[must_use]
pub fn leave_id(game: GameId) -> String {
    format!("leave_game_{game}")
}

/// The first cut that Discord accepts; the last one always fits.
fn fitting(board: &Board) -> Embed {
    let last = CUTS[CUTS.len() - 1];
    let fits = CUTS.iter().map(|cut| embed(board, *cut)).find(|embed| embed.cost() <= WHOLE);
    fits.unwrap_or_else(|| embed(board, last))
}

fn embed(board: &Board, cut: Cut) -> Embed {
    let (title, whole_title) = title(board);
    let description = board.description.as_deref().map(|text| truncate(text, cut.description, &more(board)));
    let description = [whole_title, description].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    Embed {
        author: Some((author(board), board.host.avatar_url.clone().unwrap_or_else(|| default_avatar(board.host.user)))),
        title,
        url: board.page_url.clone(),
        description,
        fields: fields(board, cut),
        thumbnail: board.thumbnail_url.clone(),
        image: board.banner_url.clone(),
        footer: words::status(board.status).to_owned(),
        color: color(board.status),
    }
}

fn author(board: &Board) -> String {
    let name = truncate(board.host.name.trim(), 100, "…");
    if name.is_empty() { "Host".to_owned() } else { name }
}

/// A title that Discord finds too long stands whole above the description: it is never lost (DI-32).
fn title(board: &Board) -> (String, Option<String>) {
    let mark = if board.status == Status::Cancelled { "Cancelled: " } else { "" };
    let escaped = escape(&board.title);
    let marked = format!("{mark}{escaped}");
    if units(&marked) <= TITLE {
        (marked, None)
    } else {
        (truncate(&marked, TITLE, "…"), Some(format!("**{escaped}**")))
    }
}

fn fields(board: &Board, cut: Cut) -> Vec<Field> {
    let minutes = board.expected_duration_minutes.unwrap_or(UNSET_RUN_TIME_MINUTES);
    let start = board.scheduled_at;
    let mut fields = vec![
        Field::row("Game Time", format!("{} ({})", words::at(start), words::in_how_long(start))),
        Field::cell("Host", Shown::Mention(board.host.user).to_string()),
        Field::cell("Run Time", words::run_time(minutes)),
        Field::cell("Add to Calendar", calendars(board, start + TimeDelta::minutes(minutes.into()))),
    ];
    let reason = board.cancel_reason.as_deref().filter(|_| board.status == Status::Cancelled);
    fields.extend(reason.map(|reason| Field::row("Reason", truncate(reason, FIELD, "…"))));
    let place = board.location.as_deref();
    fields.extend(place.map(|place| Field::row("Where", truncate(place, cut.place, &more(board)))));
    fields.extend(players(board, cut.lists));
    fields.extend(waitlist(board, cut));
    fields.extend(board.rewards.as_deref().map(|rewards| Field::row("Rewards", spoiler(board, rewards))));
    fields
}

fn calendars(board: &Board, end: DateTime<Utc>) -> String {
    let google = google_calendar(&board.title, board.scheduled_at, end, board.page_url.as_deref());
    let google = link("Google", Some(&google));
    let others = board.calendar_url.as_deref().map(|address| link("Others", Some(address)));
    let both = [Some(google.clone()), others].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    if units(&both) <= FIELD { both } else { google }
}

/// DI-25: every seat is drawn, the open ones too.
fn players(board: &Board, lists: bool) -> Vec<Field> {
    let seats = usize::try_from(board.max_players).unwrap_or(1).max(1);
    let seated = &board.confirmed[..board.confirmed.len().min(seats)];
    let minimum = usize::try_from(board.min_players.unwrap_or(0)).unwrap_or(0);
    let needs = match minimum.saturating_sub(seated.len()) {
        0 => String::new(),
        missing => format!(", needs {missing}"),
    };
    let heading = format!("Players ({}/{seats}{needs})", seated.len());
    let open = std::iter::repeat_n("—".to_owned(), seats - seated.len());
    let names: Vec<String> = seated.iter().map(ToString::to_string).chain(open).collect();
    let columns = if lists { columns(&names, None) } else { None };
    let counts = || format!("{} taken, {} open. {}", seated.len(), seats - seated.len(), see_page(board));
    table(heading, columns, counts)
}

/// DI-26; whom a cut leaves out is counted in a closing line.
fn waitlist(board: &Board, cut: Cut) -> Vec<Field> {
    if board.waiting.is_empty() {
        return vec![];
    }
    let shown = board.waiting.len().min(cut.waiting);
    let names: Vec<String> = board.waiting[..shown].iter().map(ToString::to_string).collect();
    let closing = match board.waiting.len() - shown {
        0 => None,
        hidden => Some(link(&format!("+{hidden} more"), board.page_url.as_deref())),
    };
    let columns = if cut.lists { columns(&names, closing.as_deref()) } else { None };
    if columns.is_none() && cut.waiting == WHOLE_WAITLIST {
        return waitlist(board, Cut { waiting: 15, ..cut });
    }
    let counts = || format!("{} waiting. {}", board.waiting.len(), see_page(board));
    table(format!("Waitlist ({})", board.waiting.len()), columns, counts)
}

fn table(heading: String, columns: Option<Vec<String>>, counts: impl Fn() -> String) -> Vec<Field> {
    let Some(columns) = columns else {
        return vec![Field::row(heading, counts().trim_end())];
    };
    if let [column] = columns.as_slice() {
        return vec![Field::row(heading, column)];
    }
    let headings = std::iter::once(heading).chain(std::iter::repeat("\u{200b}".to_owned()));
    headings.zip(columns).map(|(heading, column)| Field::cell(heading, column)).collect()
}

/// Bars of the text itself must not end the spoiler.
fn spoiler(board: &Board, rewards: &str) -> String {
    let parted = rewards.replace('|', "|\u{200b}");
    let tail = more(board);
    let cut = truncate(&parted, FIELD - 4 - units(&tail), "");
    let tail = if cut.len() < parted.len() { tail.as_str() } else { "" };
    format!("||{cut}||{tail}")
}

/// What ends a text that goes on at the page.
fn more(board: &Board) -> String {
    let address = board.page_url.as_deref();
    address.map_or_else(|| "…".to_owned(), |_| format!("… {}", link("more", address)))
}

fn see_page(board: &Board) -> String {
    board.page_url.as_deref().map_or_else(String::new, |page| link("See all", Some(page)))
}

/// DI-29; an archive copy has none (LI-52).
fn buttons(board: &Board, occasion: Occasion) -> Value {
    if board.status == Status::Archived || occasion == Occasion::ArchiveCopy {
        return json!([]);
    }
    let open = board.status == Status::Scheduled;
    let join = open && board.signup_method != SignupMethod::HostSelected;
    let button = |style: u8, label: &str, id: String, enabled: bool| json!({ "type": 2, "style": style, "label": label, "custom_id": id, "disabled": !enabled });
    json!([{ "type": 1, "components": [
        button(3, "Join", join_id(board.game), join),
        button(4, "Leave", leave_id(board.game), open),
    ]}])
}

/// DI-28.
const fn color(status: Status) -> u32 {
    match status {
        Status::PendingConfirmation | Status::Archived => 0x95_A5A6,
        Status::Scheduled => 0x2E_CC71,
        Status::InProgress => 0x34_98DB,
        Status::Completed => 0xF1_C40F,
        Status::Cancelled => 0xE7_4C3C,
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
