//! What actions work with, and who asks for them.

use crate::amqp::relay::Hint;
use crate::clock::Clock;
use crate::daemon::Notifier;
use crate::domain::game::Face;
use crate::domain::ids::{DiscordRole, UserId};
use crate::error::Result;
use crate::store::people::Profile;
use crate::store::{Db, Sql, people};

/// What actions work with.
#[derive(Clone, Debug)]
pub struct App {
    /// The truth.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Wakes this process's relay after a commit.
    pub hint: Hint,
    /// Tells the daemons that something is due within their sleep.
    pub notifier: Notifier,
}

/// Somebody on some face, with what they may do in the game's guild at this moment.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who.
    pub person: Person,
    /// Where they ask.
    pub face: Face,
    /// The roles they hold in the guild, the one with the guild's id among them.
    pub roles: Vec<DiscordRole>,
    /// Whether they manage the guild (PE-02).
    pub manager: bool,
}

/// Who somebody is.
#[derive(Clone, Debug)]
pub enum Person {
    /// Signed in: we have a row.
    Known(UserId),
    /// Seen in Discord: the row is made at first contact (GE-15).
    Met(Profile),
}

impl Actor {
    /// The user's row, made if need be in the transaction of the action.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn user(&self, sql: &mut Sql, clock: Clock) -> Result<UserId> {
        match &self.person {
            Person::Known(user) => Ok(*user),
            Person::Met(profile) => people::meet(sql, profile, clock.now()).await,
        }
    }
}
