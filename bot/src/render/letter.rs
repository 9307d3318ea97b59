//! A direct message to one person (NO-01 to NO-14).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::domain::audience::Role;
use shared::domain::game::SignupMethod;
use shared::domain::letter::{Letter as Facts, Named, Reader};
use shared::domain::roster::Place;
use shared::domain::schedule::Notice;
use shared::domain::text::{escape, truncate};

use super::Shown;
use super::embed::{Embed, FIELD, Field, TITLE};
use super::links::{link, message_link};
use super::mentions::nobody;
use crate::words;

/// What a direct message tells. Only what its kind speaks of is shown.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of a game, by their own names")]
pub struct Letter {
    pub notice: Notice,
    /// What the addressee is in the game; nothing once they are out.
    pub reader: Option<Role>,
    pub title: String,
    pub starts_at: DateTime<Utc>,
    /// The start before it moved.
    pub was_at: Option<DateTime<Utc>>,
    /// Until when to answer; of a removal, the deadline that did it.
    pub deadline: Option<DateTime<Utc>>,
    pub method: SignupMethod,
    pub seats: i32,
    pub confirmed: usize,
    pub waiting: usize,
    pub minimum: Option<i32>,
    /// Who dropped out.
    pub who: Option<Shown>,
    pub next_in_line: Option<Shown>,
    pub reason: Option<String>,
    pub instructions: Option<String>,
    pub location: Option<String>,
    /// When it was due, if it comes late (`Notice::late_mark`).
    pub late: Option<DateTime<Utc>>,
    pub page_url: Option<String>,
    /// The announcement.
    pub message_url: Option<String>,
}

impl Letter {
    /// The least that every notice tells.
    #[must_use]
    pub const fn new(notice: Notice, reader: Option<Role>, title: String, starts_at: DateTime<Utc>) -> Self {
        Self {
            notice,
            reader,
            title,
            starts_at,
            was_at: None,
            deadline: None,
            method: SignupMethod::SelfSignup,
            seats: 0,
            confirmed: 0,
            waiting: 0,
            minimum: None,
            who: None,
            next_in_line: None,
            reason: None,
            instructions: None,
            location: None,
            late: None,
            page_url: None,
            message_url: None,
        }
    }

    /// From the facts stored with the delivery; `page_url` is the game's page, `late` what `Notice::late_mark` says.
    #[must_use]
    pub fn of(notice: Notice, facts: &Facts, page_url: Option<String>, late: Option<DateTime<Utc>>) -> Self {
        let method = if facts.host_picks { SignupMethod::HostSelectedWithWaitlist } else { SignupMethod::SelfSignup };
        Self {
            method,
            was_at: facts.was,
            seats: facts.seats.cast_signed(),
            confirmed: facts.confirmed as usize,
            waiting: facts.waiting as usize,
            who: facts.who.as_ref().map(shown),
            next_in_line: facts.next.as_ref().map(shown),
            reason: facts.reason.clone(),
            instructions: facts.instructions.clone(),
            location: facts.location.clone(),
            late,
            page_url,
            message_url: facts.message.map(|post| message_link(facts.guild, facts.channel, post)),
            ..Self::new(notice, role(facts), facts.title.clone(), facts.start)
        }
    }
}

fn role(facts: &Facts) -> Option<Role> {
    let number = facts.place.map(|number| number as usize);
    match facts.reader {
        Reader::Confirmed => Some(Role::Player(Place::Confirmed(number?))),
        Reader::Waiting => Some(Role::Player(Place::Waiting(number?))),
        Reader::Host => Some(Role::Host(number.map(Place::Confirmed))),
        Reader::HostInLine => Some(Role::Host(Some(Place::Waiting(number?)))),
        Reader::Gone => None,
    }
}

fn shown(named: &Named) -> Shown {
    match named {
        Named::User(user) => Shown::Mention(*user),
        Named::Name(name) => Shown::Name(name.clone()),
    }
}

/// How the sender finds a message again whose answer was lost: the footer, from the end of the nonce. Its beginning is
/// the time, which all letters of one moment share.
#[must_use]
pub fn marker(nonce: &str) -> String {
    let skipped = nonce.chars().count().saturating_sub(8);
    format!("· {}", nonce.chars().skip(skipped).collect::<String>())
}

/// The body of the message; `nonce` only marks it, sending it along is the sender's.
#[must_use]
pub fn render(letter: &Letter, nonce: &str) -> Value {
    let late = letter.late.map(words::late);
    let content = [Some(words::notice(letter)), late].into_iter().flatten().collect::<Vec<_>>().join("\n");
    let shown = embed(letter, marker(nonce));
    json!({
        "content": truncate(&content, 2000, "…"),
        "embeds": [shown.json()],
        "allowed_mentions": nobody(),
    })
}

fn embed(letter: &Letter, footer: String) -> Embed {
    let start = || format!("{} ({})", words::at(letter.starts_at), words::in_how_long(letter.starts_at));
    let location = letter.location.as_deref().filter(|_| letter.notice == Notice::Reminder);
    let reason = letter.reason.as_deref().filter(|_| letter.notice == Notice::Cancelled);
    let mut fields = vec![];
    if letter.notice != Notice::Left {
        fields.push(Field::row("Start", start()));
    }
    fields.extend(location.map(|place| Field::row("Where", truncate(place, FIELD, "…"))));
    fields.extend(reason.map(|reason| Field::row("Reason", truncate(reason, FIELD, "…"))));
    let links = links(letter);
    if !links.is_empty() {
        fields.push(Field::row("Links", links));
    }
    Embed {
        title: truncate(&escape(&letter.title), TITLE, "…"),
        url: letter.page_url.clone(),
        description: instructions(letter).unwrap_or_default().to_owned(),
        fields,
        footer,
        color: 0x58_65F2,
        ..Embed::default()
    }
}

/// They go to the seated only (DI-30).
fn instructions(letter: &Letter) -> Option<&str> {
    letter.instructions.as_deref().filter(|_| matches!(letter.notice, Notice::Joined | Notice::Promoted))
}

fn links(letter: &Letter) -> String {
    let post = letter.message_url.as_deref().map(|address| link("Announcement", Some(address)));
    let page = letter.page_url.as_deref().map(|address| link("Game page", Some(address)));
    [post, page].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
#[path = "letter_tests.rs"]
mod tests;
