//! What people and time can do, one verb a file: load, decide, save, tell, commit.

mod advance;
mod arm;
mod cancel;
mod create;
mod expand;
mod join;
mod leave;
mod list;
mod moves;
mod sign_in;
mod tell;
mod update;

pub use advance::{Advanced, advance};
pub use cancel::cancel;
pub use create::create;
pub use expand::{Expanded, expand};
pub use join::{Seat, join};
pub use leave::{Left, leave};
pub use list::{Page, list};
pub use sign_in::{SignIn, sign_in};
pub use update::update;

use chrono::{DateTime, Utc};

use crate::app::Actor;
use crate::domain::game::Game;
use crate::domain::ids::UserId;
use crate::domain::permission::{self, Viewer};
use crate::domain::roster::Roster;
use crate::error::{Refusal, Result};

/// What may be done to a game is refused to those who may not see it with the answer for a game that is not there.
fn must_see(game: &Game, roster: &Roster, user: UserId, actor: &Actor, now: DateTime<Utc>) -> Result<()> {
    let viewer = Viewer { user, roles: &actor.roles, manager: actor.manager };
    let plays = roster.place_of_user(user).is_some();
    Ok(permission::may_see(game, &viewer, plays, now).map_err(Refusal::from)?)
}

/// Editing and cancelling are the host's and the managers' (PE-17).
fn must_run(game: &Game, roster: &Roster, user: UserId, actor: &Actor, now: DateTime<Utc>) -> Result<()> {
    must_see(game, roster, user, actor, now)?;
    if game.host == user || actor.manager {
        return Ok(());
    }
    Err(Refusal::Forbidden { need: "manage this game" }.into())
}

/// People may join and leave by themselves (RO-12).
fn must_be_open(game: &Game, now: DateTime<Utc>) -> Result<()> {
    if game.is_open(now) { Ok(()) } else { Err(Refusal::NotOpen(game.status).into()) }
}
