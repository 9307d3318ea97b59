//! Keeping guilds: their rows in the database and their projection in Redis are made what the gateway says.
//!
//! What cannot be written is remembered and written later from memory, so neither being away loses a change.

mod events;
mod guild;
mod usable;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use shared::cache::projection::{Beat, Projection};
use shared::domain::ids::{DiscordGuild, DiscordUser};
use shared::error::{self, Result};
use shared::faults;
use shared::service::Turns;
use shared::store::{announcements, guilds, templates};
use shared::telemetry::span::{self, SpanKind};
use shared::telemetry::{Attribute, carry};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use twilight_gateway::{Event, EventType, MessageSender};

use crate::Bot;
use crate::gateway;
use guild::Guild;

/// A healthy shard says so this often (L-30).
const BEAT: Duration = Duration::from_secs(15);
/// What could not be written is tried again after this, twice as long each time, up to a beat.
const AGAIN: Duration = Duration::from_secs(1);

/// The guilds of one shard.
pub(crate) struct Keeper {
    bot: Arc<Bot>,
    projection: Projection,
    shard: u32,
    shards: u32,
    /// Asks the gateway for members.
    sender: MessageSender,
    me: Option<DiscordUser>,
    guilds: HashMap<DiscordGuild, Guild>,
    /// Guilds that READY announced and that have not come yet.
    expected: HashSet<DiscordGuild>,
    /// When this session began.
    since: Instant,
    /// Guilds that the bot left, until that is written.
    gone: HashSet<DiscordGuild>,
    /// Redis does not know yet that this session began.
    unidentified: bool,
    /// Redis does not know yet that all guilds are there.
    unsettled: bool,
    turns: Turns,
    /// Why the event in hand is not written as a whole, if so.
    trouble: Option<&'static str>,
}

impl Keeper {
    pub(crate) fn new(bot: Arc<Bot>, (shard, shards): (u32, u32), sender: MessageSender) -> Self {
        let projection = bot.cache.projection();
        Self {
            bot,
            projection,
            shard,
            shards,
            sender,
            me: None,
            guilds: HashMap::new(),
            expected: HashSet::new(),
            since: Instant::now(),
            gone: HashSet::new(),
            unidentified: false,
            unsettled: false,
            turns: Turns::of("keeper"),
            trouble: None,
        }
    }

    /// Takes the shard's events in their order, until the shard or the process ends.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>, stop: CancellationToken) {
        let mut beat = tokio::time::interval(BEAT);
        let mut wait = AGAIN;
        loop {
            self.turns.turn();
            let lacking = self.lacking();
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Some(event) => self.take(event).await,
                    None => return,
                },
                _ = beat.tick() => self.beat().await,
                () = tokio::time::sleep(wait), if lacking > 0 => {
                    self.catch_up(lacking).await;
                    wait = if self.lacking() > 0 { BEAT.min(wait * 2) } else { AGAIN };
                }
            }
        }
    }

    /// One event, in its own trace if it touches anything outside.
    async fn take(&mut self, event: Event) {
        let kind = event.kind();
        self.trouble = None;
        if !self.touches(&event) {
            self.apply(event).await;
            return gateway::handled(kind, "done");
        }
        let mut attributes = vec![
            Attribute::new("gamesched.gateway.event", name(kind)),
            Attribute::new("gamesched.shard.id", self.shard.to_string()),
        ];
        if let Some(guild) = event.guild_id() {
            attributes.push(Attribute::new("gamesched.guild.id", guild.to_string()));
        }
        let span = span::start(SpanKind::Consumer, spanned(kind), attributes);
        span.inside(self.apply(event)).await;
        let outcome = match self.trouble.take() {
            None => "done",
            Some(class) => {
                span.fail(class);
                "retry"
            }
        };
        span.end();
        gateway::handled(kind, outcome);
    }

    /// Whether something is written because of an event: of guilds that are not kept nothing is, and of members who
    /// come in parts only after the last one.
    fn touches(&self, event: &Event) -> bool {
        match event {
            Event::Ready(_) | Event::GuildCreate(_) | Event::GuildDelete(_) | Event::UnavailableGuild(_) => true,
            Event::MemberChunk(chunk) if chunk.chunk_index + 1 < chunk.chunk_count => false,
            event => event.guild_id().is_some_and(|guild| self.guilds.contains_key(&guild)),
        }
    }

    /// How much waits to be written, of what can be.
    fn lacking(&self) -> usize {
        let ready = |guild: &&Guild| guild.stored.is_none() || (guild.unbuilt && !guild.incomplete);
        let session = usize::from(self.unidentified) + usize::from(self.unsettled && self.complete());
        self.guilds.values().filter(ready).count() + self.gone.len() + session
    }

    fn complete(&self) -> bool {
        self.expected.is_empty() && self.guilds.values().all(|guild| !guild.unbuilt)
    }

    /// Writes what could not be written before.
    async fn catch_up(&mut self, found: usize) {
        let found = i64::try_from(found).unwrap_or(i64::MAX);
        let span =
            span::start(SpanKind::Internal, "sweep projection", vec![Attribute::new("gamesched.sweep.found", found)]);
        let work = async {
            let ids: Vec<_> = self.guilds.keys().copied().collect();
            for id in ids {
                self.settle(id).await;
            }
            for id in self.gone.clone() {
                self.depart(id).await;
            }
            self.settle_shard().await;
        };
        span::run(span, work, |_, ()| {}).await;
    }

    /// Writes what a guild lacks. Boxed, since every event may come here.
    fn settle(&mut self, id: DiscordGuild) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // One guild after the other: while Redis is away all of them take long.
            self.turns.turn();
            if self.unidentified && self.identify().await.is_err() {
                debug!("redis is away; the projection is written later");
            }
            self.store(id).await;
            self.build(id).await;
            self.settle_shard().await;
        })
    }

    async fn store(&mut self, id: DiscordGuild) {
        let (Some(me), Some(guild)) = (self.me, self.guilds.get_mut(&id)) else { return };
        let seen = guild.seen(me);
        if guild.stored.as_ref() == Some(&seen) {
            return;
        }
        let before = guild.stored.take();
        match store(&self.bot, guild, &seen, before.as_deref()).await {
            Ok(()) => guild.stored = Some(seen),
            Err(fault) => self.unstored(fault),
        }
    }

    /// The rows of a guild are written later.
    fn unstored(&mut self, fault: error::Error) {
        let fault = fault.into_fault();
        warn!("the rows of a guild are written later: {fault:#}");
        self.trouble = Some(faults::class(&fault));
    }

    /// The projection is written later.
    fn unwritten(&mut self) {
        self.trouble.get_or_insert("redis_unavailable");
    }

    async fn build(&mut self, id: DiscordGuild) {
        let (Some(me), Some(guild)) = (self.me, self.guilds.get_mut(&id)) else { return };
        if !guild.unbuilt || guild.incomplete || self.unidentified {
            return;
        }
        match self.projection.build(&guild.view(self.shard, me)).await {
            Ok(()) => guild.unbuilt = false,
            Err(away) => {
                debug!("the projection of guild {id} is written later: {away}");
                self.unwritten();
            }
        }
    }

    async fn identify(&mut self) -> Result<(), shared::cache::Away> {
        let written = self.projection.identified(self.shard).await;
        written.inspect_err(|_away| self.unwritten())?;
        self.unidentified = false;
        Ok(())
    }

    async fn settle_shard(&mut self) {
        if self.unsettled && !self.unidentified && self.complete() {
            self.unsettled = self.projection.settled(self.shard).await.is_err();
        }
        let stored = self.guilds.values().all(|guild| guild.stored.is_some());
        self.bot.standing.settled(self.shard, self.me.is_some() && stored && !self.unsettled && self.complete());
    }

    /// The bot is no longer in a guild (GU-03).
    async fn depart(&mut self, id: DiscordGuild) {
        let written = async {
            let mut sql = self.bot.app.db.connection().await?;
            guilds::depart(&mut sql, id, self.bot.app.clock.now()).await
        };
        if let Err(fault) = written.await {
            self.unstored(fault);
            self.gone.insert(id);
        } else if self.projection.remove_guild(id).await.is_err() {
            self.unwritten();
            self.gone.insert(id);
        } else {
            self.gone.remove(&id);
        }
    }

    /// Guilds that do not come are in an outage of their own: their readers wait, the others need not.
    async fn not_come(&mut self) {
        for guild in std::mem::take(&mut self.expected) {
            if self.projection.stale(guild).await.is_err() {
                self.expected.insert(guild);
            }
        }
    }

    /// Says that the shard lives, and builds again what Redis lost (GU-14). Not told: it happens all the time.
    async fn beat(&mut self) {
        if !self.bot.standing.is_connected(self.shard) {
            return;
        }
        if self.since.elapsed() >= BEAT {
            self.not_come().await;
        }
        match self.projection.beat(self.shard, self.shards).await {
            Ok(Beat::Kept) => {}
            Ok(Beat::Lost) => {
                self.guilds.values_mut().for_each(|guild| guild.unbuilt = true);
                (self.unidentified, self.unsettled) = (self.me.is_some(), self.me.is_some());
                return;
            }
            Err(_away) => return,
        }
        let ids: Vec<_> = self.guilds.keys().copied().collect();
        for id in self.projection.missing(&ids).await.unwrap_or_default() {
            if let Some(guild) = self.guilds.get_mut(&id) {
                guild.unbuilt = true;
            }
        }
    }
}

/// Makes the rows of a guild and its channels what was seen, in one transaction with the default template (GU-19).
async fn store(bot: &Bot, guild: &Guild, seen: &[guilds::Seen], before: Option<&[guilds::Seen]>) -> Result<()> {
    let now = bot.app.clock.now();
    let mut tx = bot.app.db.begin().await?;
    let id = guilds::arrive(&mut tx, guild.id, &guild.card.name, now).await?;
    guilds::put_channels(&mut tx, id, seen, now).await?;
    templates::ensure_default(&mut tx, id, now).await?;
    for channel in opened(seen, before) {
        announcements::unblock(&mut tx, channel.discord).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Channels that have become usable.
fn opened<'seen>(
    seen: &'seen [guilds::Seen],
    before: Option<&'seen [guilds::Seen]>,
) -> impl Iterator<Item = &'seen guilds::Seen> {
    let was = move |channel: &guilds::Seen| {
        before.is_some_and(|before| {
            before.iter().any(|old| old.discord == channel.discord && !old.missing_permissions.is_empty())
        })
    };
    seen.iter().filter(move |channel| channel.missing_permissions.is_empty() && was(channel))
}

/// Discord's name of an event that is handled here.
fn name(kind: EventType) -> &'static str {
    kind.name().unwrap_or("_OTHER")
}

/// The name of its span; a closed set, from the source.
fn spanned(kind: EventType) -> String {
    format!("gateway {}", name(kind))
}

/// Runs the keeper apart from every trace.
pub(crate) fn start(
    tasks: &tokio_util::task::TaskTracker,
    keeper: Keeper,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    carry::root(tasks, keeper.run(events, stop))
}
