//! `/my-games`: what somebody hosts and what they play in, over all servers, also in a direct message (DI-06, DI-10).

use futures_util::future::try_join_all;
use serde_json::Value;
use shared::actions;
use shared::cache::Away;
use shared::domain::game::Status;
use shared::domain::ids::{DiscordUser, GuildId, UserId};
use shared::domain::permission::Member;
use shared::error::{Refusal, Result};
use shared::store::games::Filter;
use shared::store::guilds::{self, Guild};
use shared::store::people;
use tracing::debug;
use twilight_model::application::interaction::Interaction;

use super::{PAGE, list};
use crate::Bot;
use crate::interactions::who;
use crate::render::list::render;
use crate::words;

/// Not over yet.
const AHEAD: [Status; 3] = [Status::Scheduled, Status::PendingConfirmation, Status::InProgress];

/// The two lists; a hosted game in which one plays stands in both.
pub(in crate::interactions) async fn answer(bot: &Bot, interaction: &Interaction) -> Result<Value> {
    let visible = visible(bot, who::profile(interaction)?.discord).await?;
    let hosted = actions::list(&bot.app, &Filter { hosting: true, ..visible.clone() }).await?;
    let joined = actions::list(&bot.app, &Filter { joined: true, ..visible }).await?;
    Ok(render(&[
        list(bot, words::HOSTED, None, words::NONE_HOSTED, &hosted, true),
        list(bot, words::JOINED, None, words::NONE_JOINED, &joined, true),
    ]))
}

/// What they may see. An interaction tells roles of one server at most, so the projection says which they are in;
/// while it cannot, there is an honest refusal and never a shorter list (LS-07).
async fn visible(bot: &Bot, user: DiscordUser) -> Result<Filter> {
    let shared = bot.cache.projection().guilds_of(user).await.map_err(later)?;
    let mut sql = bot.app.db.connection().await?;
    let known = guilds::by_discord(&mut sql, &shared).await?;
    let reader = people::by_discord(&mut sql, &[user]).await?.remove(&user);
    drop(sql);
    let found = try_join_all(known.iter().map(|guild| rights(bot, guild, user))).await?;
    let own = || found.iter().flatten();
    Ok(Filter {
        reader,
        guilds: own().map(|(guild, _)| *guild).collect(),
        managed: own().filter(|(_, manages)| *manages).map(|(guild, _)| *guild).collect(),
        statuses: AHEAD.to_vec(),
        limit: PAGE,
        ..Filter::default()
    })
}

/// Whether they manage a guild; none for who left it since it was listed.
async fn rights(bot: &Bot, guild: &Guild, user: DiscordUser) -> Result<Option<(GuildId, bool)>> {
    let standing = bot.cache.projection().standing(guild.discord, user).await.map_err(later)?;
    Ok(standing.map(|standing| {
        let (roles, bits) = (standing.member.roles, standing.permissions);
        let member = Member::new(UserId::new(), guild.discord, roles, bits, standing.owner);
        (guild.id, member.is_manager(&guild.manager_roles))
    }))
}

fn later(away: Away) -> Refusal {
    debug!("the projection cannot be asked: {away}");
    Refusal::TryLater { seconds: 5 }
}
