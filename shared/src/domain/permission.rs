//! Who may manage, host and join (PE-02 to PE-06), from roles and permission bits alone.

use chrono::{DateTime, Utc};

use super::game::Game;
use super::ids::{DiscordGuild, DiscordRole, UserId};

const ADMINISTRATOR: u64 = 1 << 3;
const MANAGE_GUILD: u64 = 1 << 5;

/// Somebody who is in the guild now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    roles: Vec<DiscordRole>,
    permissions: u64,
    owner: bool,
}

impl Member {
    /// `permissions` are the bits of all the member's roles together, channel overwrites ignored (PE-03).
    /// The role with the guild's id, which every member holds, is added here.
    #[must_use]
    pub fn new(user: UserId, guild: DiscordGuild, roles: Vec<DiscordRole>, permissions: u64, owner: bool) -> Self {
        let mut roles = roles;
        let everyone: DiscordRole = guild.cast();
        if !roles.contains(&everyone) {
            roles.push(everyone);
        }
        Self { user, roles, permissions, owner }
    }

    /// The roles held, the one with the guild's id among them.
    #[must_use]
    pub fn roles(&self) -> &[DiscordRole] {
        &self.roles
    }

    /// PE-03: only they edit the list of manager roles.
    #[must_use]
    pub const fn is_guild_admin(&self) -> bool {
        self.owner || self.permissions & (ADMINISTRATOR | MANAGE_GUILD) != 0
    }

    /// PE-02: configured roles add managers and never take the right from anyone.
    #[must_use]
    pub fn is_manager(&self, manager_roles: &[DiscordRole]) -> bool {
        self.is_guild_admin() || holds_any(manager_roles, &self.roles)
    }
}

/// The player gate: empty admits every member (PE-05). `held` holds the role with the guild's id.
#[must_use]
pub fn may_join(player_roles: &[DiscordRole], held: &[DiscordRole]) -> bool {
    player_roles.is_empty() || holds_any(player_roles, held)
}

/// The host gate: empty admits managers only, and managers pass every host gate (PE-05, PE-15).
#[must_use]
pub fn may_host(host_roles: &[DiscordRole], held: &[DiscordRole], is_manager: bool) -> bool {
    is_manager || holds_any(host_roles, held)
}

/// Who looks at a game, with what they hold in its guild.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// Who.
    pub user: UserId,
    /// The roles held, the one with the guild's id among them.
    pub roles: &'a [DiscordRole],
    /// Whether they manage the guild.
    pub manager: bool,
}

/// Why a game is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It is not announced yet: for everybody but host and managers it is not there (LI-34).
    Hidden,
    /// The player gate.
    Gated,
}

/// Hidden games are not there; seeing is wider than joining (PE-06, PE-11, PE-12). `plays`: they are on the roster.
///
/// # Errors
/// When the game is not shown to them.
pub fn may_see(game: &Game, viewer: &Viewer<'_>, plays: bool, now: DateTime<Utc>) -> Result<(), Unseen> {
    if game.host == viewer.user || viewer.manager {
        return Ok(());
    }
    if game.is_hidden(now) {
        return Err(Unseen::Hidden);
    }
    if plays || may_join(&game.player_roles, viewer.roles) { Ok(()) } else { Err(Unseen::Gated) }
}

fn holds_any(gate: &[DiscordRole], held: &[DiscordRole]) -> bool {
    gate.iter().any(|role| held.contains(role))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{game, noon, noon_plus, role, user};
    use super::*;

    fn member(roles: &[u64], permissions: u64, owner: bool) -> Member {
        let roles = roles.iter().copied().map(role).collect();
        Member::new(user(1), DiscordGuild::new(77), roles, permissions, owner)
    }

    #[test]
    fn pe_05_an_empty_player_gate_admits_every_member() {
        assert!(may_join(&[], member(&[], 0, false).roles()));
    }

    #[test]
    fn pe_05_a_player_gate_admits_holders_of_one_of_its_roles_only() {
        assert!(may_join(&[role(1), role(2)], member(&[2], 0, false).roles()));
        assert!(!may_join(&[role(1), role(2)], member(&[3], 0, false).roles()));
    }

    #[test]
    fn the_role_with_the_guilds_id_in_a_gate_means_every_member() {
        assert!(may_join(&[role(77)], member(&[], 0, false).roles()));
        assert!(may_host(&[role(77)], member(&[], 0, false).roles(), false));
    }

    #[test]
    fn pe_05_an_empty_host_gate_admits_managers_only() {
        assert!(!may_host(&[], member(&[5], 0, false).roles(), false));
        assert!(may_host(&[], member(&[5], 0, false).roles(), true));
    }

    fn sees(game: &Game, number: u128, roles: &[DiscordRole], plays: bool) -> Result<(), Unseen> {
        may_see(game, &Viewer { user: user(number), roles, manager: false }, plays, noon())
    }

    #[test]
    fn li_34_a_hidden_game_is_shown_to_host_and_managers_only() {
        let hidden = Game { post_at: Some(noon_plus(10)), ..game() };
        assert_eq!(sees(&hidden, 1, &[], false), Ok(()));
        assert_eq!(sees(&hidden, 2, &[], true), Err(Unseen::Hidden));
        let manager = Viewer { user: user(2), roles: &[], manager: true };
        assert_eq!(may_see(&hidden, &manager, false, noon()), Ok(()));
    }

    #[test]
    fn pe_06_who_plays_sees_a_game_without_the_role_that_joining_needs() {
        let gated = Game { player_roles: vec![role(5)], ..game() };
        assert_eq!(sees(&gated, 2, &[], false), Err(Unseen::Gated));
        assert_eq!(sees(&gated, 2, &[], true), Ok(()));
        assert_eq!(sees(&gated, 2, &[role(5)], false), Ok(()));
    }

    #[test]
    fn pe_15_a_manager_passes_every_host_gate() {
        assert!(may_host(&[role(1)], member(&[], 0, false).roles(), true));
        assert!(!may_host(&[role(1)], member(&[], 0, false).roles(), false));
        assert!(may_host(&[role(1)], member(&[1], 0, false).roles(), false));
    }

    #[test]
    fn pe_03_owner_administrator_and_manage_guild_each_make_a_guild_admin() {
        assert!(member(&[], 0, true).is_guild_admin());
        assert!(member(&[], 1 << 3, false).is_guild_admin());
        assert!(member(&[], 1 << 5, false).is_guild_admin());
        assert!(!member(&[], 1 << 4, false).is_guild_admin());
    }

    #[test]
    fn pe_02_configured_roles_add_managers_and_take_the_right_from_no_one() {
        assert!(member(&[9], 0, false).is_manager(&[role(9)]));
        assert!(!member(&[8], 0, false).is_manager(&[role(9)]));
        assert!(member(&[8], 1 << 5, false).is_manager(&[role(9)]));
    }
}
