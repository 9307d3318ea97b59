//! What an unsuccessful call means for the row behind it: one exhaustive match.

use std::time::Duration;

use serde::Deserialize;

/// A call that did not do what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("discord did not do it: {class:?}, status {status:?}, code {code:?}")]
pub struct Failure {
    /// What to do about it.
    pub class: Class,
    /// The HTTP status, where there was a readable answer.
    pub status: Option<u16>,
    /// Discord's code.
    pub code: Option<u64>,
    /// When Discord said it may be tried again.
    pub retry_after: Option<Duration>,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It has been done before, as was wanted.
    Done,
    /// Rate limited: certainly not done.
    Wait,
    /// Certainly not done; again after the back-off.
    Retry,
    /// It may have been done.
    Unknown,
    /// It will never work for this recipient or place.
    Permanent,
    /// A limit that opens after minutes.
    WaitLong,
    /// Our token is not accepted: everything stops.
    Credential,
    /// Our own content is not accepted: an operator must look.
    Poison,
}

/// What a call would have done; some answers mean something else then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A message with an enforced nonce.
    Creates,
    /// The answer to an interaction.
    Acknowledges,
    /// A change of something that exists, or none.
    Changes,
}

/// Sorts an answer that is no success.
pub(super) fn class(status: u16, code: Option<u64>, effect: Effect) -> Class {
    match (status, code.unwrap_or_default(), effect) {
        (401, _, _) => Class::Credential,
        // Posted, then deleted: Discord remembers the nonce and not the message.
        (_, 10_008, Effect::Creates) | (_, 40_060, Effect::Acknowledges) => Class::Done,
        (_, 10_008, Effect::Changes | Effect::Acknowledges) => Class::Permanent,
        // The token of the interaction is dead.
        (_, 10_015 | 10_062, _) => Class::Permanent,
        (_, 20_016 | 20_028 | 20_029 | 30_046 | 40_003 | 110_001 | 130_000, _) => Class::WaitLong,
        (_, 10_003 | 10_004 | 10_013 | 40_058 | 50_001 | 50_007 | 50_013 | 50_278 | 160_002, _) => Class::Permanent,
        (_, 50_006 | 50_035 | 50_109 | 200_000 | 240_000, _) => Class::Poison,
        (429, _, _) => Class::Wait,
        (500.., _, _) => Class::Unknown,
        // Refused for a reason the table lacks: no effect can exist.
        (400..=499, _, _) => Class::Retry,
        (0..=399, _, _) => Class::Unknown,
    }
}

/// The parts of an error body that matter.
#[derive(Debug, Default, Deserialize)]
struct Body {
    code: Option<serde_json::Value>,
    retry_after: Option<f64>,
}

impl Failure {
    /// An answer that is no success.
    pub(super) fn answered(status: u16, body: &[u8], effect: Effect) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        let code = body.code.and_then(|code| code.as_u64()).filter(|code| *code != 0);
        let retry_after = body.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self { class: class(status, code, effect), status: Some(status), code, retry_after }
    }

    /// No readable answer.
    pub(super) fn silent(class: Class) -> Self {
        Self { class, status: None, code: None, retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is the table")]
    fn every_answer_of_the_table_has_its_class() {
        let table: [(&[(u16, u64)], Class); 7] = [
            (&[(429, 0)], Class::Wait),
            (&[(500, 0), (502, 0), (503, 0), (504, 0), (520, 0), (204, 0)], Class::Unknown),
            (
                &[
                    (403, 50_007),
                    (403, 50_278),
                    (404, 10_003),
                    (404, 10_004),
                    (404, 10_013),
                    (403, 50_001),
                    (403, 50_013),
                    (400, 40_058),
                    (403, 160_002),
                    (404, 10_062),
                    (404, 10_015),
                    (404, 10_008),
                ],
                Class::Permanent,
            ),
            (
                &[
                    (403, 40_003),
                    (429, 20_016),
                    (429, 20_028),
                    (429, 20_029),
                    (429, 30_046),
                    (429, 130_000),
                    (503, 110_001),
                ],
                Class::WaitLong,
            ),
            (&[(401, 0), (401, 50_014)], Class::Credential),
            (&[(400, 50_035), (400, 50_006), (400, 50_109), (400, 200_000), (400, 240_000)], Class::Poison),
            (&[(400, 0), (403, 0), (404, 0), (400, 99_999)], Class::Retry),
        ];
        for (answers, expected) in table {
            for (status, code) in answers {
                assert_eq!(class(*status, Some(*code), Effect::Changes), expected, "{status} {code}");
            }
        }
    }

    #[test]
    fn what_was_done_before_counts_as_done() {
        assert_eq!(class(404, Some(10_008), Effect::Creates), Class::Done);
        assert_eq!(class(400, Some(40_060), Effect::Acknowledges), Class::Done);
        assert_eq!(class(400, Some(40_060), Effect::Changes), Class::Retry);
    }

    #[test]
    fn the_body_says_how_long_to_wait_and_may_be_anything() {
        let body = br#"{"message":"slow","code":20028,"retry_after":1163.5,"global":false}"#;
        let failure = Failure::answered(429, body, Effect::Creates);
        assert_eq!(failure.code, Some(20_028));
        assert_eq!(failure.retry_after, Some(Duration::from_millis(1_163_500)));
        assert_eq!(Failure::answered(503, b"<html>", Effect::Creates).class, Class::Unknown);
        assert_eq!(Failure::answered(429, br#"{"retry_after":-1}"#, Effect::Creates).retry_after, None);
    }
}
