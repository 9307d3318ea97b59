//! Discord's way of saying no: a status, a code, a sentence.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error answer of the REST interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: u64,
    message: String,
}

/// What a handler answers.
pub(super) type Answer<T = Json<Value>> = Result<T, Refusal>;

impl Refusal {
    /// The refusal that carries this code, with its usual status and sentence.
    pub(super) fn of(code: u64) -> Self {
        let (status, message) = usual(code);
        Self::with(status, code, message)
    }

    /// A refusal with a status of the caller's choice.
    pub(super) fn with(status: u16, code: u64, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, message: message.into() }
    }

    /// 50035 with what is wrong.
    pub(super) fn form(what: &str) -> Self {
        Self::with(400, 50035, &format!("Invalid Form Body: {what}"))
    }

    /// 401.
    pub(super) fn unauthorized() -> Self {
        Self::with(401, 0, "401: Unauthorized")
    }
}

/// Status and sentence that belong to a code.
pub(super) fn usual(code: u64) -> (u16, &'static str) {
    match code {
        10003 => (404, "Unknown Channel"),
        10004 => (404, "Unknown Guild"),
        10007 => (404, "Unknown Member"),
        10008 => (404, "Unknown Message"),
        10011 => (404, "Unknown Role"),
        10013 => (404, "Unknown User"),
        10015 => (404, "Unknown Webhook"),
        10062 => (404, "Unknown interaction"),
        10063 => (404, "Unknown application command"),
        40001 => (401, "Unauthorized"),
        40003 => (429, "You are opening direct messages too fast"),
        40060 => (400, "Interaction has already been acknowledged"),
        50001 => (403, "Missing Access"),
        50005 => (403, "Cannot edit a message authored by another user"),
        50006 => (400, "Cannot send an empty message"),
        50007 => (403, "Cannot send messages to this user"),
        50013 => (403, "Missing Permissions"),
        50024 => (400, "Cannot execute action on this channel type"),
        50027 => (401, "Invalid Webhook Token"),
        50035 => (400, "Invalid Form Body"),
        50109 => (400, "The request body contains invalid JSON."),
        50278 => (403, "Cannot send messages to this user due to having no mutual guilds"),
        _ => (400, "Refused by the simulator's script"),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "code": self.code, "message": self.message }))).into_response()
    }
}
