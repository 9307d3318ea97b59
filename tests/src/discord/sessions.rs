//! Gateway sessions: who listens, what they missed, and which event goes to whom.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::setup::Guild;
use super::state::{World, secret};

/// How many events a session keeps for a resume.
const KEPT: usize = 5_000;
/// The intents for guilds and for their members.
pub(super) const GUILDS: u64 = 1;
pub(super) const GUILD_MEMBERS: u64 = 1 << 1;

/// What a socket is told to do.
#[derive(Clone, Debug)]
pub(super) enum Out {
    /// Send this text.
    Text(String),
    /// Close with this code.
    Close(u16),
    /// Say nothing any more, but stay open.
    Silence,
}

/// One session; it outlives its socket.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) shard: (u64, u64),
    pub(super) intents: u64,
    seq: u64,
    missed: VecDeque<(u64, String)>,
    pub(super) live: Option<UnboundedSender<Out>>,
}

/// All sessions, and the pace of IDENTIFYs.
pub(super) struct Sessions {
    pub(super) all: Vec<Session>,
    pub(super) heartbeat_ms: u64,
    spacing: Duration,
    identified: Option<Instant>,
    begun: u64,
}

impl Sessions {
    pub(super) fn new(heartbeat_ms: u64, spacing_ms: u64) -> Self {
        let spacing = Duration::from_millis(spacing_ms);
        Self { all: Vec::new(), heartbeat_ms, spacing, identified: None, begun: 0 }
    }

    /// Whether this IDENTIFY comes too soon after the last one; it counts either way.
    pub(super) fn hurried(&mut self) -> bool {
        let last = self.identified.replace(Instant::now());
        last.is_some_and(|last| last.elapsed() < self.spacing)
    }

    /// How many sessions may still begin, of 1000.
    pub(super) fn remaining(&self) -> u64 {
        1_000_u64.saturating_sub(self.begun)
    }

    /// Sockets that are connected and identified.
    pub(super) fn connected(&self) -> usize {
        self.all.iter().filter(|session| session.is_live()).count()
    }

    /// Opens a session.
    pub(super) fn open(&mut self, shard: (u64, u64), intents: u64, live: UnboundedSender<Out>) -> String {
        let id = secret("gateway-session");
        self.begun += 1;
        let live = Some(live);
        self.all.push(Session { id: id.clone(), shard, intents, seq: 0, missed: VecDeque::new(), live });
        id
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut Session> {
        self.all.iter_mut().find(|session| session.id == id)
    }

    /// Ends a session for good.
    pub(super) fn forget(&mut self, id: &str) {
        self.all.retain(|session| session.id != id);
    }

    /// The socket of a session is gone; a session that was taken over keeps its new one.
    pub(super) fn detach(&mut self, id: &str, socket: &UnboundedSender<Out>) {
        if let Some(session) = self.find(id)
            && session.live.as_ref().is_some_and(|live| live.same_channel(socket))
        {
            session.live = None;
        }
    }
}

impl Session {
    pub(super) fn is_live(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_closed())
    }

    /// Sends a dispatch and keeps it for a resume.
    pub(super) fn tell(&mut self, event: &str, data: &Value) {
        self.seq += 1;
        let text = json!({ "op": 0, "s": self.seq, "t": event, "d": data }).to_string();
        if self.missed.len() == KEPT {
            self.missed.pop_front();
        }
        self.missed.push_back((self.seq, text.clone()));
        if let Some(live) = &self.live {
            let _ = live.send(Out::Text(text));
        }
    }

    /// Attaches a new socket and replays what came after `seq`; false when that is not kept any more.
    pub(super) fn resume(&mut self, seq: u64, socket: UnboundedSender<Out>) -> bool {
        let oldest = self.missed.front().map_or(0, |(seq, _)| *seq);
        if seq > self.seq || seq + 1 < oldest {
            return false;
        }
        for (_, text) in self.missed.iter().filter(|(number, _)| *number > seq) {
            let _ = socket.send(Out::Text(text.clone()));
        }
        self.live = Some(socket);
        self.tell("RESUMED", &json!({}));
        true
    }

    fn hears(&self, guild: Option<u64>, intent: u64) -> bool {
        (intent == 0 || self.intents & intent != 0) && self.owns(guild)
    }

    /// Whether events of this guild come here; direct messages come to shard 0.
    pub(super) fn owns(&self, guild: Option<u64>) -> bool {
        guild.map_or(0, |guild| (guild >> 22) % self.shard.1) == self.shard.0
    }

    /// Whether this guild's members come with it.
    pub(super) fn sees_members(&self, guild: &Guild, threshold: u64) -> bool {
        self.intents & GUILD_MEMBERS != 0 && guild.members.len() as u64 <= threshold
    }
}

impl World {
    /// Tells an event to every session of the right shard that asked for it.
    pub(super) fn dispatch(&mut self, guild: Option<u64>, intent: u64, event: &str, data: Value) -> usize {
        let mut reached = 0;
        for session in self.sessions.all.iter_mut().filter(|session| session.hears(guild, intent)) {
            session.tell(event, &data);
            reached += usize::from(session.is_live());
        }
        reached
    }

    /// Tells every socket the same thing.
    pub(super) fn broadcast(&self, out: &Out) {
        for live in self.sessions.all.iter().filter_map(|session| session.live.as_ref()) {
            let _ = live.send(out.clone());
        }
    }
}
