//! Servers that the environment names.

use anyhow::{Result, ensure};

use super::{Urls, setting};

const NAMES: [&str; 3] = ["DATABASE_URL", "REDIS_URL", "AMQP_URL"];

pub(super) fn is_set() -> bool {
    NAMES.iter().all(|name| setting(name).is_some())
}

pub(super) fn urls() -> Result<Urls> {
    let [postgres, redis, amqp] = NAMES.map(setting);
    let missing: Vec<_> = NAMES.into_iter().filter(|name| setting(name).is_none()).collect();
    ensure!(missing.is_empty(), "not set: {}", missing.join(", "));
    Ok(Urls {
        postgres: postgres.unwrap_or_default(),
        redis: redis.unwrap_or_default(),
        amqp: amqp.unwrap_or_default(),
    })
}
