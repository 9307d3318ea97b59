//! Extractors whose refusals are problems.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use shared::domain::form::FieldError;
use shared::domain::ids::{GameId, GuildId, TemplateId};
use shared::error::Refusal;
use shared::telemetry::span::note;

use crate::problem::Problem;

/// Largest body that is no form (L-41).
pub(crate) const BODY: usize = 64 * 1024;

/// An id that stands in a path.
pub(crate) trait PathId: FromStr + Display + Send {
    /// What the request's span calls it, where it does.
    const KEY: Option<&'static str>;
}

impl PathId for GameId {
    const KEY: Option<&'static str> = Some("gamesched.game.id");
}

impl PathId for GuildId {
    const KEY: Option<&'static str> = None;
}

impl PathId for TemplateId {
    const KEY: Option<&'static str> = None;
}

/// The id in the path; a malformed one names nothing (GE-17).
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::from(Refusal::NotFound);
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| nothing())?;
        let id: T = text.parse().map_err(|_| nothing())?;
        if let Some(key) = T::KEY {
            note(key, id.to_string());
        }
        Ok(Self(id))
    }
}

/// The query as pairs: repeated keys are lists, unknown ones are ignored.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = read.map_err(|_| Problem::unreadable("malformed_query", "The query cannot be read."))?;
        Ok(Self(pairs))
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Pairs {
    /// The first value of a key; an empty one counts as absent.
    pub(crate) fn first(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of a key.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The first value of a key as something else.
    pub(crate) fn read<T: FromStr>(&self, key: &'static str, errors: &mut Vec<FieldError>) -> Option<T> {
        let text = self.first(key)?;
        let value = text.parse().ok();
        if value.is_none() {
            let message = format!("The value of {key} cannot be read.");
            errors.push(FieldError { field: key, code: "invalid_value", message });
        }
        value
    }
}

/// A JSON body, which may be left out.
pub(crate) struct Optional<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Optional<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { limit: BODY }.into(),
            _ => Problem::unreadable("unreadable_body", "The body did not arrive as a whole."),
        })?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Self(value)),
            Err(error) if error.is_data() => {
                Err(Problem::unreadable("invalid_value", "A value in the body has the wrong type."))
            }
            Err(_) => Err(Problem::unreadable("malformed_json", "The body is not JSON.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_lists_and_empty_values_are_absent() {
        let pairs = Pairs(vec![
            ("status".into(), "SCHEDULED".into()),
            ("status".into(), "CANCELLED".into()),
            ("limit".into(), String::new()),
        ]);
        assert_eq!(pairs.all("status").collect::<Vec<_>>(), ["SCHEDULED", "CANCELLED"]);
        assert_eq!(pairs.first("limit"), None);
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_or_of_the_wrong_type_is_refused_and_none_is_fine() {
        #[derive(Debug, Default, serde::Deserialize)]
        struct Reason {
            reason: Option<String>,
        }
        let sent = async |body: &'static str| {
            let request = Request::new(body.into());
            Optional::<Reason>::from_request(request, &()).await.map(|Optional(read)| read.reason)
        };
        assert_eq!(sent("").await.unwrap(), None);
        assert_eq!(sent("{\"reason\": \"rain\", \"other\": 1}").await.unwrap().as_deref(), Some("rain"));
        assert_eq!(sent("{\"reason\"").await.unwrap_err().code(), "malformed_json");
        assert_eq!(sent("{\"reason\": 7}").await.unwrap_err().code(), "invalid_value");
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_key() {
        let pairs = Pairs(vec![("limit".into(), "many".into())]);
        let mut errors = Vec::new();
        assert_eq!(pairs.read::<u32>("limit", &mut errors), None);
        assert_eq!((errors[0].field, errors[0].code), ("limit", "invalid_value"));
    }
}
