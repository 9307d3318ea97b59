//! How many calls to Discord there may be: over all replicas by Redis, in a channel by its own pace (L-44).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use shared::cache::{Cache, Permit};
use shared::domain::ids::DiscordChannel;

/// Of the requests that Discord allows: pieces of background work begun in a second, over all replicas. A letter is one
/// piece and two requests; people who press buttons need the rest.
const BACKGROUND: u16 = 2;
/// Of the background work: what one replica begins while Redis cannot be asked. Small, so that eight stay within the whole.
const SHARE: f64 = 0.12;
/// Letters that a replica works on at once, for every fifty requests a second, and at most: what an answer of Discord
/// takes must not bound the rate.
const LETTERS: (u16, u16) = (32, 256);
/// Between consecutive calls in a channel; the last for ever (DI-37).
const GAPS: [Duration; 6] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_millis(1500),
    Duration::from_millis(1500),
];
/// After this much quiet a channel begins anew.
const QUIET: Duration = Duration::from_secs(5);

/// What Discord allows, and what is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Allowed(u16);

impl Allowed {
    /// So many requests a second over all replicas.
    #[must_use]
    pub const fn requests(a_second: u16) -> Self {
        Self(a_second)
    }

    /// Pieces of background work a second over all replicas; at least one.
    fn background(self) -> u32 {
        u32::from(self.0 / BACKGROUND).max(1)
    }

    /// The same for a replica that is alone.
    fn share(self) -> f64 {
        f64::from(self.background()) * SHARE
    }

    /// Letters that a replica works on at once.
    #[must_use]
    pub fn letters(self) -> u16 {
        let (fifty, most) = LETTERS;
        let scaled = u32::from(fifty) * u32::from(self.0) / 50;
        u16::try_from(scaled).unwrap_or(most).clamp(fifty, most)
    }
}

/// The budget of background calls.
#[derive(Debug)]
pub struct Budget {
    cache: Cache,
    allowed: Allowed,
    /// When this replica may call next while Redis is away.
    alone: Mutex<Option<Instant>>,
}

impl Budget {
    /// The budget that the replicas share through `cache`.
    #[must_use]
    pub fn new(cache: Cache, allowed: Allowed) -> Self {
        Self { cache, allowed, alone: Mutex::new(None) }
    }

    /// Waits for a permit; false when there is none before `until`.
    pub async fn permit(&self, until: Instant) -> bool {
        let rate = self.allowed.background();
        loop {
            let wait = match self.cache.permit("discord", rate, Duration::from_secs(1), rate).await {
                Ok(Permit::Granted) => return true,
                Ok(Permit::Wait(wait)) => wait,
                Err(_away) => match self.alone(Instant::now()) {
                    Duration::ZERO => return true,
                    wait => wait,
                },
            };
            if Instant::now() + wait > until {
                return false;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes the next slot of this replica's own share if it is free, else tells how long until it is.
    fn alone(&self, now: Instant) -> Duration {
        let mut next = self.alone.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let wait = next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now));
        if wait.is_zero() {
            *next = Some(now + Duration::from_secs_f64(1.0 / self.allowed.share()));
        }
        wait
    }
}

/// One turn a channel at a time, at the channel's pace.
#[derive(Debug, Default)]
pub struct Channels(Mutex<HashMap<DiscordChannel, Arc<tokio::sync::Mutex<Pace>>>>);

/// The turn in a channel; the channel is the next one's when this is dropped.
pub type Turn = tokio::sync::OwnedMutexGuard<Pace>;

impl Channels {
    /// Waits for the turn in a channel and for its pace; none when that takes beyond `until`.
    pub async fn turn(&self, channel: DiscordChannel, until: Instant) -> Option<Turn> {
        let pace = Arc::clone(self.all().entry(channel).or_default());
        let mut turn = tokio::time::timeout_at(until.into(), pace.lock_owned()).await.ok()?;
        let at = turn.next(Instant::now());
        if at > until {
            return None;
        }
        tokio::time::sleep_until(at.into()).await;
        turn.went(at);
        Some(turn)
    }

    /// Forgets the channels that are quiet and nobody waits for.
    pub fn tidy(&self, now: Instant) {
        self.all().retain(|_, pace| Arc::strong_count(pace) > 1 || !pace.try_lock().is_ok_and(|pace| pace.quiet(now)));
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<DiscordChannel, Arc<tokio::sync::Mutex<Pace>>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How fast a channel is written to.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    /// Calls since the channel was quiet.
    burst: usize,
}

impl Pace {
    fn quiet(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET)
    }

    /// When the next call may be made.
    fn next(&self, now: Instant) -> Instant {
        match self.last {
            Some(last) if !self.quiet(now) => now.max(last + GAPS[self.burst.min(GAPS.len() - 1)]),
            _ => now,
        }
    }

    fn went(&mut self, at: Instant) {
        self.burst = if self.quiet(at) { 1 } else { self.burst + 1 };
        self.last = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn di_37_a_burst_in_a_channel_slows_down_and_a_quiet_channel_begins_anew() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut called = vec![];
        for _ in 0..7 {
            let at = pace.next(pace.last.unwrap_or(start));
            pace.went(at);
            called.push(at.duration_since(start).as_millis());
        }
        assert_eq!(called, [0, 0, 1000, 2000, 3500, 5000, 6500]);
        let later = start + Duration::from_secs(20);
        assert_eq!(pace.next(later), later);
        pace.went(later);
        assert_eq!(pace.next(later), later, "the second call of a burst comes at once");
    }

    #[test]
    fn l_44_background_work_has_half_of_what_discord_allows() {
        let of = |requests| {
            let allowed = Allowed::requests(requests);
            (allowed.background(), allowed.letters(), (allowed.share() * 100.0).round())
        };
        assert_eq!(of(50), (25, 32, 300.0));
        assert_eq!(of(2), (1, 32, 12.0), "slow, but never still");
        assert_eq!(of(200), (100, 128, 1_200.0));
        assert_eq!(of(10_000), (5_000, 256, 60_000.0));
    }

    #[tokio::test]
    async fn a_turn_that_would_come_too_late_is_not_waited_for() {
        let channels = Channels::default();
        let channel = DiscordChannel::new(7);
        let soon = Instant::now() + Duration::from_millis(20);
        let first = channels.turn(channel, soon).await;
        assert!(first.is_some());
        assert!(channels.turn(channel, soon).await.is_none(), "the first turn has not ended");
        assert!(channels.turn(DiscordChannel::new(8), soon + Duration::from_secs(1)).await.is_some());
    }
}
