//! Who am I, and what guilds are made of.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bot, Caller};
use crate::discord::refusal::{Answer, Refusal};
use crate::discord::state::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/gateway/bot", get(gateway))
        .route("/applications/@me", get(application))
        .route("/oauth2/applications/@me", get(application))
        .route("/users/@me", get(me))
        .route("/users/@me/guilds", get(my_guilds))
        .route("/users/{user}", get(user))
        .route("/guilds/{guild}", get(guild))
        .route("/guilds/{guild}/channels", get(channels))
        .route("/guilds/{guild}/roles", get(roles))
        .route("/guilds/{guild}/members", get(members))
        .route("/guilds/{guild}/members/{user}", get(member))
}

async fn gateway(_: Bot, State(app): State<App>, headers: HeaderMap) -> Json<Value> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let (shards, remaining) = app.read(|world| (world.shards, world.sessions.remaining()));
    Json(json!({
        "url": format!("ws://{host}"), "shards": shards,
        "session_start_limit": { "total": 1000, "remaining": remaining, "reset_after": 86_400_000, "max_concurrency": 1 },
    }))
}

async fn application(_: Bot, State(app): State<App>) -> Json<Value> {
    Json(app.read(|world| {
        let bot = world.user_object(world.application.id);
        json!({
            "id": world.application.id.to_string(), "name": world.application.name, "description": "", "icon": null,
            "bot_public": true, "bot_require_code_grant": false, "flags": 0, "verify_key": "0", "team": null,
            "bot": bot, "redirect_uris": world.application.redirect_uris,
        })
    }))
}

async fn me(caller: Caller, State(app): State<App>) -> Answer {
    let id = match caller {
        Caller::Bot => app.read(|world| world.application.id),
        Caller::Person(user, scope) if scope.split(' ').any(|each| each == "identify") => user,
        Caller::Person(..) => return Err(Refusal::with(403, 50001, "Missing Access")),
    };
    Ok(Json(app.read(|world| {
        let mut shown = world.user_object(id);
        shown["email"] = world.users.get(&id).and_then(|user| user.email.clone()).into();
        shown
    })))
}

async fn my_guilds(caller: Caller, State(app): State<App>) -> Answer {
    let id = match caller {
        Caller::Bot => app.read(|world| world.application.id),
        Caller::Person(user, scope) if scope.split(' ').any(|each| each == "guilds") => user,
        Caller::Person(..) => return Err(Refusal::with(401, 0, "401: Unauthorized")),
    };
    Ok(Json(app.read(|world| {
        let mine = world.guilds.values().filter(|guild| guild.member(id).is_some());
        mine.map(|guild| world.partial_guild(guild, id)).collect()
    })))
}

async fn user(_: Bot, State(app): State<App>, Path(user): Path<u64>) -> Answer {
    app.read(|world| Ok(Json(world.user(user)?.object())))
}

async fn guild(_: Bot, State(app): State<App>, Path(guild): Path<u64>) -> Answer {
    app.read(|world| Ok(Json(world.guild_object(world.guild(guild)?))))
}

async fn channels(_: Bot, State(app): State<App>, Path(guild): Path<u64>) -> Answer {
    app.read(|world| Ok(Json(world.channel_objects(world.guild(guild)?).into())))
}

async fn roles(_: Bot, State(app): State<App>, Path(guild): Path<u64>) -> Answer {
    app.read(|world| Ok(Json(world.guild(guild)?.role_objects().into())))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn members(_: Bot, State(app): State<App>, Path(guild): Path<u64>, Query(page): Query<Page>) -> Answer {
    app.read(|world| {
        let guild = world.guild(guild)?;
        let limit = page.limit.unwrap_or(1);
        if !(1..=1000).contains(&limit) {
            return Err(Refusal::form("limit: must be between 1 and 1000"));
        }
        let mut found: Vec<_> = guild.members.iter().filter(|member| member.user > page.after).collect();
        found.sort_by_key(|member| member.user);
        Ok(Json(found.into_iter().take(limit).map(|member| world.member_object(member)).collect()))
    })
}

async fn member(_: Bot, State(app): State<App>, Path((guild, user)): Path<(u64, u64)>) -> Answer {
    app.read(|world| {
        let guild = world.guild(guild)?;
        world.user(user)?;
        let member = guild.member(user).ok_or_else(|| Refusal::of(10007))?;
        Ok(Json(world.member_object(member)))
    })
}
