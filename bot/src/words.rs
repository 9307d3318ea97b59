//! Every sentence that a person reads in Discord, apart from refusals (DI-13, NO-01 to NO-14).

use chrono::{DateTime, Utc};
use shared::domain::audience::Role;
use shared::domain::game::{SignupMethod, Status};
use shared::domain::ids::DiscordChannel;
use shared::domain::roster::Place;
use shared::domain::schedule::Notice;
use shared::domain::text;

use crate::render::letter::Letter;

/// The reader's own clock shows the date and the time.
#[must_use]
pub fn at(time: DateTime<Utc>) -> String {
    format!("<t:{}:F>", time.timestamp())
}

/// The reader's own clock shows how far away it is.
#[must_use]
pub fn in_how_long(time: DateTime<Utc>) -> String {
    format!("<t:{}:R>", time.timestamp())
}

/// "2h 30m".
#[must_use]
pub fn run_time(minutes: i32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

/// The word in the footer of an announcement (DI-28).
#[must_use]
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::PendingConfirmation => "Awaiting confirmation",
        Status::Scheduled => "Scheduled",
        Status::InProgress => "In progress",
        Status::Completed => "Completed",
        Status::Cancelled => "Cancelled",
        Status::Archived => "Archived",
    }
}

/// Where a player stands, and why they wait if they do.
#[must_use]
pub fn place(place: Place, seats: i32, method: SignupMethod) -> String {
    match (place, method) {
        (Place::Confirmed(seat), _) => format!("You have seat {seat} of {seats}."),
        (Place::Waiting(number), SignupMethod::HostSelectedWithWaitlist) => {
            format!("You are number {number} in line: the host picks who plays.")
        }
        (Place::Waiting(number), _) => {
            format!(
                "You are number {number} in line: the game is full, and you move up by yourself when a seat is free."
            )
        }
    }
}

/// The answer to a join that took effect.
#[must_use]
pub fn joined(place: Place, seats: i32, method: SignupMethod) -> String {
    format!("You are in. {}", self::place(place, seats, method))
}

/// The answer to a join by somebody who was in.
#[must_use]
pub fn already_in(place: Place, seats: i32, method: SignupMethod) -> String {
    format!("You were in already. {}", self::place(place, seats, method))
}

/// The answer to a leave that took effect.
pub const LEFT: &str = "You are out of this game.";
/// The answer to a leave by somebody who was not in.
pub const WAS_NOT_IN: &str = "You were not in this game, so nothing changed.";
/// The answer to a press on the post of a game that is gone (DI-19).
pub const GONE: &str = "This game no longer exists.";
/// The answer to a control that this version does not know (DI-16).
pub const UNKNOWN_CONTROL: &str = "This button is out of date. Use `/list-games` to find the game.";

/// The answer to a command of another version.
pub const UNKNOWN_COMMAND: &str = "This command is out of date. Type `/` to see those that there are.";
/// The answer to a form of another version.
pub const UNKNOWN_FORM: &str = "This form is out of date, and nothing was changed.";
/// The answer to options that this version does not know.
pub const OTHER_OPTIONS: &str = "This command has other options by now. Type it again.";
/// The answer to a command that is about a server, in a direct message.
pub const ONLY_IN_A_SERVER: &str = "This command is about a server. Use it there.";
/// The answer to a channel of which nothing is known here.
pub const NO_SUCH_CHANNEL: &str = "No game can be in this channel. Pick a text, voice or announcement channel.";

/// What a list of upcoming games is called.
pub const UPCOMING: &str = "Upcoming games";
/// What the list of the own games is called, and what stands in its place.
pub const HOSTED: &str = "Games you host";
/// When there are none.
pub const NONE_HOSTED: &str = "You host no game.";
/// What the list of games with an own seat or place in line is called, and what stands in its place.
pub const JOINED: &str = "Games you play in";
/// When there are none.
pub const NONE_JOINED: &str = "You are in no game.";
/// Behind a game in a list: its announcement is still to come (LI-34).
pub const DEFERRED: &str = "not announced yet";
/// Behind a game in a list: its host has not said yes.
pub const UNCONFIRMED: &str = "awaiting confirmation";
/// Behind a game in a list: it has begun.
pub const RUNNING: &str = "running";

/// Above a list: the channel that it is of, or the whole server.
#[must_use]
pub fn place_of_list(channel: Option<DiscordChannel>) -> String {
    channel.map_or_else(|| "In this server".to_owned(), |channel| format!("In <#{channel}>"))
}

/// That a channel, or the whole server, has no upcoming games; what to do next, if there is something.
#[must_use]
pub fn none_upcoming(channel: Option<DiscordChannel>) -> String {
    match channel {
        Some(channel) => {
            format!("No game is planned in <#{channel}>. `/list-games show_all:True` shows those of the whole server.")
        }
        None => "No game is planned in this server.".to_owned(),
    }
}

/// How many people a game has.
#[must_use]
pub fn seats(confirmed: usize, seats: i32, waiting: usize) -> String {
    let line = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    format!("{confirmed} of {seats} seats taken{line}")
}

/// Below a list: how many of all games it shows.
#[must_use]
pub fn shown_of(shown: usize, total: i64) -> String {
    match (i64::try_from(shown) == Ok(total), total) {
        (true, 1) => "1 game".to_owned(),
        (true, total) => format!("{total} games"),
        (false, total) => format!("{shown} of {total} games"),
    }
}

/// The answer when something broke on our side (DI-13).
#[must_use]
pub fn fault(incident: &str) -> String {
    format!(
        "That did not work, and it is not your doing. Try again in a moment; if it stays so, name code `{incident}`."
    )
}

/// That a message comes late, and when it was due (NO-23).
#[must_use]
pub fn late(due_at: DateTime<Utc>) -> String {
    format!("-# This comes late: it was due {}.", at(due_at))
}

/// What a notice says in one sentence or two.
#[must_use]
pub fn notice(letter: &Letter) -> String {
    let title = format!("**{}**", text::escape(&letter.title));
    match (letter.notice, letter.reader) {
        (Notice::Joined | Notice::Waitlisted, reader) => format!("You joined {title}.{}", standing(letter, reader)),
        (Notice::Promoted, reader) => format!("You moved up in {title}.{}", standing(letter, reader)),
        (Notice::Demoted, reader) => format!("You lost your seat in {title}.{}", standing(letter, reader)),
        (Notice::Removed, _) if letter.deadline.is_some() => {
            format!("You are no longer in {title}: you did not confirm in time.")
        }
        (Notice::Removed, _) => format!("You are no longer in {title}: the host took you out."),
        (Notice::Left, _) => format!("You left {title}."),
        (Notice::DropOut, _) => drop_out(letter, &title),
        (Notice::Reminder, reader) => reminder(letter, reader, &title),
        (Notice::Rescheduled, _) => rescheduled(letter, &title),
        (Notice::Cancelled, _) => format!("{title}, planned for {}, is cancelled.", at(letter.starts_at)),
        (Notice::NotEnoughPlayers, _) => not_enough(letter, &title),
        (Notice::CloneConfirm, _) => ask(letter, &format!("You were carried over into {title}. Will you come?")),
        (Notice::RecurrenceConfirm, _) => ask(letter, &format!("{title} is due again. Will it take place?")),
        (Notice::RewardsReminder, _) => {
            format!("{title} is over. Tell the players what they were rewarded with.")
        }
    }
}

/// Where they stand, as a sentence of its own.
fn standing(letter: &Letter, reader: Option<Role>) -> String {
    match reader {
        Some(Role::Player(now) | Role::Host(Some(now))) => format!(" {}", place(now, letter.seats, letter.method)),
        Some(Role::Host(None)) | None => String::new(),
    }
}

fn reminder(letter: &Letter, reader: Option<Role>, title: &str) -> String {
    let start = in_how_long(letter.starts_at);
    match reader {
        Some(Role::Player(Place::Confirmed(seat))) => {
            format!("{title} starts {start}. You have seat {seat} of {}.", letter.seats)
        }
        Some(Role::Player(Place::Waiting(number))) => {
            format!("{title} starts {start}. You are still waiting, number {number} in line.")
        }
        None => format!("{title} starts {start}."),
        Some(Role::Host(plays)) => {
            let own = match plays {
                Some(Place::Confirmed(seat)) => format!(" You play yourself, in seat {seat}."),
                Some(Place::Waiting(number)) => {
                    format!(" You are number {number} in line yourself.")
                }
                None => String::new(),
            };
            format!("You host {title}, which starts {start}. {}{own}", counts(letter))
        }
    }
}

fn drop_out(letter: &Letter, title: &str) -> String {
    let who = letter.who.as_ref().map_or_else(|| "Somebody you had added".to_owned(), ToString::to_string);
    let next = letter.next_in_line.as_ref().map_or_else(String::new, |next| format!(" Next in line: {next}."));
    format!("{who} is out of {title}, which starts {}. {}{next}", in_how_long(letter.starts_at), counts(letter))
}

fn rescheduled(letter: &Letter, title: &str) -> String {
    let from = letter.was_at.map_or_else(String::new, |was_at| format!(" from {}", at(was_at)));
    format!("{title} was moved{from} to {}.", at(letter.starts_at))
}

fn not_enough(letter: &Letter, title: &str) -> String {
    let minimum = letter.minimum.unwrap_or(1);
    format!(
        "{title} starts {} and has {} of the {minimum} players it needs.",
        in_how_long(letter.starts_at),
        letter.confirmed
    )
}

fn ask(letter: &Letter, question: &str) -> String {
    let by = letter.deadline.map_or_else(String::new, |by| format!(" Answer by {}, {}.", at(by), in_how_long(by)));
    format!("{question}{by}")
}

fn counts(letter: &Letter) -> String {
    format!("{} of {} seats are taken, {} waiting.", letter.confirmed, letter.seats, letter.waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn di_13_an_answer_tells_the_seat_or_the_number_in_line_and_why() {
        let told = |place, method| super::place(place, 4, method);
        assert_eq!(told(Place::Confirmed(3), SignupMethod::SelfSignup), "You have seat 3 of 4.");
        assert_eq!(
            told(Place::Waiting(2), SignupMethod::SelfSignup),
            "You are number 2 in line: the game is full, and you move up by yourself when a seat is free."
        );
        assert_eq!(
            told(Place::Waiting(2), SignupMethod::HostSelectedWithWaitlist),
            "You are number 2 in line: the host picks who plays."
        );
    }

    #[test]
    fn di_23_run_time_reads_as_hours_and_minutes() {
        assert_eq!([run_time(45), run_time(60), run_time(150)], ["45m", "1h", "2h 30m"]);
    }
}
