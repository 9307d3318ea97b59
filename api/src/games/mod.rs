//! Games: create, look at, change, cancel, join and leave.

pub(crate) mod list;
mod read;
pub(crate) mod shape;
mod words;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use shared::actions;
use shared::domain::form::{Draft, FieldError, Form, Template};
use shared::domain::game::Status;
use shared::domain::ids::GameId;
use shared::error::Refusal;
use shared::store::games::{self, GameView};
use shared::store::{people, templates};
use shared::telemetry::span::note;
use utoipa::ToSchema;

use crate::Api;
use crate::access::Access;
use crate::extract::{Id, Optional};
use crate::fields::Fields;
use crate::mentions;
use crate::once::{Done, Once};
use crate::problem::Problem;
use crate::session::Caller;
use read::{Change, Create};
use shape::{GameResponse, Participant};
use words::Words;

/// Why a game is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Cancellation {
    /// Up to 500 characters, shown in the announcement.
    reason: Option<String>,
}

/// Creates a game from a template.
#[utoipa::path(post, path = "/games",
    request_body(content_type = "multipart/form-data", description = "The parts of a new game.", content = Object),
    responses((status = 201, description = "The game.", body = GameResponse)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    once: Once,
    fields: Fields,
) -> Result<Response, Problem> {
    let work = async |id| {
        let created = created(&api, &caller, GameId(id), read::create(&fields)).await;
        let game = created.map_err(|problem| problem.with_form(fields.echo()))?;
        Done::with(StatusCode::CREATED, &game)
    };
    once.run(&api, &caller, fields.digest(), work).await
}

async fn created(api: &Api, caller: &Caller, id: GameId, sent: Create) -> Result<GameResponse, Problem> {
    let Some(template) = sent.template else { return Err(Refusal::Invalid(sent.errors).into()) };
    let template = templates::by_id(&mut api.sql().await?, template).await?.ok_or(Refusal::NotFound)?;
    let (access, _) = Access::to_guild(api, caller, template.guild).await?;
    themselves(sent.host.as_deref(), caller, &access)?;
    access.must_host(&template)?;
    let draft = checked(sent.errors, sent.form.clone(), &template, api.app.clock.now())?;
    // Only now: a form that is refused has nobody looked up and nothing written.
    let starters = mentions::starters(api, &access, &template, draft.starters).await?;
    let game = actions::create(&api.app, id, template.id, sent.form, starters, &access.actor()).await?;
    note("gamesched.game.id", game.to_string());
    shown(api, &access, game).await
}

/// What could not be read and what does not hold, in one answer (GE-07).
fn checked(mut errors: Vec<FieldError>, form: Form, template: &Template, now: DateTime<Utc>) -> Result<Draft, Refusal> {
    match form.against(template, now) {
        Ok(draft) if errors.is_empty() => return Ok(draft),
        Ok(_) => {}
        Err(others) => {
            let known: Vec<&str> = errors.iter().map(|error| error.field).collect();
            errors.extend(others.into_iter().filter(|other| !known.contains(&other.field)));
        }
    }
    Err(Refusal::Invalid(errors))
}

/// Whoever creates a game hosts it; naming somebody else is for managers (PE-16), and not taken yet.
fn themselves(host: Option<&str>, caller: &Caller, access: &Access) -> Result<(), Refusal> {
    let (id, name) = (format!("<@{}>", caller.discord), format!("@{}", caller.username));
    match host {
        None => Ok(()),
        Some(host) if host == id || host == name => Ok(()),
        Some(_) if access.manager => {
            Err(Refusal::field("host", "host_unsupported", "Whoever creates a game hosts it. Leave the host out."))
        }
        Some(_) => Err(Refusal::Forbidden { need: "name another host" }),
    }
}

/// One game.
#[utoipa::path(get, path = "/games/{id}", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The game.", body = GameResponse)))]
pub(crate) async fn one(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GameId>,
) -> Result<Json<GameResponse>, Problem> {
    let view = games::view(&mut api.sql().await?, id).await?.ok_or(Refusal::NotFound)?;
    let views = [&view];
    let (access, members) = Access::with_members(&api, &caller, &view, &Words::people(&views)).await?;
    let now = api.app.clock.now();
    access.must_see(&view, now)?;
    let words = Words::among(&api, access.discord, &views, members).await?;
    Ok(Json(shape::game(&view, &access, &words, now)))
}

/// Changes what is sent and leaves the rest; an empty form changes nothing.
#[utoipa::path(put, path = "/games/{id}", params(("id" = Uuid, Path)),
    request_body(content_type = "multipart/form-data", description = "The parts that change.", content = Object),
    responses((status = 200, description = "The game.", body = GameResponse)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GameId>,
    fields: Fields,
) -> Result<Json<GameResponse>, Problem> {
    let access = Access::to_game(&api, &caller, id).await?;
    let changed = changed(&api, &access, id, read::change(&fields)).await;
    Ok(Json(changed.map_err(|problem| problem.with_form(fields.echo()))?))
}

async fn changed(api: &Api, access: &Access, id: GameId, sent: Change) -> Result<GameResponse, Problem> {
    if !sent.errors.is_empty() {
        return Err(Refusal::Invalid(sent.errors).into());
    }
    let actor = access.actor();
    actions::update(&api.app, id, sent.edit, &actor).await?;
    if let Some(status) = sent.status {
        become_(api, access, id, status).await?;
    }
    shown(api, access, id).await
}

/// A state inside an edit calls the verb of that name; the present one is no change (LI-28).
async fn become_(api: &Api, access: &Access, id: GameId, status: Status) -> Result<(), Problem> {
    let view = seen(api, access, id).await?;
    let present = view.game.status;
    if status == present || (status == Status::Scheduled && present == Status::PendingConfirmation) {
        return Ok(());
    }
    match status {
        Status::Cancelled => Ok(actions::cancel(&api.app, id, None, &access.actor()).await?),
        Status::PendingConfirmation | Status::Scheduled | Status::InProgress | Status::Completed | Status::Archived => {
            Err(Refusal::IllegalTransition { from: present, to: status }.into())
        }
    }
}

/// Cancels a game; it stays readable.
#[utoipa::path(delete, path = "/games/{id}", params(("id" = Uuid, Path)), request_body = Option<Cancellation>,
    responses((status = 204, description = "Cancelled.")))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GameId>,
    Optional(cancellation): Optional<Cancellation>,
) -> Result<StatusCode, Problem> {
    let access = Access::to_game(&api, &caller, id).await?;
    let reason = cancellation.reason.map(|reason| shared::domain::text::clean(&reason)).filter(|text| !text.is_empty());
    if reason.as_ref().is_some_and(|reason| shared::domain::text::length(reason) > 500) {
        return Err(Refusal::field("reason", "too_long", "A reason has at most 500 characters.").into());
    }
    actions::cancel(&api.app, id, reason, &access.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Joins a game: a seat, or a place in line.
#[utoipa::path(post, path = "/games/{id}/join", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The caller on the roster.", body = Participant)))]
pub(crate) async fn join(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GameId>,
    once: Once,
) -> Result<Response, Problem> {
    let work = async |_| {
        let access = Access::to_game(&api, &caller, id).await?;
        let seat = actions::join(&api.app, id, &access.actor()).await?;
        let people = people::by_id(&mut api.sql().await?, &[caller.user]).await?;
        let name = access.view.shown_name().to_owned();
        Done::with(StatusCode::OK, &shape::participant(id, &seat.row, people.get(&caller.user), Some(name)))
    };
    once.run(&api, &caller, [0; 32], work).await
}

/// Leaves a game.
#[utoipa::path(post, path = "/games/{id}/leave", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Not on the roster any more.")))]
pub(crate) async fn leave(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<GameId>,
    once: Once,
) -> Result<Response, Problem> {
    let work = async |_| {
        let access = Access::to_game(&api, &caller, id).await?;
        actions::leave(&api.app, id, &access.actor()).await?;
        Ok(Done::empty())
    };
    once.run(&api, &caller, [0; 32], work).await
}

/// The game, if the caller may see it.
async fn seen(api: &Api, access: &Access, id: GameId) -> Result<GameView, Problem> {
    let view = games::view(&mut api.sql().await?, id).await?.ok_or(Refusal::NotFound)?;
    access.must_see(&view, api.app.clock.now())?;
    Ok(view)
}

async fn shown(api: &Api, access: &Access, id: GameId) -> Result<GameResponse, Problem> {
    let view = seen(api, access, id).await?;
    let words = Words::of(api, access.discord, &[&view]).await?;
    Ok(shape::game(&view, access, &words, api.app.clock.now()))
}
