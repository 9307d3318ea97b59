//! Who plays and who waits: order, seats, and the verbs that change them.

use std::collections::HashSet;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::game::SignupMethod;
use super::ids::{DiscordRole, ParticipantId, UserId};

/// Rows a roster may hold (L-12).
pub const ROWS: usize = 1000;
/// The position of a row that the host has not placed: sorts last (RO-03).
pub const UNPLACED: i32 = 32_767;

/// How a row came in; the first sort key (RO-01 to RO-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Starters, and rows that the host added or promoted.
    HostAdded = 8000,
    /// Joins that hold a priority role.
    RoleMatched = 16000,
    /// Every other join.
    SelfAdded = 24000,
}

impl Class {
    /// The stored form, `position_type`.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The class of a stored number.
    #[must_use]
    pub const fn of(number: i32) -> Option<Self> {
        match number {
            8000 => Some(Self::HostAdded),
            16000 => Some(Self::RoleMatched),
            24000 => Some(Self::SelfAdded),
            _ => None,
        }
    }
}

/// Who a row stands for: a user or a name the host typed, never both, never neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Somebody we know.
    User(UserId),
    /// A plain name; takes a seat and is never notified.
    Placeholder(String),
}

impl Who {
    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(*user),
            Self::Placeholder(_) => None,
        }
    }
}

/// A row of a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of participants, by their own names")]
pub struct Row {
    pub id: ParticipantId,
    pub who: Who,
    pub class: Class,
    pub position: i32,
    pub joined_at: DateTime<Utc>,
}

impl Row {
    /// RO-08, the same everywhere.
    const fn order(&self) -> (Class, i32, DateTime<Utc>, ParticipantId) {
        (self.class, self.position, self.joined_at, self.id)
    }
}

/// Where a row stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Has that seat.
    Confirmed(usize),
    /// That number in line.
    Waiting(usize),
}

/// What a join did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// A row is new.
    Added {
        /// To be stored as it is.
        row: Row,
        /// Where it stands.
        place: Place,
    },
    /// They were in already: success without effect (GE-08).
    Already {
        /// Where they stand.
        place: Place,
    },
}

impl Joined {
    /// Where the player stands now.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::Added { place, .. } | Self::Already { place } => *place,
        }
    }
}

/// Why nobody was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RosterRefusal {
    /// Only the host adds (RO-05).
    HostPicks,
    /// L-12 is reached (RO-13).
    RosterFull,
}

/// The rows of one game, always in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    method: SignupMethod,
    seats: i32,
    rows: Vec<Row>,
}

impl Roster {
    /// Puts rows in order.
    #[must_use]
    pub fn new(method: SignupMethod, seats: i32, rows: Vec<Row>) -> Self {
        let mut roster = Self { method, seats, rows };
        roster.sort();
        roster
    }

    /// How people get a seat.
    #[must_use]
    pub const fn method(&self) -> SignupMethod {
        self.method
    }

    /// How many can play.
    #[must_use]
    pub const fn seats(&self) -> i32 {
        self.seats
    }

    /// All rows in order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows that have a seat.
    #[must_use]
    pub fn confirmed(&self) -> &[Row] {
        &self.rows[..self.confirmed_count()]
    }

    /// The rows in line.
    #[must_use]
    pub fn waiting(&self) -> &[Row] {
        &self.rows[self.confirmed_count()..]
    }

    /// Every row and where it stands, in order.
    pub fn places(&self) -> impl Iterator<Item = (&Row, Place)> {
        let confirmed = self.confirmed_count();
        self.rows.iter().enumerate().map(move |(index, row)| (row, place(index, confirmed)))
    }

    /// Where a row stands.
    #[must_use]
    pub fn place_of(&self, participant: ParticipantId) -> Option<Place> {
        self.places().find(|(row, _)| row.id == participant).map(|(_, place)| place)
    }

    /// Where a user stands.
    #[must_use]
    pub fn place_of_user(&self, user: UserId) -> Option<Place> {
        self.places().find(|(row, _)| row.who == Who::User(user)).map(|(_, place)| place)
    }

    /// A join by oneself (RO-02 to RO-08, RO-13). `held` are the player's roles now, `priority` the game's.
    ///
    /// # Errors
    /// When only the host adds, or no further row fits.
    pub fn join(
        &mut self,
        user: UserId,
        held: &[DiscordRole],
        priority: &[DiscordRole],
        now: DateTime<Utc>,
    ) -> Result<Joined, RosterRefusal> {
        if let Some(place) = self.place_of_user(user) {
            return Ok(Joined::Already { place });
        }
        if self.method == SignupMethod::HostSelected {
            return Err(RosterRefusal::HostPicks);
        }
        if self.rows.len() >= ROWS {
            return Err(RosterRefusal::RosterFull);
        }
        let (class, position) = match self.matched_role(held, priority) {
            Some(index) => (Class::RoleMatched, index),
            None => (Class::SelfAdded, UNPLACED),
        };
        let row = self.row(Who::User(user), class, position, now);
        let place = self.insert(row.clone());
        Ok(Joined::Added { row, place })
    }

    /// Takes a user's row out; none is fine (RO-14).
    pub fn leave(&mut self, user: UserId) -> Option<Row> {
        let index = self.rows.iter().position(|row| row.who == Who::User(user))?;
        Some(self.rows.remove(index))
    }

    /// Starters become host rows in the order typed; blank names are skipped, a user counts once (RO-15).
    /// Gives the new rows.
    pub fn seed_starters(&mut self, starters: Vec<Who>, now: DateTime<Utc>) -> Vec<Row> {
        let mut seen: HashSet<UserId> = self.rows.iter().filter_map(|row| row.who.user()).collect();
        let mut added = Vec::with_capacity(starters.len());
        for who in starters {
            let wanted = match &who {
                Who::User(user) => seen.insert(*user),
                Who::Placeholder(name) => !name.trim().is_empty(),
            };
            if wanted {
                let row = self.row(who, Class::HostAdded, self.end_of_host_block(), now);
                self.insert(row.clone());
                added.push(row);
            }
        }
        added
    }

    /// Another number of seats; every class stays (RO-26).
    pub const fn resize(&mut self, seats: i32) {
        self.seats = seats;
    }

    /// Another method; every class stays (RO-26).
    pub const fn change_method(&mut self, method: SignupMethod) {
        self.method = method;
    }

    /// The confirmed are always the first rows: host rows sort before all others (RO-04 to RO-07).
    fn confirmed_count(&self) -> usize {
        let eligible = match self.method {
            SignupMethod::SelfSignup | SignupMethod::HostSelected | SignupMethod::RoleBased => self.rows.len(),
            SignupMethod::HostSelectedWithWaitlist => self.rows.partition_point(|row| row.class == Class::HostAdded),
        };
        eligible.min(usize::try_from(self.seats).unwrap_or(0))
    }

    /// Which of the priority roles comes first among those held (RO-02).
    fn matched_role(&self, held: &[DiscordRole], priority: &[DiscordRole]) -> Option<i32> {
        if self.method != SignupMethod::RoleBased {
            return None;
        }
        priority.iter().position(|role| held.contains(role)).and_then(|index| i32::try_from(index).ok())
    }

    fn end_of_host_block(&self) -> i32 {
        let host_rows = self.rows.iter().filter(|row| row.class == Class::HostAdded);
        host_rows.map(|row| row.position).max().unwrap_or(0) + 1
    }

    fn row(&self, who: Who, class: Class, position: i32, now: DateTime<Utc>) -> Row {
        Row { id: ParticipantId::new(), who, class, position, joined_at: self.next_joined_at(now) }
    }

    /// Strictly later than every row (RO-08), in the microseconds that the database keeps.
    fn next_joined_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let now = now.trunc_subsecs(6);
        let last = self.rows.iter().map(|row| row.joined_at).max();
        last.map_or(now, |last| now.max(last + TimeDelta::microseconds(1)))
    }

    fn insert(&mut self, row: Row) -> Place {
        let index = self.rows.partition_point(|other| other.order() < row.order());
        self.rows.insert(index, row);
        place(index, self.confirmed_count())
    }

    fn sort(&mut self) {
        self.rows.sort_by_key(Row::order);
    }
}

const fn place(index: usize, confirmed: usize) -> Place {
    if index < confirmed { Place::Confirmed(index + 1) } else { Place::Waiting(index - confirmed + 1) }
}

/// Users whom one mutation moved up to a seat, or back into the line (RO-30).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Waiting before, confirmed after; in the order of the roster.
    pub promoted: Vec<UserId>,
    /// Confirmed before, waiting after; in the order of the roster.
    pub demoted: Vec<UserId>,
}

impl Changes {
    /// Compares places of the users present in both.
    #[must_use]
    pub fn between(before: &Roster, after: &Roster) -> Self {
        Self {
            promoted: moved(before.waiting(), after.confirmed()),
            demoted: moved(before.confirmed(), after.waiting()),
        }
    }
}

fn moved(from: &[Row], to: &[Row]) -> Vec<UserId> {
    let from: HashSet<UserId> = from.iter().filter_map(|row| row.who.user()).collect();
    to.iter().filter_map(|row| row.who.user()).filter(|user| from.contains(user)).collect()
}

#[cfg(test)]
mod tests;
