//! The bot from its settings to its end: which tasks there are and what they share.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use secrecy::ExposeSecret;
use shared::amqp::consumer::{self, LinkState, Queue};
use shared::amqp::{Broker, parker, relay};
use shared::app::App;
use shared::cache::Cache;
use shared::clock::Clock;
use shared::daemon::{self, Notifier};
use shared::discord::{Class, Discord};
use shared::domain::ids::MessageId;
use shared::service::{Process, awaiting, watch};
use shared::store::Db;
use shared::worker;

use crate::Bot;
use crate::announcer::Announcer;
use crate::budget::{Allowed, Budget};
use crate::config::Settings;
use crate::deliveries::Sender;
use crate::gateway::{self, Access};
use crate::retry::Breaker;
use crate::standing::Standing;

/// Connections of a replica.
const CONNECTIONS: u32 = 12;
/// Announcements that are worked on at once.
const ANNOUNCEMENTS: u16 = 64;

/// Runs the bot until it is asked to end, or until Discord refuses it for good.
///
/// # Errors
/// When a setting cannot be used; the message names it.
pub async fn run(settings: Settings, process: Process) -> anyhow::Result<()> {
    let common = &settings.common;
    process.health.serve(common.health_addr).await?;
    let broker = Broker::new(common.amqp(), &common.namespace)?;
    let bot = Arc::new(build(&settings, &process)?);
    worker::serve(&bot.app, broker.clone(), &process);
    redis(&bot, &process);
    consumers(&bot, &process, &broker, allowed(&settings).letters());
    parkers(&bot, &process, &broker);
    process.health.started();
    // What the first events tell goes to Redis; a moment's patience saves telling it twice. Its absence stops nothing.
    let _ = bot.cache.ping().await;
    let Some(shards) = shards(&bot).await? else { return Ok(()) };
    let (token, url) = (settings.discord_token.clone(), settings.discord_gateway_url.clone());
    let access = Access { token, url, shards, commands_in: settings.commands_guild };
    gateway::run(Arc::clone(&bot), &access, process.tasks.tracker(), process.stop.clone()).await
}

fn allowed(settings: &Settings) -> Allowed {
    Allowed::requests(settings.discord_requests_per_second)
}

fn build(settings: &Settings, process: &Process) -> anyhow::Result<Bot> {
    let common = &settings.common;
    let cache = Cache::open(settings.redis_url.expose_secret(), &common.namespace)?;
    let app = App {
        db: Db::open(common.database(), process.name, CONNECTIONS)?,
        clock: Clock::system(),
        hint: relay::Hint::default(),
        notifier: Notifier::default(),
    };
    Ok(Bot {
        app,
        discord: Discord::new(&settings.discord_api_url, &settings.discord_token, settings.discord_requests_per_second)
            .map_err(|fault| anyhow!("DISCORD_API_URL: {fault:#}"))?,
        budget: Budget::new(cache.clone(), allowed(settings)),
        cache,
        breaker: Breaker::closed(),
        standing: Standing::new(&process.health),
        owner: format!("bot:{}", MessageId::new()),
        frontend: settings.frontend_url.clone(),
        stop: process.stop.clone(),
    })
}

/// Says in health whether Redis is there; nothing else waits for it.
fn redis(bot: &Arc<Bot>, process: &Process) {
    let (bot, stop, health) = (Arc::clone(bot), process.stop.clone(), process.health.clone());
    process.tasks.run("redis", move || {
        let (cache, stop, health) = (bot.cache.clone(), stop.clone(), health.clone());
        async move { watch(&health, "redis", true, || async { Ok(cache.ping().await?) }, stop).await }
    });
}

/// Announcements and direct messages: by message, and by the bot's own claims, hot while messages do not come.
fn consumers(bot: &Arc<Bot>, process: &Process, broker: &Broker, letters: u16) {
    let link = |name| LinkState::telling(process.health.check(name, true));
    let (announcements, deliveries) = (link("announcements"), link("deliveries"));
    let (announcer, sender) = (Arc::new(Announcer::new(Arc::clone(bot))), Arc::new(Sender::new(Arc::clone(bot))));

    let (handler, state, stop, to) =
        (Arc::clone(&announcer), announcements.clone(), process.stop.clone(), broker.clone());
    process.tasks.run("announcements", move || {
        consumer::run(
            to.clone(),
            Queue::Announcements,
            ANNOUNCEMENTS,
            Arc::clone(&handler),
            state.clone(),
            stop.clone(),
        )
    });
    let (handler, state, stop, to) = (Arc::clone(&sender), deliveries.clone(), process.stop.clone(), broker.clone());
    process.tasks.run("deliveries", move || {
        consumer::run(to.clone(), Queue::Deliveries, letters, Arc::clone(&handler), state.clone(), stop.clone())
    });

    let stop = process.stop.clone();
    process.tasks.run("announcements by claim", move || {
        let (announcer, state, stop) = (Arc::clone(&announcer), announcements.clone(), stop.clone());
        async move {
            let look = || announcer.look();
            daemon::run("announcements", look, announcer.wake(), || !state.is_up(), stop).await;
        }
    });
    let stop = process.stop.clone();
    process.tasks.run("deliveries by claim", move || {
        let (sender, state, stop) = (Arc::clone(&sender), deliveries.clone(), stop.clone());
        async move {
            let look = || sender.look();
            daemon::run("deliveries", look, sender.wake(), || !state.is_up(), stop).await;
        }
    });
}

/// What the consumers refuse for good goes into a table, where an operator finds it.
fn parkers(bot: &Arc<Bot>, process: &Process, broker: &Broker) {
    let refused = [("refused announcements", Queue::Announcements), ("refused deliveries", Queue::Deliveries)];
    for (name, of) in refused {
        let (db, to, stop) = (bot.app.db.clone(), broker.clone(), process.stop.clone());
        let state = LinkState::telling(process.health.check(name, false));
        process.tasks.run(name, move || parker::run(to.clone(), of.clone(), db.clone(), state.clone(), stop.clone()));
    }
}

/// How many shards Discord wants; none when the process ends before it says.
async fn shards(bot: &Bot) -> anyhow::Result<Option<u32>> {
    let asked = || async {
        match bot.discord.gateway().await {
            Ok(told) => {
                gateway::starts(told.session_start_limit.remaining);
                Ok(Some(told.shards))
            }
            Err(failure) if failure.class == Class::Credential => Ok(None),
            Err(failure) => Err(anyhow::Error::new(failure)),
        }
    };
    match awaiting("asking Discord for its gateway", asked, &bot.stop).await {
        None => Ok(None),
        Some(Some(shards)) => Ok(Some(shards.max(1))),
        Some(None) => bail!("DISCORD_TOKEN is refused by Discord: take the bot's present token"),
    }
}
