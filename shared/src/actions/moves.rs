//! What a change of a roster means for people: computed once, from the roster before and after (RO-11, RO-30).

use chrono::{DateTime, Utc};

use super::tell::{Occasion, letters};
use crate::domain::audience;
use crate::domain::game::Game;
use crate::domain::roster::{Changes, Roster, Row};
use crate::error::{Refusal, Result};
use crate::events::RosterEvent;
use crate::store::{Sql, games, people, schedule as due};

/// One change of a roster, stored already.
pub(super) struct Change<'a> {
    /// The game as it is now.
    pub(super) game: &'a Game,
    /// The roster as it was.
    pub(super) before: &'a Roster,
    /// The roster as it is now.
    pub(super) after: &'a Roster,
    /// Who left by themselves, if somebody did.
    pub(super) left: Option<Leaver<'a>>,
}

/// A row that left by itself.
pub(super) struct Leaver<'a> {
    /// What it was.
    pub(super) row: &'a Row,
    /// Whether they had been told that they were in.
    pub(super) heard: bool,
}

/// Writes to everybody whom a change moved, and to whom else it concerns. What the event of the change says of the
/// roster, once for each person.
pub(super) async fn tell(sql: &mut Sql, change: &Change<'_>, now: DateTime<Utc>) -> Result<Vec<RosterEvent>> {
    let moved = Changes::between(change.before, change.after);
    let left = change.left.iter().map(|_| RosterEvent::Left);
    let promoted = moved.promoted.iter().map(|_| RosterEvent::Promoted);
    let demoted = moved.demoted.iter().map(|_| RosterEvent::Demoted);
    let events: Vec<_> = left.chain(promoted).chain(demoted).collect();

    // Once a game is announced, everybody is told where they stand then.
    if change.game.is_known(now) {
        write(sql, change, &moved, now).await?;
    }
    Ok(events)
}

async fn write(sql: &mut Sql, change: &Change<'_>, moved: &Changes, now: DateTime<Utc>) -> Result<()> {
    let Change { game, before, after, left } = change;
    let mut told = vec![];
    if let Some(Leaver { row, heard }) = left
        && let Some(place) = before.place_of(row.id)
    {
        told.extend(audience::left(game, after, (row, place), *heard));
    }
    if *moved != Changes::default() {
        told.extend(audience::moved(after, moved, &due::unheard(sql, game.id).await?));
    }
    if told.is_empty() {
        return Ok(());
    }
    let view = games::view(sql, game.id).await?.ok_or(Refusal::NotFound)?;
    let gone = match left.as_ref().and_then(|left| left.row.who.user()) {
        Some(user) => people::by_id(sql, &[user]).await?.remove(&user),
        None => None,
    };
    let occasion = Occasion { gone, ..Occasion::now(view.game.version, now) };
    letters(sql, &view, &told, &occasion).await?;
    Ok(())
}
