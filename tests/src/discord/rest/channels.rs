//! Channels, the messages in them, and direct conversations.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::Bot;
use crate::discord::limits;
use crate::discord::messages::Via;
use crate::discord::refusal::{Answer, Refusal};
use crate::discord::state::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/users/@me/channels", post(open))
        .route("/channels/{channel}", get(channel))
        .route("/channels/{channel}/messages", get(list).post(create))
        .route("/channels/{channel}/messages/bulk-delete", post(delete_many))
        .route("/channels/{channel}/messages/{message}", get(one).patch(edit).delete(delete))
}

async fn open(_: Bot, State(app): State<App>, body: Bytes) -> Answer {
    let body = limits::parse(&body)?;
    let user = body.get("recipient_id").and_then(id).ok_or_else(|| Refusal::form("recipient_id"))?;
    app.edit(|world| {
        world.user(user)?;
        let channel = world.direct(user);
        Ok(Json(world.direct_object(channel, user)))
    })
}

fn id(value: &Value) -> Option<u64> {
    value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok())
}

async fn channel(_: Bot, State(app): State<App>, Path(channel): Path<u64>) -> Answer {
    app.read(|world| {
        world.may_see(channel)?;
        Ok(Json(match (world.directs.get(&channel), world.place(channel)) {
            (Some(user), _) => world.direct_object(channel, *user),
            (None, Some((guild, place))) => world.channel_object(guild.id, place, 0),
            (None, None) => return Err(Refusal::of(10003)),
        }))
    })
}

#[derive(Deserialize)]
struct Page {
    after: Option<u64>,
    before: Option<u64>,
    limit: Option<usize>,
}

async fn list(_: Bot, State(app): State<App>, Path(channel): Path<u64>, Query(page): Query<Page>) -> Answer {
    let limit = page.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(Refusal::form("limit: must be between 1 and 100"));
    }
    app.read(|world| {
        world.may_see(channel)?;
        if world.place(channel).is_some_and(|(_, place)| !place.bot_may_read) {
            return Ok(Json(Value::Array(Vec::new())));
        }
        let between =
            |id: u64| page.after.is_none_or(|after| id > after) && page.before.is_none_or(|before| id < before);
        let ids = world.messages.keys().copied();
        let mut found: Vec<_> = ids.filter(|id| between(*id)).filter_map(|id| world.reach(channel, id).ok()).collect();
        if page.after.is_none() {
            found.drain(..found.len().saturating_sub(limit));
        }
        found.truncate(limit);
        // The newest comes first, whichever way was searched.
        Ok(Json(found.into_iter().rev().map(|message| world.message_object(message)).collect()))
    })
}

async fn create(_: Bot, State(app): State<App>, Path(channel): Path<u64>, body: Bytes) -> Answer {
    let body = limits::parse(&body)?;
    app.edit(|world| world.create(channel, body)).map(Json)
}

async fn one(_: Bot, State(app): State<App>, Path((channel, message)): Path<(u64, u64)>) -> Answer {
    app.read(|world| Ok(Json(world.message_object(world.reach(channel, message)?))))
}

async fn edit(_: Bot, State(app): State<App>, Path((channel, message)): Path<(u64, u64)>, body: Bytes) -> Answer {
    let body = limits::parse(&body)?;
    app.edit(|world| {
        let author = world.reach(channel, message)?.author;
        if author != world.application.id {
            return Err(Refusal::of(50005));
        }
        world.inspect(&body, Via::Edit)?;
        world.amend(message, body).map(Json)
    })
}

async fn delete(_: Bot, State(app): State<App>, Path((channel, message)): Path<(u64, u64)>) -> Answer<StatusCode> {
    app.edit(|world| {
        world.reach(channel, message)?;
        world.remove(&[message]).map(|()| StatusCode::NO_CONTENT)
    })
}

async fn delete_many(_: Bot, State(app): State<App>, Path(channel): Path<u64>, body: Bytes) -> Answer<StatusCode> {
    let body = limits::parse(&body)?;
    let ids: Vec<_> = body.get("messages").and_then(Value::as_array).into_iter().flatten().filter_map(id).collect();
    if !(2..=100).contains(&ids.len()) {
        return Err(Refusal::form("messages: must be between 2 and 100 in length"));
    }
    app.edit(|world| {
        world.may_see(channel)?;
        world.remove(&ids).map(|()| StatusCode::NO_CONTENT)
    })
}
