//! Writing to people: the letters of a change, in the transaction of the change.

use chrono::{DateTime, Utc};

use crate::domain::audience::{Recipient, Role};
use crate::domain::game::SignupMethod;
use crate::domain::ids::DeliveryId;
use crate::domain::letter::{Letter, Named, Reader};
use crate::domain::roster::{Place, Row, Who};
use crate::domain::schedule::Notice;
use crate::error::Result;
use crate::store::Sql;
use crate::store::deliveries::{self, NewDelivery};
use crate::store::games::GameView;
use crate::store::people::Person;

/// What a letter is about, beside the game.
pub(super) struct Occasion {
    /// Makes the letter unique for its reader: the start and the offset, or the version of the change (NO-20).
    pub(super) subject: String,
    /// When it should be sent.
    pub(super) due_at: DateTime<Utc>,
    /// Of a move: the start that people know.
    pub(super) was_at: Option<DateTime<Utc>>,
    /// Who is not on the roster any more.
    pub(super) gone: Option<Person>,
}

impl Occasion {
    /// The change that made this version of the game.
    pub(super) fn now(version: i64, now: DateTime<Utc>) -> Self {
        Self { subject: version.to_string(), due_at: now, was_at: None, gone: None }
    }
}

/// Stores one letter for each recipient who wants it; writing twice adds nothing. Says how many are new.
pub(super) async fn letters(
    sql: &mut Sql,
    view: &GameView,
    recipients: &[Recipient],
    occasion: &Occasion,
) -> Result<usize> {
    let mut new = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let Some(person) = person(view, recipient, occasion) else { continue };
        if person.notify_dm && !person.muted_kinds.iter().any(|kind| kind == recipient.kind.as_str()) {
            new.push(letter(view, recipient, person, occasion)?);
        }
    }
    if new.is_empty() {
        return Ok(0);
    }
    Ok(deliveries::bear(sql, &new).await?.len())
}

fn person<'a>(view: &'a GameView, recipient: &Recipient, occasion: &'a Occasion) -> Option<&'a Person> {
    let people = view.rows.iter().filter_map(|(_, person)| person.as_ref());
    let mut people = people.chain([&view.host]).chain(&occasion.gone);
    people.find(|person| person.id == recipient.user)
}

fn letter(view: &GameView, recipient: &Recipient, person: &Person, occasion: &Occasion) -> Result<NewDelivery> {
    let game = &view.game;
    let id = DeliveryId::new();
    let kind = recipient.kind;
    let payload = serde_json::to_value(content(view, recipient, occasion)).map_err(anyhow::Error::from)?;
    Ok(NewDelivery {
        id,
        guild: game.guild,
        game: game.id,
        dedupe_key: format!("{kind}|{}|{}|{}", game.id, occasion.subject, person.discord),
        recipient: person.discord,
        kind: kind.as_str(),
        payload,
        due_at: occasion.due_at,
        for_start_at: kind.is_stale_once_moved().then_some(game.scheduled_at),
        nonce: deliveries::nonce(id),
        not_after: kind.not_after(occasion.due_at, game.ends_at()),
    })
}

fn content(view: &GameView, recipient: &Recipient, occasion: &Occasion) -> Letter {
    let game = &view.game;
    let roster = view.roster();
    let (reader, place) = match (recipient.kind, recipient.role) {
        (Notice::Left | Notice::Removed, _) => (Reader::Gone, None),
        (_, Role::Host(Some(place @ Place::Waiting(_)))) => (Reader::HostInLine, Some(number(place))),
        (_, Role::Host(place)) => (Reader::Host, place.map(number)),
        (_, Role::Player(place @ Place::Confirmed(_))) => (Reader::Confirmed, Some(number(place))),
        (_, Role::Player(place @ Place::Waiting(_))) => (Reader::Waiting, Some(number(place))),
    };
    Letter {
        game: game.id,
        title: game.title.clone(),
        start: game.scheduled_at,
        was: occasion.was_at,
        reader,
        place,
        confirmed: u32::try_from(roster.confirmed().len()).unwrap_or(u32::MAX),
        waiting: u32::try_from(roster.waiting().len()).unwrap_or(u32::MAX),
        seats: game.max_players.unsigned_abs(),
        host_picks: game.signup_method == SignupMethod::HostSelectedWithWaitlist,
        who: occasion.gone.as_ref().map(|person| Named::User(person.discord)),
        next: roster.waiting().first().and_then(|row| named(view, row)),
        location: game.location.clone(),
        instructions: game.signup_instructions.clone(),
        reason: game.cancel_reason.clone(),
        guild: view.guild_discord,
        channel: view.channel_discord,
        message: view.message,
    }
}

fn named(view: &GameView, wanted: &Row) -> Option<Named> {
    match &wanted.who {
        Who::Placeholder(name) => Some(Named::Name(name.clone())),
        Who::User(_) => {
            let (_, person) = view.rows.iter().find(|(row, _)| row.id == wanted.id)?;
            person.as_ref().map(|person| Named::User(person.discord))
        }
    }
}

fn number(place: Place) -> u32 {
    let (Place::Confirmed(number) | Place::Waiting(number)) = place;
    u32::try_from(number).unwrap_or(u32::MAX)
}
