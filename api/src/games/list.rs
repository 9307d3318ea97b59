//! Lists of games: exactly what the caller may open, in one order, with a true total (LS-01 to LS-06).

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use futures_util::future::try_join_all;
use shared::actions;
use shared::domain::form::FieldError;
use shared::domain::game::Status;
use shared::domain::ids::{ChannelId, GuildId};
use shared::error::Refusal;
use shared::store::games::{Filter, GameView};
use shared::store::guilds::{self, Guild};
use utoipa::ToSchema;

use super::shape::{self, GameList};
use super::words::Words;
use crate::Api;
use crate::access::Access;
use crate::extract::Pairs;
use crate::problem::Problem;
use crate::session::Caller;

/// A page, unless another size is asked for (L-39).
const PAGE: i64 = 25;
/// The largest page (L-39).
const LARGEST: i64 = 100;

/// Whose games.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Those that the caller hosts.
    Host,
    /// Those whose roster has the caller.
    Participant,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    guild: Option<GuildId>,
    channel: Option<ChannelId>,
    statuses: Vec<Status>,
    role: Option<Role>,
    limit: i64,
    offset: i64,
}

impl Asked {
    fn read(query: &Pairs) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        let asked = Self {
            guild: query.read("guild_id", &mut errors),
            channel: query.read("channel_id", &mut errors),
            statuses: statuses(query, &mut errors),
            role: role(query, &mut errors),
            limit: query.read("limit", &mut errors).unwrap_or(PAGE),
            offset: query.read("offset", &mut errors).unwrap_or(0),
        };
        if !(1..=LARGEST).contains(&asked.limit) {
            refuse(&mut errors, "limit", "A page has 1 to 100 games.");
        }
        if asked.offset < 0 {
            refuse(&mut errors, "offset", "The offset cannot lie below 0.");
        }
        if errors.is_empty() { Ok(asked) } else { Err(Problem::from(Refusal::Invalid(errors)).in_query()) }
    }
}

fn refuse(errors: &mut Vec<FieldError>, field: &'static str, message: &str) {
    errors.push(FieldError { field, code: "out_of_range", message: message.to_owned() });
}

fn statuses(query: &Pairs, errors: &mut Vec<FieldError>) -> Vec<Status> {
    let mut statuses = Vec::new();
    for word in query.all("status") {
        match word.parse() {
            Ok(status) => statuses.push(status),
            Err(_) => {
                let message = format!("There is no state {}.", shared::domain::text::truncate(word, 40, "…"));
                errors.push(FieldError { field: "status", code: "invalid_value", message });
            }
        }
    }
    // What waits for its host's word is shown as scheduled, so it is found as that.
    if statuses.contains(&Status::Scheduled) {
        statuses.push(Status::PendingConfirmation);
    }
    statuses
}

fn role(query: &Pairs, errors: &mut Vec<FieldError>) -> Option<Role> {
    match query.first("role")? {
        "host" => Some(Role::Host),
        "participant" => Some(Role::Participant),
        _ => {
            let message = "The role is host or participant.".to_owned();
            errors.push(FieldError { field: "role", code: "invalid_value", message });
            None
        }
    }
}

/// Games of the caller's servers: what lies ahead by its start, then what is over, the latest first.
#[utoipa::path(get, path = "/games",
    params(("guild_id" = Option<Uuid>, Query), ("channel_id" = Option<Uuid>, Query),
        ("status" = Option<Vec<String>>, Query, description = "May be repeated."), ("role" = inline(Option<Role>), Query),
        ("limit" = Option<i64>, Query, description = "1 to 100, 25 by default."), ("offset" = Option<i64>, Query)),
    responses((status = 200, description = "A page.", body = GameList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Pairs) -> Result<Json<GameList>, Problem> {
    let asked = Asked::read(&query)?;
    let accesses = accesses(&api, &caller, asked.guild).await?;
    let filter = filter(&caller, &accesses, &asked);
    let actions::Page { games: views, total } = actions::list(&api.app, &filter).await?;
    let words = words(&api, &accesses, &views).await?;
    let now = api.app.clock.now();
    let shown = views.iter().filter_map(|view| {
        let access = accesses.iter().find(|access| access.guild == view.game.guild)?;
        Some(shape::game(view, access, words.get(&view.game.guild)?, now))
    });
    Ok(Json(GameList { games: shown.collect(), total, limit: asked.limit, offset: asked.offset }))
}

/// The caller's rights in the guild asked for, or in every one they share with the bot.
async fn accesses(api: &Api, caller: &Caller, guild: Option<GuildId>) -> Result<Vec<Access>, Problem> {
    if let Some(guild) = guild {
        return Ok(vec![Access::to_guild(api, caller, guild).await?.0]);
    }
    let shared = api.projection.guilds_of(caller.discord).await?;
    let guilds = guilds::by_discord(&mut api.sql().await?, &shared).await?;
    let access = |guild: Guild| async move {
        Access::evaluate(api, caller, (guild.id, guild.discord), &guild.manager_roles).await
    };
    // Whoever left a guild since it was listed misses its games, and no others.
    Ok(try_join_all(guilds.into_iter().map(access)).await?.into_iter().flatten().collect())
}

fn filter(caller: &Caller, accesses: &[Access], asked: &Asked) -> Filter {
    Filter {
        reader: Some(caller.user),
        guilds: accesses.iter().map(|access| access.guild).collect(),
        managed: accesses.iter().filter(|access| access.manager).map(|access| access.guild).collect(),
        roles: accesses.iter().flat_map(|access| access.member.roles()).copied().collect(),
        channel: asked.channel,
        statuses: asked.statuses.clone(),
        hosting: asked.role == Some(Role::Host),
        joined: asked.role == Some(Role::Participant),
        limit: asked.limit,
        offset: asked.offset,
    }
}

/// One batch of names for each guild on the page.
async fn words(api: &Api, accesses: &[Access], views: &[GameView]) -> Result<HashMap<GuildId, Words>, Problem> {
    let mut words = HashMap::new();
    for access in accesses {
        let of_guild: Vec<&GameView> = views.iter().filter(|view| view.game.guild == access.guild).collect();
        if !of_guild.is_empty() {
            words.insert(access.guild, Words::of(api, access.discord, &of_guild).await?);
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked, Problem> {
        Asked::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_list_without_wishes_is_the_first_page_of_everything() {
        let everything = Asked { guild: None, channel: None, statuses: vec![], role: None, limit: 25, offset: 0 };
        assert_eq!(asked(&[]).unwrap(), everything);
    }

    #[test]
    fn scheduled_games_include_those_that_wait_for_their_hosts_word() {
        let asked = asked(&[("status", "SCHEDULED"), ("status", "CANCELLED"), ("role", "host")]).unwrap();
        assert_eq!(asked.statuses, [Status::Scheduled, Status::Cancelled, Status::PendingConfirmation]);
        assert_eq!(asked.role, Some(Role::Host));
    }

    #[test]
    fn ls_02_unknown_values_are_refused_all_at_once_with_their_place() {
        let wishes = [("status", "LOST"), ("role", "judge"), ("limit", "101"), ("offset", "-1"), ("guild_id", "7")];
        let problem = asked(&wishes).unwrap_err();
        assert_eq!(problem.status(), 422);
        let body = problem.body();
        let fields: Vec<_> = body["details"].as_array().unwrap().iter().map(|entry| &entry["field"]).collect();
        assert_eq!(fields, ["query.guild_id", "query.status", "query.role", "query.limit", "query.offset"]);
    }
}
