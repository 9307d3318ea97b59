//! Messages: posted, edited, deleted, and remembered as people see them.

use std::time::Instant;

use serde_json::{Value, json};

use super::limits::{self, Body};
use super::refusal::{Answer, Refusal};
use super::state::{World, stamp};

/// The intent for messages of guilds, and the one for direct messages.
const GUILD_MESSAGES: u64 = 1 << 9;
const DIRECT_MESSAGES: u64 = 1 << 12;
/// The flag of an answer that only one person sees.
pub(super) const EPHEMERAL: u64 = 1 << 6;
/// The flag of an answer that is still being thought about.
const LOADING: u64 = 1 << 7;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: u64,
    pub(super) channel: u64,
    pub(super) author: u64,
    pub(super) body: Body,
    pub(super) at: String,
    pub(super) edited: Option<String>,
    pub(super) edits: u32,
    pub(super) deleted: bool,
    /// The only person who sees it.
    pub(super) private_to: Option<u64>,
    /// Whether it only says that an answer is on its way.
    pub(super) loading: bool,
    born: Instant,
}

impl Stored {
    /// What was sent as `nonce`, as text.
    pub(super) fn nonce(&self) -> Option<String> {
        match self.body.get("nonce") {
            Some(Value::String(nonce)) => Some(nonce.clone()),
            Some(Value::Number(nonce)) => Some(nonce.to_string()),
            _ => None,
        }
    }

    /// A list within the body.
    pub(super) fn list(&self, key: &str) -> Vec<Value> {
        self.body.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    }
}

/// Where a body came from; it decides what it must carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// `POST /channels/{}/messages`
    Create,
    /// `PATCH /channels/{}/messages/{}`
    Edit,
    /// Callbacks and webhooks of interactions
    Interaction,
}

impl World {
    /// Refuses what Discord refuses, and notes what our own rules forbid.
    pub(super) fn inspect(&mut self, body: &Body, via: Via) -> Answer<()> {
        let way = match via {
            Via::Create => "create",
            Via::Edit => "edit",
            Via::Interaction => "interaction answer",
        };
        for strange in limits::unknown(body) {
            self.violation(format!("{way} with unknown field {strange}"));
        }
        if !body.get("allowed_mentions").is_some_and(Value::is_object) {
            self.violation(format!("{way} without explicit allowed_mentions"));
        }
        if via == Via::Create {
            self.inspect_nonce(body)?;
        }
        limits::check(body)
    }

    fn inspect_nonce(&mut self, body: &Body) -> Answer<()> {
        let length = match body.get("nonce") {
            Some(Value::String(nonce)) => limits::units(nonce),
            Some(Value::Number(_)) => 1,
            _ => 0,
        };
        if length == 0 {
            self.violation("create without nonce");
        }
        if body.get("enforce_nonce") != Some(&Value::Bool(true)) {
            self.violation("create without enforce_nonce");
        }
        if length > 25 {
            self.violation("nonce longer than 25");
            return Err(Refusal::form("nonce: must be 25 or fewer in length"));
        }
        Ok(())
    }

    /// Where the bot may post, or why it may not.
    pub(super) fn may_post(&self, channel: u64) -> Answer<()> {
        if let Some(user) = self.directs.get(&channel) {
            if !self.homes().any(|guild| guild.member(*user).is_some()) {
                return Err(Refusal::of(50278));
            }
            return if self.user(*user)?.closed_to_messages { Err(Refusal::of(50007)) } else { Ok(()) };
        }
        let (guild, place) = self.place(channel).ok_or_else(|| Refusal::of(10003))?;
        guild.member(self.application.id).ok_or_else(|| Refusal::of(50001))?;
        match place {
            place if place.kind == 4 => Err(Refusal::of(50024)),
            place if !place.bot_may_post => Err(Refusal::of(50013)),
            _ => Ok(()),
        }
    }

    /// Whether the channel exists and the bot is where it is.
    pub(super) fn may_see(&self, channel: u64) -> Answer<()> {
        if self.directs.contains_key(&channel) {
            return Ok(());
        }
        let (guild, _) = self.place(channel).ok_or_else(|| Refusal::of(10003))?;
        guild.member(self.application.id).map(|_| ()).ok_or_else(|| Refusal::of(50001))
    }

    /// The bot posts; the same nonce within the window gives the earlier message.
    pub(super) fn create(&mut self, channel: u64, body: Body) -> Answer<Value> {
        self.may_post(channel)?;
        self.inspect(&body, Via::Create)?;
        limits::check_not_empty(&body)?;
        if let Some(earlier) = self.same_nonce(channel, &body) {
            return if earlier.deleted { Err(Refusal::of(10008)) } else { Ok(self.message_object(&earlier)) };
        }
        let id = self.put(channel, body, None, false);
        self.announce(id, "MESSAGE_CREATE");
        Ok(self.object_of(id))
    }

    fn same_nonce(&self, channel: u64, body: &Body) -> Option<Stored> {
        let nonce = body.get("nonce").filter(|_| body.get("enforce_nonce") == Some(&Value::Bool(true)))?;
        let last = self.messages.get(self.nonces.get(&(channel, nonce.to_string()))?)?;
        (last.born.elapsed() < self.nonce_window).then(|| last.clone())
    }

    /// Stores a message of the bot.
    pub(super) fn put(&mut self, channel: u64, body: Body, private_to: Option<u64>, loading: bool) -> u64 {
        let (id, author) = (self.snowflake(), self.application.id);
        if let Some(nonce) = body.get("nonce") {
            self.nonces.insert((channel, nonce.to_string()), id);
        }
        let message = Stored {
            id,
            channel,
            author,
            body,
            private_to,
            loading,
            at: stamp(),
            edited: None,
            edits: 0,
            deleted: false,
            born: Instant::now(),
        };
        self.messages.insert(id, message);
        id
    }

    /// A message that can be reached through its channel.
    pub(super) fn reach(&self, channel: u64, id: u64) -> Answer<&Stored> {
        self.may_see(channel)?;
        let visible =
            |message: &&Stored| message.channel == channel && !message.deleted && message.private_to.is_none();
        self.messages.get(&id).filter(visible).ok_or_else(|| Refusal::of(10008))
    }

    /// Changes the fields of a message that the body names.
    pub(super) fn amend(&mut self, id: u64, body: Body) -> Answer<Value> {
        let message =
            self.messages.get_mut(&id).filter(|message| !message.deleted).ok_or_else(|| Refusal::of(10008))?;
        let mut merged = message.body.clone();
        merged.extend(body);
        limits::check_not_empty(&merged)?;
        message.body = merged;
        if message.loading {
            message.loading = false;
        } else {
            message.edits += 1;
            message.edited = Some(stamp());
        }
        self.announce(id, "MESSAGE_UPDATE");
        Ok(self.object_of(id))
    }

    /// Removes messages; several at once are told as one bulk deletion.
    pub(super) fn remove(&mut self, ids: &[u64]) -> Answer<()> {
        let mut gone = Vec::new();
        for id in ids {
            if let Some(message) = self.messages.get_mut(id).filter(|message| !message.deleted) {
                message.deleted = true;
                gone.push(message.clone());
            }
        }
        let Some(first) = gone.first() else {
            return Err(Refusal::of(10008));
        };
        if first.private_to.is_some() {
            return Ok(());
        }
        let (guild, intent) = self.whereabouts(first.channel);
        let mut data = json!({ "channel_id": first.channel.to_string() });
        if let Some(guild) = guild {
            data["guild_id"] = guild.to_string().into();
        }
        if ids.len() > 1 {
            data["ids"] = gone.iter().map(|message| message.id.to_string()).collect();
            self.dispatch(guild, intent, "MESSAGE_DELETE_BULK", data);
        } else {
            data["id"] = first.id.to_string().into();
            self.dispatch(guild, intent, "MESSAGE_DELETE", data);
        }
        Ok(())
    }

    fn whereabouts(&self, channel: u64) -> (Option<u64>, u64) {
        match self.place(channel) {
            Some((guild, _)) => (Some(guild.id), GUILD_MESSAGES),
            None => (None, DIRECT_MESSAGES),
        }
    }

    fn announce(&mut self, id: u64, event: &str) {
        let Some(message) = self.messages.get(&id).filter(|message| message.private_to.is_none()) else {
            return;
        };
        let (guild, intent) = self.whereabouts(message.channel);
        let mut data = self.object_of(id);
        if let Some(guild) = guild {
            data["guild_id"] = guild.to_string().into();
        }
        self.dispatch(guild, intent, event, data);
    }

    /// The message object of an id.
    pub(super) fn object_of(&self, id: u64) -> Value {
        self.messages.get(&id).map_or(Value::Null, |message| self.message_object(message))
    }

    /// The message object as Discord shows it.
    pub(super) fn message_object(&self, message: &Stored) -> Value {
        let mut flags = message.body.get("flags").and_then(Value::as_u64).unwrap_or_default();
        if message.private_to.is_some() {
            flags |= EPHEMERAL;
        }
        if message.loading {
            flags |= LOADING;
        }
        let mut object = json!({
            "id": message.id.to_string(), "channel_id": message.channel.to_string(), "type": 0,
            "author": self.user_object(message.author), "timestamp": message.at, "edited_timestamp": message.edited,
            "content": message.body.get("content").and_then(Value::as_str).unwrap_or_default(),
            "embeds": message.list("embeds").into_iter().map(as_shown).collect::<Vec<_>>(),
            "components": message.list("components"), "attachments": [], "mentions": [], "mention_roles": [],
            "mention_everyone": false, "pinned": false, "tts": false, "flags": flags,
        });
        if let Some(nonce) = message.body.get("nonce") {
            object["nonce"] = nonce.clone();
        }
        object
    }
}

/// Discord fills in what an embed left out.
fn as_shown(mut embed: Value) -> Value {
    embed["type"] = "rich".into();
    for field in embed.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        if field.get("inline").is_none() {
            field["inline"] = false.into();
        }
    }
    embed
}
