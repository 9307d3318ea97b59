//! Whether the bot is ready: every shard has a session and every guild is built (GU-22).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::service::{Check, Health};
use shared::telemetry::{Attribute, instruments};

/// How the shards of this process stand.
#[derive(Debug)]
pub struct Standing {
    shards: Mutex<BTreeMap<u32, Shard>>,
    gateway: Check,
    guilds: Check,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shard {
    connected: bool,
    settled: bool,
}

impl Standing {
    /// Adds its checks to `health`.
    #[must_use]
    pub fn new(health: &Health) -> Self {
        let (gateway, guilds) = (health.check("discord", true), health.check("guilds", true));
        Self { shards: Mutex::default(), gateway, guilds }
    }

    /// A shard that this process owns; without a session so far.
    pub(crate) fn owns(&self, shard: u32) {
        self.connected(shard, false);
    }

    /// A shard has a session, or lost its socket.
    pub(crate) fn connected(&self, shard: u32, connected: bool) {
        self.set(shard, |shard| shard.connected = connected);
        let label = Attribute::new("gamesched.shard.id", shard.to_string());
        instruments::get().discord.connected.record(i64::from(connected), &[label]);
    }

    /// Whether a shard's socket is acknowledged.
    pub(crate) fn is_connected(&self, shard: u32) -> bool {
        self.shards().get(&shard).is_some_and(|shard| shard.connected)
    }

    /// All guilds of a shard are written, or some are not.
    pub(crate) fn settled(&self, shard: u32, settled: bool) {
        self.set(shard, |shard| shard.settled = settled);
    }

    fn set(&self, shard: u32, change: impl FnOnce(&mut Shard)) {
        let mut shards = self.shards();
        change(shards.entry(shard).or_default());
        let connected = shards.values().filter(|shard| shard.connected).count();
        let told = |check: &Check, all: bool, reason: &str| if all { check.ok() } else { check.failing(reason) };
        told(&self.gateway, connected == shards.len(), "a shard has no session");
        told(&self.guilds, shards.values().all(|shard| shard.settled), "guilds are being written");
    }

    fn shards(&self) -> MutexGuard<'_, BTreeMap<u32, Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gu_22_ready_is_every_shard_connected_and_every_guild_built() {
        let health = Health::default();
        health.started();
        let standing = Standing::new(&health);
        let ready = || health.ready().0.as_u16();
        standing.owns(0);
        standing.owns(1);
        standing.connected(0, true);
        standing.settled(0, true);
        assert_eq!(ready(), 503);
        standing.connected(1, true);
        standing.settled(1, true);
        assert_eq!(ready(), 200);
        standing.connected(0, false);
        assert_eq!(ready(), 503, "withdrawn when one fails");
    }
}
