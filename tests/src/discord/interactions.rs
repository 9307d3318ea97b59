//! Interactions: a person presses or types, the bot has three seconds.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::limits::Body;
use super::setup::permissions;
use super::state::{World, secret};
use super::view::Message;

/// How long the bot may take to acknowledge.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// What came of an interaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pressed {
    /// The interaction's id.
    pub interaction: u64,
    /// How long the acknowledgement took.
    pub ack_after: Duration,
    /// The type of the acknowledgement: 4 message, 5 deferred, 6 deferred update, 7 update, 8 choices.
    pub ack: u64,
    /// What the person was shown: the private answer, or the message that was updated.
    pub answer: Message,
}

/// One suggestion of an autocompletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What the person reads.
    pub name: String,
    /// What is sent when it is chosen.
    pub value: String,
}

/// One interaction.
#[derive(Clone, Debug)]
pub(super) struct Interaction {
    pub(super) id: u64,
    pub(super) token: String,
    pub(super) kind: u8,
    pub(super) user: u64,
    pub(super) channel: u64,
    /// The message whose button was pressed.
    pub(super) source: Option<u64>,
    pub(super) born: Instant,
    /// Whether a bot was there to hear of it.
    pub(super) heard: bool,
    pub(super) ack: Option<(u64, Duration)>,
    /// The message that answers.
    pub(super) original: Option<u64>,
    pub(super) done: bool,
    pub(super) choices: Vec<Choice>,
    /// Whether it was already noted as overdue.
    pub(super) overdue: bool,
}

impl World {
    /// A person presses a button; a `stale` press may meet a button that is disabled or gone by now.
    pub(super) fn press(&mut self, user: u64, message: u64, custom_id: &str, stale: bool) -> Result<u64, String> {
        let seen = self.messages.get(&message).filter(|seen| !seen.deleted).ok_or("there is no such message")?.clone();
        if seen.private_to.is_some_and(|owner| owner != user) {
            return Err("only somebody else sees this message".into());
        }
        let parts: Vec<_> =
            seen.list("components").iter().flat_map(|row| row["components"].as_array().cloned()).flatten().collect();
        match parts.iter().find(|part| part["custom_id"] == custom_id) {
            _ if stale => {}
            None => return Err(format!("the message has no button {custom_id}")),
            Some(part) if part["disabled"] == true => {
                return Err(format!("the button {custom_id} is disabled"));
            }
            Some(_) => {}
        }
        let mut shown = self.message_object(&seen);
        if let Some((guild, _)) = self.place(seen.channel) {
            shown["guild_id"] = guild.id.to_string().into();
        }
        let data = json!({ "component_type": 2, "custom_id": custom_id });
        self.interact(3, user, seen.channel, Some(message), data, Some(shown))
    }

    /// A person sends a command, or types in it when an option is `focused`. A `stale` one their client shows where it
    /// is not offered, or not registered any more.
    pub(super) fn command(
        &mut self,
        user: u64,
        channel: u64,
        name: &str,
        options: &[(String, String)],
        focused: Option<&str>,
        stale: bool,
    ) -> Result<u64, String> {
        let guild = self.place(channel).map(|(guild, _)| guild.id);
        let mut words = name.split(' ');
        let first = words.next().unwrap_or_default();
        let scopes = [guild, None];
        let mut known = scopes.iter().filter_map(|scope| self.commands.get(scope)).flatten();
        let registered = known.find(|known| known["name"] == first).cloned();
        let registered = match registered {
            Some(known) => known,
            None if stale => forgotten(self.snowflake(), first, options),
            None => return Err(format!("there is no command /{first}")),
        };
        let here = json!(u8::from(guild.is_none()));
        if !stale && registered["contexts"].as_array().is_some_and(|places| !places.contains(&here)) {
            return Err(format!("/{first} is not offered here"));
        }
        let mut definition = registered.clone();
        let path: Vec<_> = words.collect();
        for word in &path {
            let sub = definition["options"].as_array().and_then(|all| all.iter().find(|each| each["name"] == *word));
            definition = sub.cloned().ok_or(format!("there is no subcommand {word}"))?;
        }
        let mut given = Vec::new();
        for (option, value) in options {
            let focused = focused == Some(option);
            // In another version an option may have been a text, or been there at all.
            let option = if stale { text(option, value, focused) } else { typed(&definition, option, value, focused)? };
            given.push(option);
        }
        for word in path.iter().rev() {
            given = vec![json!({ "name": word, "type": 1, "options": given })];
        }
        let mut data = json!({ "id": registered["id"], "name": first, "type": 1, "options": given });
        data["resolved"] = self.resolved(user, options);
        if let Some(home) = registered.get("guild_id") {
            data["guild_id"] = home.clone();
        }
        let kind = if focused.is_some() { 4 } else { 2 };
        self.interact(kind, user, channel, None, data, None)
    }

    /// A person submits a form that they were shown, maybe by another version, with a text in its one field.
    pub(super) fn submit(&mut self, user: u64, channel: u64, custom_id: &str, text: &str) -> Result<u64, String> {
        let field = json!({ "type": 4, "id": 2, "custom_id": "text", "value": text });
        let row = json!({ "type": 1, "id": 1, "components": [field] });
        let data = json!({ "custom_id": custom_id, "components": [row] });
        self.interact(5, user, channel, None, data, None)
    }

    /// The channels and users that options speak of.
    fn resolved(&self, user: u64, options: &[(String, String)]) -> Value {
        let (mut channels, mut users) = (Body::new(), Body::new());
        for id in options.iter().filter_map(|(_, value)| value.parse::<u64>().ok()) {
            if let Some((guild, channel)) = self.place(id) {
                let bits = guild.permissions(user).to_string();
                let object =
                    json!({ "id": id.to_string(), "name": channel.name, "type": channel.kind, "permissions": bits });
                channels.insert(id.to_string(), object);
            } else if self.users.contains_key(&id) {
                users.insert(id.to_string(), self.user_object(id));
            }
        }
        json!({ "channels": channels, "users": users })
    }

    fn interact(
        &mut self,
        kind: u8,
        user: u64,
        channel: u64,
        source: Option<u64>,
        data: Value,
        message: Option<Value>,
    ) -> Result<u64, String> {
        let (id, token) = (self.snowflake(), secret("interaction-token"));
        let mut event = self.interaction_object(user, channel)?;
        event["id"] = id.to_string().into();
        event["token"] = token.as_str().into();
        event["type"] = kind.into();
        event["data"] = data;
        if let Some(message) = message {
            event["message"] = message;
        }
        let guild = self.place(channel).map(|(guild, _)| guild.id);
        let heard = self.dispatch(guild, 0, "INTERACTION_CREATE", event) > 0;
        let interaction = Interaction {
            id,
            token,
            kind,
            user,
            channel,
            source,
            heard,
            born: Instant::now(),
            ack: None,
            original: None,
            done: false,
            choices: Vec::new(),
            overdue: false,
        };
        self.interactions.insert(id, interaction);
        Ok(id)
    }

    fn interaction_object(&self, user: u64, channel: u64) -> Result<Value, String> {
        let bot = self.application.id;
        let mut event = json!({
            "application_id": bot.to_string(), "channel_id": channel.to_string(), "version": 1, "locale": "en-US",
            "entitlements": [], "attachment_size_limit": 10_485_760,
        });
        match self.place(channel) {
            Some((guild, place)) => {
                let member = guild.member(user).ok_or("this person is not in the guild")?;
                let mut object = self.member_object(member);
                object["permissions"] = guild.permissions(user).to_string().into();
                let mut mine = guild.permissions(bot);
                if !place.bot_may_post {
                    mine &= !permissions::SEND_MESSAGES;
                }
                event["member"] = object;
                event["guild_id"] = guild.id.to_string().into();
                event["guild_locale"] = "en-US".into();
                event["guild"] = json!({ "id": guild.id.to_string(), "locale": "en-US", "features": [] });
                event["app_permissions"] = mine.to_string().into();
                event["authorizing_integration_owners"] = json!({ "0": guild.id.to_string() });
                event["context"] = 0.into();
                event["channel"] = self.channel_object(guild.id, place, 0);
            }
            None => {
                let owner = self.directs.get(&channel).ok_or("there is no such channel")?;
                if *owner != user {
                    return Err("this conversation is somebody else's".into());
                }
                event["user"] = self.user_object(user);
                event["authorizing_integration_owners"] = json!({ "0": "0" });
                event["app_permissions"] = permissions::EVERYONE.to_string().into();
                event["context"] = 1.into();
                event["channel"] = self.direct_object(channel, user);
            }
        }
        Ok(event)
    }
}

/// A command that is not registered any more, with options of text.
fn forgotten(id: u64, name: &str, options: &[(String, String)]) -> Value {
    let options: Vec<_> = options.iter().map(|(name, _)| json!({ "name": name, "type": 3 })).collect();
    json!({ "id": id.to_string(), "name": name, "options": options })
}

/// An option whose type nobody knows any more.
fn text(name: &str, value: &str, focused: bool) -> Value {
    let mut option = json!({ "name": name, "type": 3, "value": value });
    if focused {
        option["focused"] = true.into();
    }
    option
}

/// An option as Discord sends it, typed by its registration.
fn typed(definition: &Value, name: &str, value: &str, focused: bool) -> Result<Value, String> {
    let known = definition["options"].as_array().and_then(|all| all.iter().find(|each| each["name"] == name));
    let kind = known.and_then(|known| known["type"].as_u64()).ok_or(format!("there is no option {name}"))?;
    if focused {
        return Ok(json!({ "name": name, "type": kind, "value": value, "focused": true }));
    }
    let value = match kind {
        4 => value.parse::<i64>().map(Value::from).map_err(|_| format!("{name} is no integer"))?,
        5 => value.parse::<bool>().map(Value::from).map_err(|_| format!("{name} is neither true nor false"))?,
        10 => value.parse::<f64>().map(Value::from).map_err(|_| format!("{name} is no number"))?,
        _ => value.into(),
    };
    Ok(json!({ "name": name, "type": kind, "value": value }))
}
