//! Who is told of a change of a game: whoever could look at the game at this moment (LS-10, LI-34).

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::domain::game::Game;
use shared::domain::ids::{DiscordGuild, DiscordRole, DiscordUser, GameId, UserId};
use shared::domain::permission::{Member, Viewer, may_see};
use shared::error::Error;
use shared::store::games::{self, GameView};
use shared::store::{Sql, fault};

use crate::Api;

/// Users of one question to the projection.
const BATCH: usize = 500;
/// Questions about single users at once.
const AT_ONCE: usize = 16;

/// Those of the users who may see a game now; nobody when it is gone.
pub(super) async fn of(
    api: &Api,
    game: GameId,
    users: HashMap<DiscordUser, UserId>,
) -> anyhow::Result<HashSet<UserId>> {
    let mut sql = api.app.db.connection().await.map_err(fault)?;
    let Some(subject) = Subject::find(&mut sql, game).await.map_err(Error::into_fault)? else {
        return Ok(HashSet::new());
    };
    drop(sql);
    let open = subject.is_open(api);
    let asked: Vec<DiscordUser> = users.keys().copied().collect();
    let mut audience = HashSet::new();
    for batch in asked.chunks(BATCH) {
        let members = api.projection.names(subject.guild, batch).await?;
        let known = batch.iter().filter(|discord| members.contains_key(discord));
        let known: Vec<_> = known.filter_map(|discord| Some((*discord, *users.get(discord)?))).collect();
        if open {
            audience.extend(known.into_iter().map(|(_, user)| user));
            continue;
        }
        let asked = known.into_iter().map(|(discord, user)| {
            let subject = &subject;
            async move { anyhow::Ok(subject.admits(api, discord, user).await?.then_some(user)) }
        });
        let admitted: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        audience.extend(admitted.into_iter().flatten());
    }
    Ok(audience)
}

/// The game, and what decides who sees it.
struct Subject {
    guild: DiscordGuild,
    manager_roles: Vec<DiscordRole>,
    game: Game,
    players: HashSet<UserId>,
}

impl Subject {
    async fn find(sql: &mut Sql, game: GameId) -> shared::error::Result<Option<Self>> {
        let view = games::view(sql, game).await?.filter(|view| view.guild_present);
        let Some(GameView { game, rows, guild_discord, guild_managers, .. }) = view else { return Ok(None) };
        let players = rows.iter().filter_map(|(row, _)| row.who.user()).collect();
        Ok(Some(Self { guild: guild_discord, manager_roles: guild_managers, game, players }))
    }

    /// Every member sees it, so that nobody's roles matter.
    fn is_open(&self, api: &Api) -> bool {
        self.game.player_roles.is_empty() && !self.game.is_hidden(api.app.clock.now())
    }

    async fn admits(&self, api: &Api, discord: DiscordUser, user: UserId) -> anyhow::Result<bool> {
        let Some(standing) = api.projection.standing(self.guild, discord).await? else { return Ok(false) };
        let roles = standing.member.roles;
        let member = Member::new(user, self.guild, roles, standing.permissions, standing.owner);
        let manager = member.is_manager(&self.manager_roles);
        let viewer = Viewer { user, roles: member.roles(), manager };
        Ok(may_see(&self.game, &viewer, self.players.contains(&user), api.app.clock.now()).is_ok())
    }
}
