//! How often somebody may ask (L-38): windows in Redis, and a small local share while Redis is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use shared::cache::{Away, Cache, Copied, Permit};
use shared::error::Refusal;

/// All limits are so many a minute.
const MINUTE: Duration = Duration::from_secs(60);
/// Without Redis every replica grants this part of the limit, since it does not see what the others grant.
const SHARE: u32 = 4;
/// Keys that the local windows remember; more than these start over together.
const KEYS: usize = 10_000;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Looking, with a session.
    Reads,
    /// Changing, with a session.
    Writes,
    /// Signing in, from an address.
    SignIns,
}

impl Limit {
    const fn a_minute(self) -> u32 {
        match self {
            Self::Reads => 300,
            Self::Writes => 60,
            Self::SignIns => 10,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::SignIns => "signins",
        }
    }

    fn key(self, who: &str) -> String {
        format!("{}:{who}", self.name())
    }
}

/// Counts who asked how often.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    cache: Cache,
    local: Arc<Mutex<Local>>,
}

#[derive(Debug)]
struct Local {
    since: Instant,
    counts: HashMap<String, u32>,
}

impl Windows {
    pub(crate) fn new(cache: Cache) -> Self {
        Self { cache, local: Arc::new(Mutex::new(Local { since: Instant::now(), counts: HashMap::new() })) }
    }

    /// Lets one more request pass, or says when.
    pub(crate) async fn pass(&self, limit: Limit, who: &str) -> Result<(), Refusal> {
        let most = limit.a_minute();
        let answer = self.cache.permit(&limit.key(who), most, MINUTE, most).await;
        self.decide(limit, who, answer)
    }

    /// What is known of a session by its hash; where anything is, also what `pass` would ask Redis.
    pub(crate) async fn enter<T: DeserializeOwned>(
        &self,
        limit: Limit,
        hash: &str,
    ) -> Result<(Copied<T>, Option<Permit>), Away> {
        self.cache.enter(hash, &limit.key(hash), limit.a_minute(), MINUTE).await
    }

    /// Lets a request pass of which Redis said this, or says when.
    pub(crate) fn decide(&self, limit: Limit, who: &str, answer: Result<Permit, Away>) -> Result<(), Refusal> {
        let wait = match answer {
            Ok(Permit::Granted) => return Ok(()),
            Ok(Permit::Wait(wait)) => wait,
            Err(_) => match self.locally(limit.key(who), limit.a_minute() / SHARE) {
                None => return Ok(()),
                Some(wait) => wait,
            },
        };
        Err(Refusal::SlowDown { seconds: wait.as_secs_f64().ceil().max(1.0) as u64 })
    }

    fn locally(&self, key: String, most: u32) -> Option<Duration> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        local.count(key, most, Instant::now())
    }
}

impl Local {
    fn count(&mut self, key: String, most: u32, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.since);
        if passed >= MINUTE || self.counts.len() >= KEYS {
            *self = Self { since: now, counts: HashMap::new() };
        }
        let count = self.counts.entry(key).or_default();
        *count += 1;
        (*count > most).then(|| MINUTE.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_redis_each_key_gets_its_share_and_a_fresh_one_the_next_minute() {
        let start = Instant::now();
        let mut local = Local { since: start, counts: HashMap::new() };
        assert!((0..15).all(|_| local.count("writes:a".into(), 15, start).is_none()));
        let later = start + Duration::from_secs(20);
        assert_eq!(local.count("writes:a".into(), 15, later), Some(Duration::from_secs(40)));
        assert_eq!(local.count("writes:b".into(), 15, later), None);
        assert_eq!(local.count("writes:a".into(), 15, start + MINUTE), None);
    }
}
