//! One gateway connection: HELLO, IDENTIFY or RESUME, heartbeats, member requests.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::sessions::{GUILD_MEMBERS, GUILDS, Out};
use super::state::{App, World, too_many};

/// The intents for presences and message content, which this application never has.
const NEVER: u64 = 1 << 8 | 1 << 15;

/// What a client asked for in the address.
pub(super) struct Wish {
    /// Whether frames shall be one zstd stream.
    pub(super) zstd: bool,
    /// The address under which the client can resume.
    pub(super) address: String,
}

struct Link {
    session: Option<String>,
    sent: VecDeque<Instant>,
    out: UnboundedSender<Out>,
    address: String,
}

/// Serves a connection until one side ends it.
pub(super) async fn serve(app: App, mut socket: WebSocket, wish: Wish) {
    let (out, orders) = mpsc::unbounded_channel();
    let interval = app.read(|world| world.sessions.heartbeat_ms);
    let _ = out.send(Out::Text(json!({ "op": 10, "d": { "heartbeat_interval": interval } }).to_string()));
    let mut link = Link { session: None, sent: VecDeque::new(), out, address: wish.address };
    let farewell = converse(&app, &mut socket, orders, &mut link, wish.zstd).await;
    app.edit(|world| {
        let Some(id) = link.session.take() else {
            return;
        };
        world.sessions.detach(&id, &link.out);
        if matches!(farewell, Some(1000 | 1001)) {
            world.sessions.forget(&id);
        }
    });
}

/// Talks until the end; answers the code with which the client closed.
async fn converse(
    app: &App,
    socket: &mut WebSocket,
    mut orders: UnboundedReceiver<Out>,
    link: &mut Link,
    zstd: bool,
) -> Option<u16> {
    let mut running = app.running.clone();
    let stopped = async move { running.wait_for(|running| !running).await.is_ok() };
    let mut stopped = std::pin::pin!(stopped);
    let (mut started, mut silent) = (false, false);
    loop {
        tokio::select! {
            _ = &mut stopped => return None,
            order = orders.recv() => match order? {
                Out::Text(_) if silent => {}
                Out::Text(text) if zstd => {
                    socket.send(Message::Binary(stored(&text, &mut started))).await.ok()?;
                }
                Out::Text(text) => socket.send(Message::Text(text.into())).await.ok()?,
                Out::Silence => silent = true,
                Out::Close(code) => {
                    close(socket, code).await;
                    return None;
                }
            },
            heard = socket.recv() => match heard?.ok()? {
                Message::Text(text) => hear(app, link, &text),
                Message::Close(frame) => return frame.map(|frame| frame.code),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
            },
        }
    }
}

async fn close(socket: &mut WebSocket, code: u16) {
    let frame = CloseFrame { code, reason: "closed by the simulator".into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
    let parting = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), parting).await;
}

/// The text as part of one zstd stream, in blocks that are stored rather than compressed.
fn stored(text: &str, started: &mut bool) -> Bytes {
    const HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    const BLOCK: usize = 1 << 16;
    let mut frame = Vec::with_capacity(text.len() + 16);
    if !std::mem::replace(started, true) {
        frame.extend(HEADER);
    }
    for block in text.as_bytes().chunks(BLOCK) {
        let header = (block.len() as u32) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame.into()
}

fn hear(app: &App, link: &mut Link, text: &str) {
    let Ok(heard) = serde_json::from_str::<Value>(text) else {
        let _ = link.out.send(Out::Close(4002));
        return;
    };
    app.edit(|world| {
        if too_many(&mut link.sent, Duration::from_secs(60), 120) {
            world.violation("more than 120 gateway commands in 60 s");
            let _ = link.out.send(Out::Close(4008));
        }
        let data = &heard["d"];
        match heard["op"].as_u64() {
            Some(1) => drop(link.out.send(Out::Text(json!({ "op": 11 }).to_string()))),
            Some(2) => settle(link, world.identify(link, data)),
            Some(3) => {}
            Some(6) => settle(link, world.resume(link, data)),
            Some(8) => world.members_wanted(link, data),
            _ => drop(link.out.send(Out::Close(4001))),
        }
    });
}

/// Keeps the session, or closes with the code that says why there is none.
fn settle(link: &mut Link, opened: Result<Option<String>, u16>) {
    match opened {
        Ok(session) => link.session = session,
        Err(code) => drop(link.out.send(Out::Close(code))),
    }
}

impl World {
    fn is_bot_token(&self, data: &Value) -> bool {
        let token = data["token"].as_str().unwrap_or_default();
        token.strip_prefix("Bot ").unwrap_or(token) == self.application.bot_token
    }

    fn identify(&mut self, link: &Link, data: &Value) -> Result<Option<String>, u16> {
        if link.session.is_some() {
            return Err(4005);
        }
        if self.sessions.hurried() {
            self.violation("IDENTIFY less than 5 s after the one before");
        }
        if !self.is_bot_token(data) {
            return Err(4004);
        }
        let intents = data["intents"].as_u64().ok_or(4013_u16)?;
        if intents & NEVER != 0 || (intents & GUILD_MEMBERS != 0 && !self.application.members_intent) {
            return Err(4014);
        }
        let shard = (data["shard"][0].as_u64().unwrap_or(0), data["shard"][1].as_u64().unwrap_or(1));
        if shard.0 >= shard.1 {
            return Err(4010);
        }
        let id = self.sessions.open(shard, intents, link.out.clone());
        self.welcome(&id, &link.address, data["large_threshold"].as_u64().unwrap_or(50));
        Ok(Some(id))
    }

    fn welcome(&mut self, id: &str, address: &str, threshold: u64) {
        let user = self.user_object(self.application.id);
        let application = self.application.id.to_string();
        let mut sessions = std::mem::take(&mut self.sessions.all);
        if let Some(session) = sessions.iter_mut().find(|session| session.id == id) {
            let mine: Vec<_> = self.homes().filter(|guild| session.owns(Some(guild.id))).collect();
            let guilds: Vec<_> =
                mine.iter().map(|guild| json!({ "id": guild.id.to_string(), "unavailable": true })).collect();
            let ready = json!({
                "v": 10, "user": user, "guilds": guilds, "session_id": id, "resume_gateway_url": address,
                "shard": [session.shard.0, session.shard.1], "application": { "id": application, "flags": 0 },
            });
            session.tell("READY", &ready);
            if session.intents & GUILDS != 0 {
                for guild in mine {
                    let everybody = session.sees_members(guild, threshold);
                    session.tell("GUILD_CREATE", &self.guild_create(guild, everybody));
                }
            }
        }
        self.sessions.all = sessions;
    }

    fn resume(&mut self, link: &Link, data: &Value) -> Result<Option<String>, u16> {
        if !self.is_bot_token(data) {
            return Err(4004);
        }
        let id = data["session_id"].as_str().unwrap_or_default();
        let seq = data["seq"].as_u64().unwrap_or_default();
        let back = self.sessions.find(id).is_some_and(|session| session.resume(seq, link.out.clone()));
        if back {
            return Ok(Some(id.to_owned()));
        }
        self.sessions.forget(id);
        let _ = link.out.send(Out::Text(json!({ "op": 9, "d": false }).to_string()));
        Ok(None)
    }

    fn members_wanted(&mut self, link: &Link, data: &Value) {
        let wanted = if data["guild_id"].is_array() { &data["guild_id"][0] } else { &data["guild_id"] };
        let guild = wanted.as_str().and_then(|id| id.parse().ok()).and_then(|id| self.guild(id).ok());
        let (Some(guild), Some(id)) = (guild, link.session.as_deref()) else {
            return;
        };
        let chunks = self.chunks(guild, data);
        if let Some(session) = self.sessions.find(id) {
            for chunk in chunks {
                session.tell("GUILD_MEMBERS_CHUNK", &chunk);
            }
        }
    }

    fn chunks(&self, guild: &super::Guild, data: &Value) -> Vec<Value> {
        let one = data["user_ids"].as_str().map(str::to_owned);
        let ids: Option<Vec<_>> = data["user_ids"]
            .as_array()
            .map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .or(one.map(|id| vec![id]));
        let prefix = data["query"].as_str().unwrap_or_default().to_lowercase();
        let limit = data["limit"].as_u64().filter(|limit| *limit > 0).unwrap_or(u64::MAX);
        let fits = |member: &&super::Member| match &ids {
            Some(ids) => ids.contains(&member.user.to_string()),
            None => self.user(member.user).is_ok_and(|user| user.username.to_lowercase().starts_with(&prefix)),
        };
        let found: Vec<_> =
            guild.members.iter().filter(fits).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        let missing = |id: &&String| !found.iter().any(|member| member.user.to_string() == **id);
        let not_found: Vec<_> = ids.iter().flatten().filter(missing).collect();
        let parts: Vec<_> = if found.is_empty() { vec![&found[..]] } else { found.chunks(1000).collect() };
        let count = parts.len();
        let parts = parts.into_iter().enumerate();
        parts
            .map(|(index, part)| {
                let members: Vec<_> = part.iter().map(|member| self.member_object(member)).collect();
                let mut chunk = json!({
                    "guild_id": guild.id.to_string(), "members": members, "chunk_index": index,
                    "chunk_count": count, "not_found": not_found, "presences": [],
                });
                if let Some(nonce) = data["nonce"].as_str() {
                    chunk["nonce"] = nonce.into();
                }
                chunk
            })
            .collect()
    }
}
