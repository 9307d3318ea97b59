//! The gateway's edge: shards, their sessions, and who gets which event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use shared::domain::ids::DiscordGuild;
use shared::service::Turns;
use shared::telemetry::instruments;
use shared::telemetry::{Attribute, carry};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};
use twilight_gateway::error::ReceiveMessageErrorType;
use twilight_gateway::{
    CloseFrame, ConfigBuilder, Event, EventType, EventTypeFlags, Intents, Shard, ShardId, StreamExt as _,
};
use twilight_model::gateway::CloseCode;
use twilight_model::id::Id;
use twilight_model::id::marker::ApplicationMarker;

use crate::Bot;
use crate::interactions;
use crate::interactions::commands::register;
use crate::projection::{self, Keeper};

/// What the bot listens to (DI-01): never the content of messages, never presences.
const INTENTS: Intents = Intents::GUILDS
    .union(Intents::GUILD_MEMBERS)
    .union(Intents::GUILD_MESSAGES)
    .union(Intents::GUILD_EMOJIS_AND_STICKERS);
/// Events that wait for the keeper; when it is full the socket is not read, and a resume replays.
const WAITING: usize = 1_024;
/// Interactions that are worked on at once.
const AT_ONCE: usize = 128;
/// Discord counts milliseconds from the beginning of 2015.
const DISCORD_EPOCH: i64 = 1_420_070_400_000;
/// A close that Discord does not answer is not waited for longer.
const CLOSING: Duration = Duration::from_millis(500);

/// Where the gateway is and who we are to it.
#[derive(Debug)]
pub struct Access {
    /// The bot's token.
    pub token: SecretString,
    /// Instead of the address that Discord gives.
    pub url: Option<String>,
    /// How many shards there are.
    pub shards: u32,
    /// The only guild in which commands are offered; else they are everywhere.
    pub commands_in: Option<DiscordGuild>,
}

/// Runs every shard until `stop`. Ends with a fault when Discord refuses the token or an intent.
///
/// # Errors
/// When no reconnecting can help; the message says what to do.
pub async fn run(bot: Arc<Bot>, access: &Access, tasks: &TaskTracker, stop: CancellationToken) -> anyhow::Result<()> {
    (0..access.shards).for_each(|shard| bot.standing.owns(shard));
    let mut config = ConfigBuilder::new(access.token.expose_secret().to_owned(), INTENTS).large_threshold(250);
    if let Some(url) = &access.url {
        config = config.proxy_url(url.clone());
    }
    // The copies share one queue, so that the shards identify one after the other.
    let config = config.build();
    let ids = (0..access.shards).map(|shard| ShardId::new(shard, access.shards));
    let shards = ids.map(|id| Shard::with_config(id, config.clone()));
    let running = shards.map(|shard| one(Arc::clone(&bot), shard, access.commands_in, tasks, stop.clone()));
    futures_util::future::try_join_all(running).await?;
    Ok(())
}

/// One shard, from its first connection to its close.
async fn one(
    bot: Arc<Bot>,
    mut shard: Shard,
    commands_in: Option<DiscordGuild>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (events, waiting) = mpsc::channel(WAITING);
    let shard_id = shard.id();
    let place = (shard_id.number(), shard_id.total());
    let keeper = Keeper::new(Arc::clone(&bot), place, shard.sender());
    let mut keeping = projection::start(tasks, keeper, waiting, stop.clone());
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let begun = AtomicBool::new(false);
    let told = Arc::default();
    let reader = Reader { bot, tasks, events, shard: shard_id, at_once, begun, commands_in, told };
    let ended = tokio::select! {
        // First, since the keeper ends well at the same moment.
        biased;
        () = stop.cancelled() => {
            shard.close(CloseFrame::RESUME);
            let last = async { while let Some(Ok(message)) = shard_next(&mut shard).await {
                if matches!(message, Event::GatewayClose(_)) { break; }
            }};
            let _ = tokio::time::timeout(CLOSING, last).await;
            Ok(())
        }
        lost = alone(&mut keeping, shard_id) => Err(lost),
        ended = reader.read(&mut shard) => ended,
    };
    reader.connected(false);
    keeping.abort();
    ended
}

/// Waits until a shard has nobody who keeps its guilds: then it must not go on as if they were kept.
async fn alone(keeping: &mut JoinHandle<()>, shard: ShardId) -> anyhow::Error {
    match keeping.await {
        Ok(()) => anyhow!("the keeper of the guilds of shard {shard} ended"),
        Err(broken) if broken.is_panic() => anyhow!("the keeper of the guilds of shard {shard} panicked"),
        Err(_) => anyhow!("the keeper of the guilds of shard {shard} was ended"),
    }
}

async fn shard_next(shard: &mut Shard) -> Option<Result<Event, twilight_gateway::error::ReceiveMessageError>> {
    shard.next_event(EventTypeFlags::empty()).await
}

/// Reads one shard and hands its events on.
struct Reader<'tasks> {
    bot: Arc<Bot>,
    tasks: &'tasks TaskTracker,
    events: mpsc::Sender<Event>,
    shard: ShardId,
    at_once: Arc<Semaphore>,
    /// There was a session before.
    begun: AtomicBool,
    commands_in: Option<DiscordGuild>,
    /// Held while Discord is told of the commands.
    told: Arc<Mutex<()>>,
}

impl Reader<'_> {
    async fn read(&self, shard: &mut Shard) -> anyhow::Result<()> {
        let (id, turns) = (self.shard, Turns::of("gateway"));
        while let Some(event) = turns.during(shard.next_event(wanted())).await {
            match event {
                Ok(Event::GatewayClose(frame)) => {
                    self.connected(false);
                    refused(frame.map(|frame| frame.code))?;
                    debug!("shard {id} was disconnected");
                }
                Ok(Event::GatewayHeartbeatAck) => self.beat(shard.latency().recent().first()),
                Ok(event) => self.hand_on(event).await,
                Err(error) => match error.kind() {
                    ReceiveMessageErrorType::Reconnect => {
                        self.connected(false);
                        warn!("shard {id} cannot reach the gateway and tries again");
                    }
                    // Never the event itself: it holds names and words of people.
                    _ => warn!("shard {id} received what it cannot read"),
                },
            }
        }
        bail!("the gateway closed shard {id} for good")
    }

    async fn hand_on(&self, event: Event) {
        let shard = self.shard;
        match event {
            Event::Resumed => {
                self.connected(true);
                reconnected(true);
                info!("shard {shard} resumed its session");
                handled(EventType::Resumed, "done");
            }
            Event::GatewayInvalidateSession(false) => info!("shard {shard} begins a new session"),
            Event::InteractionCreate(interaction) => {
                let received = Instant::now();
                instruments::get().discord.lag.record(lag(interaction.id.get(), self.bot.app.clock.now()), &[]);
                let Ok(place) = Arc::clone(&self.at_once).acquire_owned().await else { return };
                let bot = Arc::clone(&self.bot);
                carry::root(self.tasks, async move {
                    let outcome = interactions::answer(&bot, shard.number(), interaction.0, received).await;
                    handled(EventType::InteractionCreate, outcome);
                    drop(place);
                });
            }
            event if Keeper::wants(&event) => {
                if let Event::Ready(ready) = &event {
                    self.connected(true);
                    self.began();
                    info!("shard {shard} has a session");
                    self.tell_commands(ready.application.id);
                }
                // Without a keeper the shard ends at once.
                let _ = self.events.send(event).await;
            }
            _ => {}
        }
    }

    /// A new session is one of those that Discord grants a day: it knows how many are left.
    fn began(&self) {
        if self.begun.swap(true, Ordering::Relaxed) {
            reconnected(false);
        }
        let bot = Arc::clone(&self.bot);
        carry::root(self.tasks, async move {
            match bot.discord.gateway().await {
                Ok(told) => starts(told.session_start_limit.remaining),
                Err(failure) => debug!("how many sessions may still begin is not known: {failure}"),
            }
        });
    }

    fn beat(&self, latency: Option<&Duration>) {
        let shard = Attribute::new("gamesched.shard.id", self.shard.number().to_string());
        if let Some(latency) = latency {
            instruments::get().discord.latency.record(latency.as_secs_f64(), &[shard]);
        }
    }

    /// With each new session of the first shard, beside the events.
    fn tell_commands(&self, application: Id<ApplicationMarker>) {
        if self.shard.number() != 0 {
            return;
        }
        // Who is still at it, since Discord is away, tells it for this session too.
        let Ok(held) = Arc::clone(&self.told).try_lock_owned() else { return };
        let telling = register::keep(Arc::clone(&self.bot), application, self.commands_in);
        carry::root(self.tasks, async move {
            telling.await;
            drop(held);
        });
    }

    fn connected(&self, now: bool) {
        self.bot.standing.connected(self.shard.number(), now);
    }
}

/// Counts an event once it is handled: `done`, `retry` when the rest of it is done later, or `failed`.
pub(crate) fn handled(event: EventType, outcome: &'static str) {
    let Some(name) = event.name() else { return };
    let labels = [Attribute::new("gamesched.gateway.event", name), Attribute::new("gamesched.outcome", outcome)];
    instruments::get().gateway_events.add(1, &labels);
}

/// How many sessions may still begin.
pub(crate) fn starts(remaining: u32) {
    instruments::get().discord.session_starts.record(i64::from(remaining), &[]);
}

fn reconnected(resumed: bool) {
    instruments::get().discord.reconnects.add(1, &[Attribute::new("gamesched.gateway.resumed", resumed)]);
}

/// Seconds since Discord made something, by its id; clocks that disagree give 0.
fn lag(id: u64, now: DateTime<Utc>) -> f64 {
    let made = i64::try_from(id >> 22).unwrap_or_default() + DISCORD_EPOCH;
    let passed = u32::try_from((now.timestamp_millis() - made).max(0)).unwrap_or(u32::MAX);
    f64::from(passed) / 1000.0
}

/// The events that somebody here handles.
fn wanted() -> EventTypeFlags {
    EventTypeFlags::READY
        | EventTypeFlags::GATEWAY_HEARTBEAT_ACK
        | EventTypeFlags::RESUMED
        | EventTypeFlags::GATEWAY_INVALIDATE_SESSION
        | EventTypeFlags::INTERACTION_CREATE
        | EventTypeFlags::GUILD_CREATE
        | EventTypeFlags::GUILD_UPDATE
        | EventTypeFlags::GUILD_DELETE
        | EventTypeFlags::UNAVAILABLE_GUILD
        | EventTypeFlags::GUILD_EMOJIS_UPDATE
        | EventTypeFlags::MEMBER_ADD
        | EventTypeFlags::MEMBER_CHUNK
        | EventTypeFlags::MEMBER_REMOVE
        | EventTypeFlags::MEMBER_UPDATE
        | EventTypeFlags::ROLE_CREATE
        | EventTypeFlags::ROLE_DELETE
        | EventTypeFlags::ROLE_UPDATE
        | EventTypeFlags::CHANNEL_CREATE
        | EventTypeFlags::CHANNEL_DELETE
        | EventTypeFlags::CHANNEL_UPDATE
        | EventTypeFlags::THREAD_CREATE
        | EventTypeFlags::THREAD_DELETE
        | EventTypeFlags::THREAD_UPDATE
}

/// Close codes after which nothing but a person can help.
fn refused(code: Option<u16>) -> anyhow::Result<()> {
    match code.map(CloseCode::try_from) {
        Some(Ok(CloseCode::AuthenticationFailed)) => {
            bail!("DISCORD_TOKEN is refused by Discord: take the bot's present token")
        }
        Some(Ok(CloseCode::DisallowedIntents)) => bail!(
            "Discord refuses an intent: turn on \"Server Members Intent\" for the bot in Discord's developer portal"
        ),
        Some(Ok(code)) if !code.can_reconnect() => bail!("the gateway refuses the connection for good: {code:?}"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn di_01_a_refused_intent_names_the_switch_and_a_refused_token_the_setting() {
        assert!(refused(Some(4014)).unwrap_err().to_string().contains("Server Members Intent"));
        assert!(refused(Some(4004)).unwrap_err().to_string().contains("DISCORD_TOKEN"));
        assert!(refused(Some(4013)).is_err());
    }

    #[tokio::test]
    async fn a_shard_without_its_keeper_ends_with_a_fault() {
        let tasks = TaskTracker::new();
        let panics: fn() = || panic!("as a bug would");
        let mut keeping = carry::root(&tasks, async move { panics() });
        let lost = alone(&mut keeping, ShardId::new(3, 4)).await.to_string();
        assert!(lost.contains("panicked") && lost.contains('3'), "{lost}");
    }

    #[test]
    fn the_lag_of_an_event_is_never_below_zero() {
        let made = DateTime::from_timestamp_millis(DISCORD_EPOCH + 5_000).unwrap();
        let id = 5_000 << 22;
        assert_eq!(lag(id, made + chrono::TimeDelta::milliseconds(250)), 0.25);
        assert_eq!(lag(id, made - chrono::TimeDelta::seconds(3)), 0.0);
    }

    #[test]
    fn what_a_reconnect_mends_ends_nothing() {
        for code in [None, Some(1000), Some(1006), Some(4000), Some(4007), Some(4009), Some(4999)] {
            assert!(refused(code).is_ok(), "{code:?}");
        }
    }

    #[test]
    fn di_01_neither_contents_nor_presences_are_asked_for() {
        assert!(!INTENTS.intersects(Intents::MESSAGE_CONTENT | Intents::GUILD_PRESENCES));
    }
}
