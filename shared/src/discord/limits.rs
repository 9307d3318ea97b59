//! What the headers of an answer say about limits.

use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use twilight_http_ratelimiting::RateLimitHeaders;

/// Discord says nothing of how long, as a proxy in front of it may.
const SILENT: Duration = Duration::from_secs(1);

/// Whose limit a 429 is about, as telemetry says it. What names no scope concerns everything we send.
pub(super) fn scope(headers: &HeaderMap) -> &'static str {
    match text(headers, RateLimitHeaders::SCOPE) {
        Some("user") => "user",
        Some("shared") => "shared",
        _ => "global",
    }
}

/// What the limiter can keep to; none for a limit that no bucket has.
pub(super) fn bucket(headers: &HeaderMap) -> Option<RateLimitHeaders> {
    let bucket = text(headers, RateLimitHeaders::BUCKET)?.as_bytes().to_vec();
    match text(headers, RateLimitHeaders::SCOPE)? {
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

/// How long to wait where the limiter does not: for the end of a limit that no bucket has.
pub(super) fn pause(headers: &HeaderMap) -> Duration {
    let names = [RateLimitHeaders::RESET_AFTER, RETRY_AFTER.as_str()];
    let seconds = names.iter().filter_map(|name| text(headers, name)?.parse::<f64>().ok());
    seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max().unwrap_or(SILENT)
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

    #[test]
    fn a_limit_of_ours_has_a_bucket_and_one_of_everything_is_waited_for() {
        let user = headers(&[
            ("x-ratelimit-scope", "user"),
            ("x-ratelimit-bucket", "b"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "0.25"),
        ]);
        assert_eq!((scope(&user), bucket(&user).map(|bucket| bucket.limit)), ("user", Some(5)));
        let shared = headers(&[("x-ratelimit-scope", "shared"), ("x-ratelimit-bucket", "b"), ("retry-after", "2")]);
        assert_eq!((scope(&shared), bucket(&shared).map(|bucket| bucket.limit)), ("shared", Some(0)));
        let global = headers(&[("x-ratelimit-scope", "global"), ("retry-after", "3")]);
        assert_eq!((scope(&global), bucket(&global), pause(&global)), ("global", None, Duration::from_secs(3)));
    }

    #[test]
    fn a_proxy_that_says_nothing_is_given_a_second() {
        let nothing = HeaderMap::new();
        assert_eq!((scope(&nothing), bucket(&nothing), pause(&nothing)), ("global", None, SILENT));
        let broken = headers(&[("x-ratelimit-scope", "user"), ("x-ratelimit-bucket", "b")]);
        assert_eq!(bucket(&broken), None);
    }
}
