//! How the bot answers interactions: the callback, then the webhook of the token.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::discord::limits;
use crate::discord::refusal::{Answer, Refusal};
use crate::discord::state::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/interactions/{id}/{token}/callback", post(callback))
        .route("/webhooks/{application}/{token}", post(follow_up))
        .route("/webhooks/{application}/{token}/messages/{message}", get(one).patch(edit).delete(delete))
}

async fn callback(
    State(app): State<App>,
    Path((id, token)): Path<(u64, String)>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Answer<Response> {
    let body = Value::Object(limits::parse(&body)?);
    app.edit(|world| world.acknowledge(id, &token, &body))?;
    if query.get("with_response").is_none_or(|wanted| wanted != "true") {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let original =
        app.read(|world| world.interactions.get(&id).and_then(|known| known.original).map(|id| world.object_of(id)));
    let mut answer = json!({ "interaction": { "id": id.to_string(), "type": 3 } });
    if let Some(message) = original {
        answer["resource"] = json!({ "type": body["type"], "message": message });
    }
    Ok(Json(answer).into_response())
}

async fn follow_up(State(app): State<App>, Path((application, token)): Path<(u64, String)>, body: Bytes) -> Answer {
    let body = limits::parse(&body)?;
    app.edit(|world| {
        own(application, world.application.id)?;
        world.follow_up(&token, body).map(Json)
    })
}

async fn one(State(app): State<App>, Path((application, token, message)): Path<(u64, String, String)>) -> Answer {
    app.read(|world| {
        own(application, world.application.id)?;
        let id = world.answer_of(&token, &message)?;
        Ok(Json(world.object_of(id)))
    })
}

async fn edit(
    State(app): State<App>,
    Path((application, token, message)): Path<(u64, String, String)>,
    body: Bytes,
) -> Answer {
    let body = limits::parse(&body)?;
    app.edit(|world| {
        own(application, world.application.id)?;
        world.edit_answer(&token, &message, body).map(Json)
    })
}

async fn delete(
    State(app): State<App>,
    Path((application, token, message)): Path<(u64, String, String)>,
) -> Answer<StatusCode> {
    app.edit(|world| {
        own(application, world.application.id)?;
        world.delete_answer(&token, &message).map(|()| StatusCode::NO_CONTENT)
    })
}

fn own(application: u64, expected: u64) -> Answer<()> {
    if application == expected { Ok(()) } else { Err(Refusal::of(10015)) }
}
