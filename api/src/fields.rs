//! A form as it arrives, multipart or urlencoded, and its values with everything that is wrong at once (GE-07).

use std::str::FromStr;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, Utc};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use shared::domain::form::FieldError;
use shared::error::Refusal;

use crate::extract::BODY;
use crate::problem::Problem;

/// Largest form with pictures.
pub(crate) const FORM: usize = 11 * 1024 * 1024;

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    texts: Vec<(String, String)>,
    files: Vec<(String, Bytes)>,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match kind(request.headers()) {
            Kind::Multipart => {
                let parts = Multipart::from_request(request, state).await;
                read(parts.map_err(|_| unreadable())?).await
            }
            Kind::Urlencoded => {
                let body = axum::body::to_bytes(request.into_body(), BODY).await;
                let body = body.map_err(|_| Refusal::TooLarge { limit: BODY })?;
                Ok(Self { texts: urlencoded(&body)?, files: Vec::new() })
            }
            Kind::Nothing => Ok(Self::default()),
            Kind::Other => Err(Problem::unreadable("form_expected", "Send this as a form, multipart/form-data.")),
        }
    }
}

enum Kind {
    Multipart,
    Urlencoded,
    Nothing,
    Other,
}

fn kind(headers: &HeaderMap) -> Kind {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Kind::Nothing };
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    match kind.split(';').next().map(str::trim) {
        Some("multipart/form-data") => Kind::Multipart,
        Some("application/x-www-form-urlencoded") => Kind::Urlencoded,
        _ => Kind::Other,
    }
}

fn urlencoded(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let query = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let uri = http::Uri::builder().path_and_query(format!("/?{query}")).build().map_err(|_| unreadable())?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| unreadable())?;
    Ok(pairs.0)
}

async fn read(mut parts: Multipart) -> Result<Fields, Problem> {
    let mut fields = Fields::default();
    while let Some(part) = parts.next_field().await.map_err(|error| broken(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|error| broken(&error))?;
        if is_file {
            fields.files.push((name, bytes));
        } else if bytes.len() > BODY {
            return Err(Refusal::TooLarge { limit: BODY }.into());
        } else {
            let text = String::from_utf8(bytes.to_vec()).map_err(|_| unreadable())?;
            fields.texts.push((name, text));
        }
    }
    Ok(fields)
}

fn broken(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::TooLarge { limit: FORM }.into();
    }
    unreadable()
}

fn unreadable() -> Problem {
    Problem::unreadable("malformed_form", "The form cannot be read.")
}

impl Fields {
    /// The same for the same form, however it was encoded.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let texts = self.texts.iter().map(|(name, text)| (name, text.as_bytes()));
        let files = self.files.iter().map(|(name, bytes)| (name, bytes.as_ref()));
        for (name, value) in texts.chain(files) {
            for piece in [name.as_bytes(), value] {
                digest.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
                digest.update(piece);
            }
        }
        digest.finalize().into()
    }

    /// As sent, to be corrected and sent again.
    pub(crate) fn echo(&self) -> Value {
        let pairs = self.texts.iter().map(|(name, text)| (name.clone(), Value::String(text.clone())));
        Value::Object(pairs.collect::<Map<_, _>>())
    }

    /// The last value of a text part.
    fn last(&self, name: &str) -> Option<&str> {
        self.texts.iter().rev().find(|(part, _)| part == name).map(|(_, text)| text.as_str())
    }
}

/// Reads values one by one and remembers what was wrong.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    fields: &'a Fields,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(fields: &'a Fields) -> Self {
        Self { fields, errors: Vec::new() }
    }

    pub(crate) fn errors(self) -> Vec<FieldError> {
        self.errors
    }

    pub(crate) fn refuse(&mut self, field: &'static str, code: &'static str, message: &str) {
        self.errors.push(FieldError { field, code, message: message.to_owned() });
    }

    /// As typed; an empty text is one.
    pub(crate) fn text(&self, field: &'static str) -> Option<String> {
        self.fields.last(field).map(str::to_owned)
    }

    /// An empty text counts as absent.
    pub(crate) fn filled(&self, field: &'static str) -> Option<&'a str> {
        self.fields.last(field).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A word of a closed set, or an id.
    pub(crate) fn word<T: FromStr>(&mut self, field: &'static str) -> Option<T> {
        let word = self.filled(field)?.parse().ok();
        if word.is_none() {
            self.refuse(field, "invalid_value", &format!("The value of {field} is none of those possible."));
        }
        word
    }

    /// A whole number; an empty text is none.
    pub(crate) fn number(&mut self, field: &'static str) -> Option<i32> {
        let number = self.fields.last(field)?.trim().parse().ok();
        if number.is_none() {
            self.refuse(field, "not_a_number", &format!("The value of {field} must be a whole number."));
        }
        number
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let flag = match self.fields.last(field)?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" | "t" | "y" => Some(true),
            "false" | "0" | "off" | "no" | "f" | "n" => Some(false),
            _ => None,
        };
        if flag.is_none() {
            self.refuse(field, "not_a_flag", &format!("The value of {field} must be true or false."));
        }
        flag
    }

    /// An instant with its offset (GE-02).
    pub(crate) fn instant(&mut self, field: &'static str) -> Option<DateTime<Utc>> {
        let text = self.filled(field)?;
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Some(instant.to_utc());
        }
        let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter();
        if naive.into_iter().any(|format| NaiveDateTime::parse_from_str(text, format).is_ok()) {
            let message = format!("The time in {field} needs its offset from UTC, such as Z or +02:00.");
            self.refuse(field, "time_without_offset", &message);
        } else {
            self.refuse(field, "not_a_time", &format!("The value of {field} is no time such as 2026-05-01T18:00:00Z."));
        }
        None
    }

    /// A JSON list in a text part; `null` and an empty text count as absent.
    pub(crate) fn list<T: DeserializeOwned>(&mut self, field: &'static str) -> Option<Vec<T>> {
        match serde_json::from_str(self.filled(field)?) {
            Ok(list) => list,
            Err(_) => {
                self.refuse(field, "not_a_list", &format!("The value of {field} must be a JSON list."));
                None
            }
        }
    }

    /// What this release does not take is refused and not dropped in silence. Empty files say that there is none.
    pub(crate) fn no_pictures(&mut self) {
        for field in ["thumbnail", "image"] {
            if self.fields.files.iter().any(|(name, bytes)| name == field && !bytes.is_empty()) {
                self.refuse(field, "pictures_unsupported", "This server does not take pictures. Leave them out.");
            }
            if self.fields.last(field).is_some() {
                self.refuse(field, "not_a_file", "A picture comes as a file.");
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn fields(pairs: &[(&str, &str)]) -> Fields {
        let texts = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Fields { texts, files: Vec::new() }
    }

    fn codes(reader: Reader<'_>) -> Vec<(&'static str, &'static str)> {
        reader.errors().iter().map(|error| (error.field, error.code)).collect()
    }

    #[test]
    fn everything_that_is_wrong_comes_at_once() {
        let fields = fields(&[
            ("max_players", "many"),
            ("remind_host_rewards", ""),
            ("scheduled_at", "2026-05-01T18:00:00"),
            ("post_at", "tomorrow"),
            ("reminder_minutes", "60,15"),
        ]);
        let mut reader = Reader::new(&fields);
        assert_eq!(reader.number("max_players"), None);
        assert_eq!(reader.flag("remind_host_rewards"), None);
        assert_eq!(reader.instant("scheduled_at"), None);
        assert_eq!(reader.instant("post_at"), None);
        assert_eq!(reader.list::<i32>("reminder_minutes"), None);
        let expected = [
            ("max_players", "not_a_number"),
            ("remind_host_rewards", "not_a_flag"),
            ("scheduled_at", "time_without_offset"),
            ("post_at", "not_a_time"),
            ("reminder_minutes", "not_a_list"),
        ];
        assert_eq!(codes(reader), expected);
    }

    #[test]
    fn what_is_absent_and_what_is_null_is_no_mistake() {
        let fields = fields(&[("reminder_minutes", "null"), ("post_at", ""), ("initial_participants", "[]")]);
        let mut reader = Reader::new(&fields);
        assert_eq!(reader.list::<i32>("reminder_minutes"), None);
        assert_eq!(reader.instant("post_at"), None);
        assert_eq!(reader.number("max_players"), None);
        assert_eq!(reader.list::<String>("initial_participants"), Some(vec![]));
        assert_eq!(codes(reader), []);
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let fields = fields(&[("scheduled_at", "2026-05-01T18:00:00.000+02:00")]);
        let instant = Reader::new(&fields).instant("scheduled_at").unwrap();
        assert_eq!(instant.to_rfc3339(), "2026-05-01T16:00:00+00:00");
    }

    #[test]
    fn forms_differ_when_a_value_moves_to_another_field() {
        assert_ne!(fields(&[("a", "bc")]).digest(), fields(&[("ab", "c")]).digest());
        assert_eq!(fields(&[("a", "b")]).digest(), fields(&[("a", "b")]).digest());
    }

    async fn sent(kind: &str, body: &str) -> Result<Fields, Problem> {
        let request = Request::post("/").header(CONTENT_TYPE, kind).body(body.to_owned().into()).unwrap();
        Fields::from_request(request, &()).await
    }

    #[tokio::test]
    async fn parts_are_texts_or_files() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nDune\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nPNG\r\n--b--\r\n";
        let fields = sent("multipart/form-data; boundary=b", body).await.unwrap();
        assert_eq!(Reader::new(&fields).text("title").as_deref(), Some("Dune"));
        let mut reader = Reader::new(&fields);
        reader.no_pictures();
        assert_eq!(codes(reader), [("image", "pictures_unsupported")]);
    }

    #[tokio::test]
    async fn json_a_broken_form_and_too_large_a_one_are_refused_each_in_its_way() {
        assert_eq!(sent("application/json", "{\"title\"").await.unwrap_err().code(), "form_expected");
        assert_eq!(sent("multipart/form-data", "").await.unwrap_err().code(), "malformed_form");
        assert_eq!(sent("multipart/form-data; boundary=b", "--b").await.unwrap_err().code(), "malformed_form");
        let large = format!("description={}", "x".repeat(BODY));
        let problem = sent("application/x-www-form-urlencoded", &large).await.unwrap_err();
        assert_eq!((problem.status(), problem.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    }

    #[test]
    fn urlencoded_bodies_are_read_like_queries() {
        let pairs = urlencoded(b"title=Dune+II&where=Table%204").unwrap();
        assert_eq!(pairs, [("title".into(), "Dune II".into()), ("where".into(), "Table 4".into())]);
    }
}
