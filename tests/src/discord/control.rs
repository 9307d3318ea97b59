//! The control surface under `/_simulator`: look at everything, change everything.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::changes::Change;
use super::door::RequestRecord;
use super::faults::Fault;
use super::interactions::{Choice, PATIENCE, Pressed};
use super::setup::{Guild, User};
use super::state::{App, World};
use super::view::{Letter, Message};

/// How long a press waits for its final answer once it is acknowledged.
const ANSWER: Duration = Duration::from_secs(8);

/// The routes below `/_simulator`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/wait", get(wait))
        .route("/people", get(people))
        .route("/guilds", get(guilds))
        .route("/channel/{channel}", get(channel))
        .route("/inbox/{user}", get(inbox))
        .route("/letters", get(letters))
        .route("/private/{user}", get(private))
        .route("/commands", get(commands))
        .route("/violations", get(violations))
        .route("/requests", get(requests))
        .route("/shards", get(shards))
        .route("/faults", get(faults).post(fault).delete(no_faults))
        .route("/change", post(change))
        .route("/press", post(press))
        .route("/command", post(command))
        .route("/submit", post(submit))
}

/// A refusal of the control surface.
type Outcome<T> = Result<Json<T>, (StatusCode, String)>;

fn refused(reason: String) -> (StatusCode, String) {
    (StatusCode::CONFLICT, reason)
}

#[derive(Deserialize)]
struct Since {
    since: u64,
    ms: Option<u64>,
}

#[derive(Deserialize)]
struct After {
    after: u64,
}

async fn wait(State(app): State<App>, Query(wish): Query<Since>) -> Json<u64> {
    let patience = Duration::from_millis(wish.ms.unwrap_or(20_000).min(60_000));
    Json(app.changed(wish.since, patience).await)
}

async fn people(State(app): State<App>) -> Json<Vec<User>> {
    Json(app.read(|world| world.users.values().cloned().collect()))
}

async fn guilds(State(app): State<App>) -> Json<Vec<Guild>> {
    Json(app.read(|world| world.guilds.values().cloned().collect()))
}

async fn channel(State(app): State<App>, Path(channel): Path<u64>) -> Json<Vec<Message>> {
    Json(app.read(|world| world.seen(channel, None)))
}

async fn inbox(State(app): State<App>, Path(user): Path<u64>) -> Json<Vec<Message>> {
    Json(app.read(|world| {
        let mine = world.directs.iter().filter(|(_, owner)| **owner == user);
        mine.flat_map(|(channel, _)| world.seen(*channel, None)).collect()
    }))
}

async fn letters(State(app): State<App>, Query(wish): Query<After>) -> Json<Vec<Letter>> {
    Json(app.read(|world| world.letters(wish.after)))
}

async fn private(State(app): State<App>, Path(user): Path<u64>) -> Json<Vec<Message>> {
    Json(app.read(|world| {
        let mine = world.messages.values().filter(|message| message.private_to == Some(user) && !message.deleted);
        mine.map(|message| world.view(message)).collect()
    }))
}

async fn commands(State(app): State<App>) -> Json<Vec<Value>> {
    Json(app.read(|world| world.commands.values().flatten().cloned().collect()))
}

async fn violations(State(app): State<App>) -> Json<Vec<String>> {
    Json(app.read(|world| {
        world.note_overdue();
        world.violations.clone()
    }))
}

async fn requests(State(app): State<App>) -> Json<Vec<RequestRecord>> {
    Json(app.read(|world| world.requests.clone()))
}

async fn shards(State(app): State<App>) -> Json<usize> {
    Json(app.read(|world| world.sessions.connected()))
}

async fn faults(State(app): State<App>) -> Json<Vec<Fault>> {
    Json(app.read(|world| world.faults.clone()))
}

async fn fault(State(app): State<App>, Json(fault): Json<Fault>) -> Json<()> {
    app.edit(|world| world.faults.push(fault));
    Json(())
}

async fn no_faults(State(app): State<App>) -> Json<()> {
    app.edit(|world| world.faults.clear());
    Json(())
}

async fn change(State(app): State<App>, Json(change): Json<Change>) -> Outcome<()> {
    app.edit(|world| world.apply(change)).map(Json).map_err(refused)
}

/// A person presses a button.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Press {
    pub(super) user: u64,
    pub(super) message: u64,
    pub(super) custom_id: String,
    pub(super) stale: bool,
}

/// A person sends a command, or types in the option that is `focused`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Typed {
    pub(super) user: u64,
    pub(super) channel: Option<u64>,
    pub(super) name: String,
    pub(super) options: Vec<(String, String)>,
    pub(super) focused: Option<String>,
    pub(super) stale: bool,
}

/// A person submits a form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Submitted {
    pub(super) user: u64,
    pub(super) channel: Option<u64>,
    pub(super) custom_id: String,
    pub(super) text: String,
}

/// What a press or a command led to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reaction {
    pub(super) pressed: Option<Pressed>,
    pub(super) choices: Vec<Choice>,
}

async fn press(State(app): State<App>, Json(press): Json<Press>) -> Outcome<Reaction> {
    let id = app.edit(|world| world.press(press.user, press.message, &press.custom_id, press.stale));
    reaction(&app, id.map_err(refused)?).await.map(Json).map_err(refused)
}

async fn command(State(app): State<App>, Json(typed): Json<Typed>) -> Outcome<Reaction> {
    let id = app.edit(|world| {
        let channel = typed.channel.unwrap_or_else(|| world.direct(typed.user));
        world.command(typed.user, channel, &typed.name, &typed.options, typed.focused.as_deref(), typed.stale)
    });
    reaction(&app, id.map_err(refused)?).await.map(Json).map_err(refused)
}

async fn submit(State(app): State<App>, Json(form): Json<Submitted>) -> Outcome<Reaction> {
    let id = app.edit(|world| {
        let channel = form.channel.unwrap_or_else(|| world.direct(form.user));
        world.submit(form.user, channel, &form.custom_id, &form.text)
    });
    reaction(&app, id.map_err(refused)?).await.map(Json).map_err(refused)
}

/// Waits for the acknowledgement, then for the final answer.
pub(super) async fn reaction(app: &App, id: u64) -> Result<Reaction, String> {
    let acked = |world: &mut World| world.interactions.get(&id).is_some_and(|known| known.ack.is_some());
    if !until(app, PATIENCE, acked).await {
        app.edit(World::note_overdue);
        return Err("the application did not respond".into());
    }
    let done = |world: &mut World| world.interactions.get(&id).is_some_and(|known| known.done);
    if !until(app, ANSWER, done).await {
        return Err("acknowledged, but never answered".into());
    }
    app.read(|world| world.reaction(id).ok_or_else(|| "the answer is gone".into()))
}

async fn until(app: &App, patience: Duration, holds: impl Fn(&mut World) -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let count = app.count();
        if app.read(&holds) {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !*app.running.borrow() {
            return false;
        }
        app.changed(count, left).await;
    }
}

impl World {
    fn reaction(&self, id: u64) -> Option<Reaction> {
        let known = self.interactions.get(&id)?;
        let (ack, ack_after) = known.ack?;
        if ack == 8 {
            return Some(Reaction { pressed: None, choices: known.choices.clone() });
        }
        let answer = self.view(self.messages.get(&known.original?)?);
        Some(Reaction { pressed: Some(Pressed { interaction: id, ack_after, ack, answer }), choices: Vec::new() })
    }
}
