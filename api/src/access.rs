//! What the caller may do in a guild at this moment, from the projection (PE-01 to PE-08).

use shared::app::{Actor, Person};
use shared::cache::projection::{MemberView, Members};
use shared::domain::form::Template;
use shared::domain::game::Face;
use shared::domain::ids::{DiscordGuild, DiscordRole, DiscordUser, GameId, GuildId};
use shared::domain::permission::{Member, Viewer, may_host, may_join, may_see};
use shared::error::Refusal;
use shared::store::games::{self, GameView};
use shared::store::guilds::{self, Guild};
use shared::telemetry::span::note;

use crate::Api;
use crate::problem::Problem;
use crate::session::Caller;

/// A member's rights in one guild.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) guild: GuildId,
    pub(crate) discord: DiscordGuild,
    pub(crate) member: Member,
    pub(crate) view: MemberView,
    pub(crate) manager: bool,
}

impl Access {
    /// To a guild; who is no member gets the answer for a guild that does not exist (PE-01).
    pub(crate) async fn to_guild(api: &Api, caller: &Caller, guild: GuildId) -> Result<(Self, Guild), Problem> {
        let guild = guilds::by_id(&mut api.sql().await?, guild).await?.ok_or(Refusal::NotFound)?;
        note("gamesched.guild.id", guild.discord.to_string());
        let access = Self::evaluate(api, caller, (guild.id, guild.discord), &guild.manager_roles).await?;
        Ok((access.ok_or(Refusal::NotFound)?, guild))
    }

    /// To the guild of a game: the right is taken from the game's own guild (PE-07).
    pub(crate) async fn to_game(api: &Api, caller: &Caller, game: GameId) -> Result<Self, Problem> {
        let found = games::guild_of(&mut api.sql().await?, game).await?;
        let (guild, discord, managers) = found.ok_or(Refusal::NotFound)?;
        note("gamesched.guild.id", discord.to_string());
        Ok(Self::evaluate(api, caller, (guild, discord), &managers).await?.ok_or(Refusal::NotFound)?)
    }

    /// Asks the projection afresh (PE-08); `None` for who is no member. A request may ask about several guilds, so
    /// this does not say which one the request is about.
    pub(crate) async fn evaluate(
        api: &Api,
        caller: &Caller,
        (guild, discord): (GuildId, DiscordGuild),
        manager_roles: &[DiscordRole],
    ) -> Result<Option<Self>, Problem> {
        let among = Self::among(api, caller, (guild, discord), manager_roles, &[]).await?;
        Ok(among.map(|(access, _)| access))
    }

    /// To the guild of a game, and who of the `others` are its members, asked in one go.
    pub(crate) async fn with_members(
        api: &Api,
        caller: &Caller,
        view: &GameView,
        others: &[DiscordUser],
    ) -> Result<(Self, Members), Problem> {
        if !view.guild_present {
            return Err(Refusal::NotFound.into());
        }
        note("gamesched.guild.id", view.guild_discord.to_string());
        let guild = (view.game.guild, view.guild_discord);
        let among = Self::among(api, caller, guild, &view.guild_managers, others).await?;
        Ok(among.ok_or(Refusal::NotFound)?)
    }

    async fn among(
        api: &Api,
        caller: &Caller,
        (guild, discord): (GuildId, DiscordGuild),
        manager_roles: &[DiscordRole],
        others: &[DiscordUser],
    ) -> Result<Option<(Self, Members)>, Problem> {
        let standing = api.projection.standing_among(discord, caller.discord, others).await?;
        let Some((standing, members)) = standing else { return Ok(None) };
        let roles = standing.member.roles.clone();
        let member = Member::new(caller.user, discord, roles, standing.permissions, standing.owner);
        let manager = member.is_manager(manager_roles);
        Ok(Some((Self { guild, discord, member, view: standing.member, manager }, members)))
    }

    /// The caller as actions know them.
    pub(crate) fn actor(&self) -> Actor {
        let person = Person::Known(self.member.user);
        Actor { person, face: Face::Web, roles: self.member.roles().to_vec(), manager: self.manager }
    }

    /// Managers only (PE-20).
    pub(crate) fn must_manage(&self) -> Result<(), Refusal> {
        if self.manager { Ok(()) } else { Err(Refusal::Forbidden { need: "manage this server" }) }
    }

    /// Whoever may host games with a template (PE-05, PE-15).
    pub(crate) fn must_host(&self, template: &Template) -> Result<(), Refusal> {
        if may_host(&template.host_roles, self.member.roles(), self.manager) {
            return Ok(());
        }
        Err(Refusal::Forbidden { need: "host games with this template" })
    }

    /// Whether the caller runs a game (PE-17).
    pub(crate) fn runs(&self, view: &GameView) -> bool {
        self.manager || view.game.host == self.member.user
    }

    /// Hidden games are not there; seeing is wider than joining (PE-06, PE-11, PE-12).
    pub(crate) fn must_see(&self, view: &GameView, now: chrono::DateTime<chrono::Utc>) -> Result<(), Refusal> {
        let plays = view.rows.iter().any(|(row, _)| row.who.user() == Some(self.member.user));
        let viewer = Viewer { user: self.member.user, roles: self.member.roles(), manager: self.manager };
        Ok(may_see(&view.game, &viewer, plays, now)?)
    }

    /// The player gate, for the caller (PE-06).
    pub(crate) fn may_join(&self, view: &GameView) -> bool {
        view.game.host == self.member.user || may_join(&view.game.player_roles, self.member.roles())
    }
}
