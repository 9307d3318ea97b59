//! Problem details (RFC 9457), with the keys that the web client reads in the same body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::cache;
use shared::domain::form::FieldError;
use shared::error::{Error, Refusal};
use shared::faults;
use shared::store;
use shared::telemetry::carry;
use shared::telemetry::http::Answer;

/// What a fault tells the person: that it was us, and nothing else (GE-06).
const FAULT: &str = "Something went wrong on our side. The trace id helps to find out what.";

/// An answer that is not the one asked for. Boxed, since every handler's result carries it.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    sentence: String,
    need: Option<&'static str>,
    /// Where the fields were: `body` or `query`.
    place: &'static str,
    fields: Vec<FieldError>,
    form: Option<Value>,
    mentions: Option<Mentions>,
    retry_after: Option<u64>,
    answer: Answer,
}

/// Names that mean nobody, or more than one person.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Mentions {
    pub(crate) invalid_mentions: Vec<Mention>,
    pub(crate) valid_participants: Vec<String>,
}

/// One such name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Mention {
    /// As typed.
    pub(crate) input: String,
    /// For people.
    pub(crate) reason: String,
    /// Who may have been meant.
    pub(crate) suggestions: Vec<Suggestion>,
}

/// Somebody who may have been meant; its keys are the client's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Suggestion {
    pub(crate) discord_id: String,
    pub(crate) username: String,
    pub(crate) display_name: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, sentence: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            sentence: sentence.into(),
            need: None,
            place: "body",
            fields: Vec::new(),
            form: None,
            mentions: None,
            retry_after: None,
            answer: Answer::Refused(code),
        }))
    }

    /// The path exists, the method does not.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This cannot be done here.")
    }

    /// The body is not what the route reads.
    pub(crate) fn unreadable(code: &'static str, sentence: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, sentence)
    }

    /// Our own failure, already logged.
    pub(crate) fn fault() -> Self {
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", FAULT);
        problem.0.answer = Answer::Fault;
        problem
    }

    /// Names that could not be told apart (RO-17).
    pub(crate) fn mentions(mentions: Mentions) -> Self {
        let sentence = "Some of the names could not be found.";
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_mentions", sentence);
        problem.0.mentions = Some(mentions);
        problem
    }

    /// What was wrong came in the query.
    pub(crate) fn in_query(mut self) -> Self {
        self.0.place = "query";
        self
    }

    /// A refused form comes back, so that it can be corrected and sent again (GE-07).
    pub(crate) fn with_form(mut self, form: Value) -> Self {
        if self.0.status == StatusCode::UNPROCESSABLE_ENTITY {
            self.0.form = Some(form);
        }
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Whether it is an answer that a repeated request gets again (RX-02).
    pub(crate) fn is_final(&self) -> bool {
        self.0.status.is_client_error() && self.0.retry_after.is_none()
    }

    pub(crate) fn body(&self) -> Value {
        let parts = &self.0;
        let mut body = Map::new();
        body.insert("type".into(), "about:blank".into());
        body.insert("title".into(), parts.status.canonical_reason().into());
        body.insert("status".into(), parts.status.as_u16().into());
        body.insert("code".into(), parts.code.into());
        body.insert("detail".into(), parts.detail());
        body.insert("error".into(), parts.error().into());
        body.insert("message".into(), parts.sentence.as_str().into());
        body.insert("trace_id".into(), carry::trace_id().into());
        if let Some(need) = parts.need {
            body.insert("need".into(), need.into());
        }
        if !parts.fields.is_empty() {
            body.insert("details".into(), parts.details());
        }
        if let Some(form) = &parts.form {
            body.insert("form_data".into(), form.clone());
        }
        Value::Object(body)
    }
}

impl Parts {
    /// A string, since the client shows it as it is; only the report on names is an object.
    fn detail(&self) -> Value {
        match &self.mentions {
            None => self.sentence.as_str().into(),
            Some(mentions) => json!({
                "error": "invalid_mentions",
                "message": self.sentence,
                "invalid_mentions": mentions.invalid_mentions,
                "valid_participants": mentions.valid_participants,
                "form_data": self.form,
            }),
        }
    }

    fn error(&self) -> &'static str {
        match self.answer {
            Answer::Fault => "internal_error",
            Answer::Refused(_) if !self.fields.is_empty() => "validation_error",
            Answer::Refused(code) => code,
        }
    }

    fn details(&self) -> Value {
        let entry = |field: &FieldError| {
            let name = format!("{}.{}", self.place, field.field);
            json!({ "field": name, "message": field.message, "type": field.code, "code": field.code })
        };
        self.fields.iter().map(entry).collect()
    }
}

/// Every refusal has a status; a new one does not compile until it has one, too.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::SignedOut => StatusCode::UNAUTHORIZED,
        Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::Forbidden { .. } | Refusal::CrossSite => StatusCode::FORBIDDEN,
        Refusal::Invalid(_) | Refusal::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::NotOpen(_)
        | Refusal::HostPicks
        | Refusal::RosterFull
        | Refusal::AlreadyFinished
        | Refusal::IllegalTransition { .. }
        | Refusal::NotEditableNow { .. }
        | Refusal::KeyInProgress => StatusCode::CONFLICT,
        Refusal::SignInFailed => StatusCode::BAD_REQUEST,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::SlowDown { .. } | Refusal::TooManyStreams { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::TryLater { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn retry_after(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::SlowDown { seconds } | Refusal::TryLater { seconds } => Some((*seconds).max(1)),
        Refusal::KeyInProgress => Some(1),
        _ => None,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let mut problem = Self::new(status(&refusal), refusal.code(), refusal.to_string());
        problem.0.retry_after = retry_after(&refusal);
        match refusal {
            Refusal::Forbidden { need } => problem.0.need = Some(need),
            Refusal::Invalid(fields) => problem.0.fields = fields,
            _ => {}
        }
        problem
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Fault(fault) => fault.into(),
        }
    }
}

/// This is the edge that ends a fault: here it is logged, once.
impl From<anyhow::Error> for Problem {
    fn from(fault: anyhow::Error) -> Self {
        let class = faults::class(&fault);
        if fault.chain().any(|cause| cause.is::<store::Away>() || cause.is::<cache::Away>()) {
            tracing::warn!(error.type = class, "{fault:#}");
            return Refusal::TryLater { seconds: 2 }.into();
        }
        tracing::error!(error.type = class, "{fault:#}");
        Self::fault()
    }
}

/// Redis cannot be asked, and what was asked has no other source (GE-22).
impl From<cache::Away> for Problem {
    fn from(away: cache::Away) -> Self {
        anyhow::Error::new(away).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.0.answer);
        response
    }
}

#[cfg(test)]
mod tests {
    use shared::domain::game::Status;

    use super::*;

    #[test]
    fn a_state_that_says_no_is_a_conflict_with_its_sentence_as_a_string() {
        let problem = Problem::from(Refusal::NotOpen(Status::Completed));
        assert_eq!(problem.status(), 409);
        let body = problem.body();
        assert_eq!(body["code"], "not_open");
        assert_eq!(body["detail"], "This game is not open: it is completed.");
        assert_eq!(body["detail"], body["message"]);
    }

    #[test]
    fn fields_are_listed_with_their_place_and_the_form_comes_back() {
        let problem = Problem::from(Refusal::field("title", "required", "A game needs a title."));
        let body = problem.with_form(json!({ "where": "Table 4" })).body();
        assert_eq!(body["error"], "validation_error");
        assert_eq!(body["detail"], "A game needs a title.");
        assert_eq!(body["details"][0]["field"], "body.title");
        assert_eq!(body["details"][0]["type"], "required");
        assert_eq!(body["form_data"]["where"], "Table 4");
    }

    #[test]
    fn a_fault_tells_nothing_but_that_it_was_us() {
        let problem = Problem::from(anyhow::anyhow!("connection to 10.0.0.7 as app_api"));
        assert_eq!(problem.status(), 500);
        assert_eq!(problem.code(), "fault");
        assert!(!problem.body().to_string().contains("10.0.0.7"));
    }

    #[test]
    fn a_refusal_to_hurry_says_when_to_come_back() {
        let response = Problem::from(Refusal::SlowDown { seconds: 7 }).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(matches!(response.extensions().get::<Answer>(), Some(Answer::Refused("slow_down"))));
    }

    #[test]
    fn the_report_on_names_is_an_object_with_the_form_inside() {
        let mention =
            Mention { input: "@nobody".into(), reason: "Nobody has this name.".into(), suggestions: Vec::new() };
        let report = Mentions { invalid_mentions: vec![mention], valid_participants: vec!["Guest".into()] };
        let body = Problem::mentions(report).with_form(json!({ "title": "Dune" })).body();
        assert_eq!(body["detail"]["error"], "invalid_mentions");
        assert_eq!(body["detail"]["invalid_mentions"][0]["suggestions"], json!([]));
        assert_eq!(body["detail"]["valid_participants"][0], "Guest");
        assert_eq!(body["detail"]["form_data"]["title"], "Dune");
    }
}
