//! The bot: Discord's side of every game. Buttons in, announcements and direct messages out, guilds projected.

mod announcer;
pub mod boards;
pub mod budget;
pub mod config;
pub mod controls;
mod deliveries;
pub mod gateway;
mod history;
mod interactions;
mod job;
mod lease;
pub mod operator;
mod projection;
pub mod render;
pub mod retry;
mod run;
pub mod standing;
pub mod words;

use std::time::Instant;

use shared::app::App;
use shared::cache::Cache;
use shared::discord::{Class, Discord, Failure};
use tokio_util::sync::CancellationToken;

pub use run::run;

/// What all parts of the bot work with.
#[derive(Debug)]
pub struct Bot {
    /// What actions work with.
    pub app: App,
    /// Discord's REST API.
    pub discord: Discord,
    /// Redis.
    pub cache: Cache,
    /// How many calls there may be.
    pub budget: budget::Budget,
    /// Whether Discord is away.
    pub breaker: retry::Breaker,
    /// Whether the bot is ready.
    pub standing: standing::Standing,
    /// Who holds the leases of this process.
    pub owner: String,
    /// Where people's browsers find the pages.
    pub frontend: Option<String>,
    /// Cancelled when the process ends.
    pub stop: CancellationToken,
}

impl Bot {
    /// A background call ended so; what Discord answers with sense shows that it is there.
    pub(crate) fn saw(&self, failure: Option<&Failure>) {
        if let Some(there) = failure.map_or(Some(true), there) {
            self.breaker.saw(Instant::now(), there);
        }
    }
}

/// Whether a failure shows that Discord is there, or that it is away; none when the call never went out.
fn there(failure: &Failure) -> Option<bool> {
    match (failure.class, failure.status) {
        (Class::Unknown, _) | (Class::Retry, None) => Some(false),
        (_, Some(_)) => Some(true),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_shows_that_discord_is_there() {
        let seen = |class, status| there(&Failure { class, status, code: None, retry_after: None });
        assert_eq!(seen(Class::Permanent, Some(403)), Some(true));
        assert_eq!(seen(Class::Unknown, Some(503)), Some(false));
        assert_eq!(seen(Class::Unknown, None), Some(false));
        assert_eq!(seen(Class::Retry, None), Some(false), "it did not connect");
        assert_eq!(seen(Class::Wait, None), None, "it waited for a permit until its time was over");
    }
}
