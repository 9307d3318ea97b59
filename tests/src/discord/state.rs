//! The world behind one lock, and the counter by which waiters learn that it changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::watch;

use super::door::{RequestRecord, Traffic};
use super::faults::Fault;
use super::interactions::Interaction;
use super::messages::Stored;
use super::oauth::Grants;
use super::refusal::{Answer, Refusal};
use super::sessions::Sessions;
use super::setup::{Application, Channel, Guild, Member, Setup, User, permissions};

/// Milliseconds of Discord's epoch, 2015-01-01.
pub(super) const EPOCH: u64 = 1_420_070_400_000;

/// What every handler holds.
#[derive(Clone)]
pub(super) struct App {
    world: Arc<Mutex<World>>,
    changes: watch::Sender<u64>,
    /// False once the simulator stops; sockets and waiters then end.
    pub(super) running: watch::Receiver<bool>,
}

/// Everything that is.
pub(super) struct World {
    pub(super) application: Application,
    pub(super) users: BTreeMap<u64, User>,
    pub(super) guilds: BTreeMap<u64, Guild>,
    /// Direct-message channels and whose they are.
    pub(super) directs: BTreeMap<u64, u64>,
    pub(super) messages: BTreeMap<u64, Stored>,
    /// The last message with a nonce in a channel.
    pub(super) nonces: HashMap<(u64, String), u64>,
    pub(super) interactions: BTreeMap<u64, Interaction>,
    /// Registered commands by guild; none is global.
    pub(super) commands: HashMap<Option<u64>, Vec<Value>>,
    pub(super) grants: Grants,
    pub(super) sessions: Sessions,
    pub(super) faults: Vec<Fault>,
    pub(super) traffic: Traffic,
    pub(super) requests: Vec<RequestRecord>,
    pub(super) violations: Vec<String>,
    pub(super) nonce_window: Duration,
    pub(super) shards: u64,
    last_id: u64,
}

impl App {
    pub(super) fn new(setup: Setup, running: watch::Receiver<bool>) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(setup))), changes: watch::Sender::new(1), running }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub(super) fn read<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        look(&mut self.lock())
    }

    /// Changes the world and wakes whoever waits for a change.
    pub(super) fn edit<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = change(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Waits until there were changes after `since`, or for at most `patience`; answers the present count.
    pub(super) async fn changed(&self, since: u64, patience: Duration) -> u64 {
        let mut changes = self.changes.subscribe();
        let mut running = self.running.clone();
        tokio::select! {
            _ = tokio::time::timeout(patience, changes.wait_for(|count| *count > since)) => {}
            _ = running.wait_for(|running| !running) => {}
        }
        *self.changes.borrow()
    }

    /// The number of changes so far.
    pub(super) fn count(&self) -> u64 {
        *self.changes.borrow()
    }
}

impl World {
    fn new(setup: Setup) -> Self {
        let bot = User { bot: true, ..User::named(setup.application.id, &setup.application.name) };
        Self {
            users: setup.users.into_iter().chain([bot]).map(|user| (user.id, user)).collect(),
            guilds: setup.guilds.into_iter().map(|guild| (guild.id, guild)).collect(),
            directs: BTreeMap::new(),
            messages: BTreeMap::new(),
            nonces: HashMap::new(),
            interactions: BTreeMap::new(),
            commands: HashMap::new(),
            grants: Grants::default(),
            sessions: Sessions::new(setup.heartbeat_ms, setup.identify_spacing_ms),
            faults: Vec::new(),
            traffic: Traffic::new(setup.route_limit, setup.global_limit),
            requests: Vec::new(),
            violations: Vec::new(),
            nonce_window: Duration::from_millis(setup.nonce_window_ms),
            shards: setup.shards.max(1),
            application: setup.application,
            last_id: 0,
        }
    }

    /// A new id, later than every earlier one.
    pub(super) fn snowflake(&mut self) -> u64 {
        let milliseconds = since_epoch().as_millis() as u64 - EPOCH;
        self.last_id = (milliseconds << 22).max(self.last_id + 1);
        self.last_id
    }

    /// Notes that a client did what it should not.
    pub(super) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// The guilds in which the bot is.
    pub(super) fn homes(&self) -> impl Iterator<Item = &Guild> {
        let bot = self.application.id;
        self.guilds.values().filter(move |guild| guild.member(bot).is_some())
    }

    /// A guild that the bot may see.
    pub(super) fn guild(&self, id: u64) -> Answer<&Guild> {
        let guild = self.guilds.get(&id).ok_or_else(|| Refusal::of(10004))?;
        guild.member(self.application.id).ok_or_else(|| Refusal::of(50001))?;
        Ok(guild)
    }

    /// A channel and its guild, wherever it is.
    pub(super) fn place(&self, channel: u64) -> Option<(&Guild, &Channel)> {
        let within = |guild: &'_ Guild| guild.channels.iter().position(|each| each.id == channel);
        self.guilds.values().find_map(|guild| within(guild).map(|at| (guild, &guild.channels[at])))
    }

    /// The user, if there is one.
    pub(super) fn user(&self, id: u64) -> Answer<&User> {
        self.users.get(&id).ok_or_else(|| Refusal::of(10013))
    }

    /// The direct-message channel of a user; opened when it is missing.
    pub(super) fn direct(&mut self, user: u64) -> u64 {
        if let Some((channel, _)) = self.directs.iter().find(|(_, owner)| **owner == user) {
            return *channel;
        }
        let channel = self.snowflake();
        self.directs.insert(channel, user);
        channel
    }
}

impl Guild {
    /// The membership of a user.
    pub(super) fn member(&self, user: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    /// What a user may do in this guild.
    pub(super) fn permissions(&self, user: u64) -> u64 {
        let Some(member) = self.member(user) else {
            return 0;
        };
        let holds = |role: u64| role == self.id || member.roles.contains(&role);
        let bits = self.roles.iter().filter(|role| holds(role.id)).fold(0, |bits, role| bits | role.permissions);
        if user == self.owner || bits & permissions::ADMINISTRATOR != 0 { permissions::ALL } else { bits }
    }
}

/// The time by the wall clock.
pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The time as Discord writes it.
pub(super) fn stamp() -> String {
    chrono::DateTime::<chrono::Utc>::from(SystemTime::now()).format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// Something nobody can guess. Its kind stands in front, so that it is known wherever it turns up.
pub(super) fn secret(kind: &str) -> String {
    format!("{kind}-") + &uuid::Uuid::now_v7().simple().to_string() + &uuid::Uuid::now_v7().simple().to_string()[20..]
}

/// Whether more than `limit` instants of the last `window` are in the list, after adding this one.
pub(super) fn too_many(times: &mut std::collections::VecDeque<Instant>, window: Duration, limit: usize) -> bool {
    let now = Instant::now();
    times.retain(|time| now.duration_since(*time) < window);
    times.push_back(now);
    times.len() > limit
}
