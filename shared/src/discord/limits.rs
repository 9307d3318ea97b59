//! What the headers of an answer say about limits.

use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use twilight_http_ratelimiting::RateLimitHeaders;

/// Discord says nothing of how long, as a proxy in front of it may.
const SILENT: Duration = Duration::from_secs(1);

/// What a 429 says.
#[derive(Debug)]
pub(super) struct Limit {
    /// Whose limit it is, as telemetry says it.
    pub(super) scope: &'static str,
    /// How long to wait: headers and body are known to differ, and the longer one is meant.
    pub(super) pause: Duration,
    /// What the limiter can keep to; none for a limit of everything.
    pub(super) bucket: Option<RateLimitHeaders>,
}

impl Limit {
    /// From its headers and what its body says of when to try again.
    pub(super) fn told(headers: &HeaderMap, after: Option<Duration>) -> Self {
        let pause = pause(headers).max(after).unwrap_or(SILENT);
        let reset_at = Instant::now() + pause;
        let bucket = bucket(headers).map(|bucket| RateLimitHeaders { remaining: 0, reset_at, ..bucket });
        Self { scope: scope(headers), pause, bucket }
    }
}

/// Whose limit a 429 is about, as telemetry says it. What names no scope concerns everything we send.
pub(super) fn scope(headers: &HeaderMap) -> &'static str {
    match text(headers, RateLimitHeaders::SCOPE) {
        Some("user") => "user",
        Some("shared") => "shared",
        _ => "global",
    }
}

/// What is left of a bucket; none for an answer that tells of none. Only a 429 names a scope.
pub(super) fn bucket(headers: &HeaderMap) -> Option<RateLimitHeaders> {
    let bucket = text(headers, RateLimitHeaders::BUCKET)?.as_bytes().to_vec();
    match text(headers, RateLimitHeaders::SCOPE).unwrap_or("user") {
        "shared" => Some(RateLimitHeaders::shared(bucket, text(headers, RETRY_AFTER.as_str())?.parse().ok()?)),
        "user" => {
            let number = |name| text(headers, name)?.parse().ok();
            let after: f64 = text(headers, RateLimitHeaders::RESET_AFTER)?.parse().ok()?;
            Some(RateLimitHeaders {
                bucket,
                limit: number(RateLimitHeaders::LIMIT)?,
                remaining: number(RateLimitHeaders::REMAINING)?,
                reset_at: Instant::now() + Duration::try_from_secs_f64(after).ok()?,
            })
        }
        _ => None,
    }
}

/// How long to wait, by the headers.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let names = [RateLimitHeaders::RESET_AFTER, RETRY_AFTER.as_str()];
    let seconds = names.iter().filter_map(|name| text(headers, name)?.parse::<f64>().ok());
    seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const USER: [(&str, &str); 4] = [
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "2"),
        ("x-ratelimit-reset-after", "0.25"),
    ];

    fn told(pairs: &[(&'static str, &'static str)], after: Option<u64>) -> (&'static str, Duration, Option<u16>) {
        let limit = Limit::told(&headers(pairs), after.map(Duration::from_secs));
        (limit.scope, limit.pause, limit.bucket.map(|bucket| bucket.remaining))
    }

    #[test]
    fn an_answer_without_a_scope_tells_what_is_left_of_its_bucket() {
        let bucket = bucket(&headers(&USER)).expect("all of it is there");
        assert_eq!((bucket.limit, bucket.remaining), (5, 2));
        assert_eq!(super::bucket(&headers(&[("x-ratelimit-bucket", "b")])), None);
    }

    #[test]
    fn a_limit_of_ours_has_a_bucket_and_one_of_everything_has_none() {
        let user = [&USER[..], &[("x-ratelimit-scope", "user")]].concat();
        assert_eq!(told(&user, None), ("user", Duration::from_millis(250), Some(0)));
        let shared = [("x-ratelimit-scope", "shared"), ("x-ratelimit-bucket", "b"), ("retry-after", "2")];
        assert_eq!(told(&shared, None), ("shared", Duration::from_secs(2), Some(0)));
        let global = [("x-ratelimit-scope", "global"), ("retry-after", "3")];
        assert_eq!(told(&global, None), ("global", Duration::from_secs(3), None));
    }

    #[test]
    fn of_header_and_body_the_longer_one_is_meant() {
        let user = [&USER[..], &[("x-ratelimit-scope", "user")]].concat();
        assert_eq!(told(&user, Some(1_163)), ("user", Duration::from_secs(1_163), Some(0)));
        assert_eq!(told(&[("retry-after", "3")], Some(1)).1, Duration::from_secs(3));
    }

    #[test]
    fn a_proxy_that_says_nothing_is_given_a_second() {
        assert_eq!(told(&[], None), ("global", SILENT, None));
        let broken = [("x-ratelimit-scope", "user"), ("x-ratelimit-bucket", "b")];
        assert_eq!(told(&broken, None), ("user", SILENT, None));
    }
}
