//! Interactions: a person presses or types, the bot has three seconds.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::limits::Body;
use super::messages::{EPHEMERAL, Via};
use super::refusal::{Answer, Refusal};
use super::setup::permissions;
use super::state::{World, secret};
use super::view::Message;

/// How long the bot may take to acknowledge.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How long an acknowledged interaction can be answered.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

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
    token: String,
    kind: u8,
    pub(super) user: u64,
    channel: u64,
    /// The message whose button was pressed.
    source: Option<u64>,
    born: Instant,
    /// Whether a bot was there to hear of it.
    heard: bool,
    pub(super) ack: Option<(u64, Duration)>,
    /// The message that answers.
    pub(super) original: Option<u64>,
    pub(super) done: bool,
    pub(super) choices: Vec<Choice>,
    /// Whether it was already noted as overdue.
    overdue: bool,
}

impl World {
    /// A person presses a button; a `stale` press may meet a button that is disabled or gone by now.
    pub(super) fn press(
        &mut self,
        user: u64,
        message: u64,
        custom_id: &str,
        stale: bool,
    ) -> Result<u64, String> {
        let seen = self
            .messages
            .get(&message)
            .filter(|seen| !seen.deleted)
            .ok_or("there is no such message")?
            .clone();
        if seen.private_to.is_some_and(|owner| owner != user) {
            return Err("only somebody else sees this message".into());
        }
        let parts: Vec<_> = seen
            .list("components")
            .iter()
            .flat_map(|row| row["components"].as_array().cloned())
            .flatten()
            .collect();
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

    /// A person sends a command, or types in it when an option is `focused`.
    pub(super) fn command(
        &mut self,
        user: u64,
        channel: u64,
        name: &str,
        options: &[(String, String)],
        focused: Option<&str>,
    ) -> Result<u64, String> {
        let guild = self.place(channel).map(|(guild, _)| guild.id);
        let mut words = name.split(' ');
        let first = words.next().unwrap_or_default();
        let scopes = [guild, None];
        let mut known = scopes
            .iter()
            .filter_map(|scope| self.commands.get(scope))
            .flatten();
        let registered = known.find(|known| known["name"] == first).cloned();
        let registered = registered.ok_or(format!("there is no command /{first}"))?;
        let mut definition = registered.clone();
        let path: Vec<_> = words.collect();
        for word in &path {
            let sub = definition["options"]
                .as_array()
                .and_then(|all| all.iter().find(|each| each["name"] == *word));
            definition = sub
                .cloned()
                .ok_or(format!("there is no subcommand {word}"))?;
        }
        let mut given = Vec::new();
        for (option, value) in options {
            given.push(typed(&definition, option, value, focused == Some(option))?);
        }
        for word in path.iter().rev() {
            given = vec![json!({ "name": word, "type": 1, "options": given })];
        }
        let mut data =
            json!({ "id": registered["id"], "name": first, "type": 1, "options": given });
        data["resolved"] = self.resolved(user, options);
        if let Some(home) = registered.get("guild_id") {
            data["guild_id"] = home.clone();
        }
        let kind = if focused.is_some() { 4 } else { 2 };
        self.interact(kind, user, channel, None, data, None)
    }

    /// The channels and users that options speak of.
    fn resolved(&self, user: u64, options: &[(String, String)]) -> Value {
        let (mut channels, mut users) = (Body::new(), Body::new());
        for id in options
            .iter()
            .filter_map(|(_, value)| value.parse::<u64>().ok())
        {
            if let Some((guild, channel)) = self.place(id) {
                let bits = guild.permissions(user).to_string();
                let object = json!({ "id": id.to_string(), "name": channel.name, "type": channel.kind, "permissions": bits });
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
        let (id, token) = (self.snowflake(), secret());
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
                let member = guild
                    .member(user)
                    .ok_or("this person is not in the guild")?;
                let mut object = self.member_object(member);
                object["permissions"] = guild.permissions(user).to_string().into();
                let mut mine = guild.permissions(bot);
                if !place.bot_may_post {
                    mine &= !permissions::SEND_MESSAGES;
                }
                event["member"] = object;
                event["guild_id"] = guild.id.to_string().into();
                event["guild_locale"] = "en-US".into();
                event["guild"] =
                    json!({ "id": guild.id.to_string(), "locale": "en-US", "features": [] });
                event["app_permissions"] = mine.to_string().into();
                event["authorizing_integration_owners"] = json!({ "0": guild.id.to_string() });
                event["context"] = 0.into();
                event["channel"] = self.channel_object(guild.id, place, 0);
            }
            None => {
                let owner = self
                    .directs
                    .get(&channel)
                    .ok_or("there is no such channel")?;
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

    /// The bot acknowledges.
    pub(super) fn acknowledge(&mut self, id: u64, token: &str, body: &Value) -> Answer<()> {
        let known = self
            .interactions
            .get(&id)
            .filter(|known| known.token == token);
        let known = known.ok_or_else(|| Refusal::of(10062))?.clone();
        if known.ack.is_some() {
            return Err(Refusal::of(40060));
        }
        let after = known.born.elapsed();
        if after > PATIENCE {
            self.note_overdue();
            return Err(Refusal::of(10062));
        }
        let ack = body["type"].as_u64().unwrap_or_default();
        let data = body["data"].as_object().cloned().unwrap_or_default();
        let (original, done) = self.first_answer(&known, ack, data)?;
        if let Some(entry) = self.interactions.get_mut(&id) {
            (entry.ack, entry.original, entry.done) = (Some((ack, after)), original, done);
            if ack == 8 {
                entry.choices = choices(body)?;
            }
        }
        Ok(())
    }

    fn first_answer(
        &mut self,
        known: &Interaction,
        ack: u64,
        data: Body,
    ) -> Answer<(Option<u64>, bool)> {
        let by_button = known.kind == 3;
        match ack {
            4 if known.kind != 4 => {
                self.inspect(&data, Via::Interaction)?;
                super::limits::check_not_empty(&data)?;
                Ok((Some(self.reply(known, data, false)), true))
            }
            5 if known.kind != 4 => Ok((Some(self.reply(known, data, true)), false)),
            6 if by_button => Ok((known.source, false)),
            7 if by_button => {
                self.inspect(&data, Via::Interaction)?;
                let source = known.source.unwrap_or_default();
                self.amend(source, data)?;
                Ok((Some(source), true))
            }
            8 if known.kind == 4 => Ok((None, true)),
            _ => Err(Refusal::form(
                "type: this answer does not fit the interaction",
            )),
        }
    }

    fn reply(&mut self, known: &Interaction, data: Body, loading: bool) -> u64 {
        let flags = data
            .get("flags")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let private_to = (flags & EPHEMERAL != 0).then_some(known.user);
        self.put(known.channel, data, private_to, loading)
    }

    /// The acknowledged interaction that a webhook token belongs to.
    fn by_token(&self, token: &str) -> Answer<Interaction> {
        let known = self
            .interactions
            .values()
            .find(|known| known.token == token)
            .ok_or_else(|| Refusal::of(10015))?;
        known.ack.ok_or_else(|| Refusal::of(10015))?;
        if known.born.elapsed() > LIFETIME {
            return Err(Refusal::of(50027));
        }
        Ok(known.clone())
    }

    /// The message that a webhook path names: `@original`, or one of the follow-ups.
    pub(super) fn answer_of(&self, token: &str, message: &str) -> Answer<u64> {
        let known = self.by_token(token)?;
        let id = match message {
            "@original" => known.original,
            id => id.parse().ok(),
        };
        let mine = |id: &u64| {
            self.messages
                .get(id)
                .is_some_and(|it| it.channel == known.channel && !it.deleted)
        };
        id.filter(mine).ok_or_else(|| Refusal::of(10008))
    }

    /// The bot changes its answer.
    pub(super) fn edit_answer(&mut self, token: &str, message: &str, body: Body) -> Answer<Value> {
        let id = self.answer_of(token, message)?;
        self.inspect(&body, Via::Interaction)?;
        let object = self.amend(id, body)?;
        self.finish(token);
        Ok(object)
    }

    /// The bot takes its answer back.
    pub(super) fn delete_answer(&mut self, token: &str, message: &str) -> Answer<()> {
        let id = self.answer_of(token, message)?;
        self.remove(&[id])?;
        self.finish(token);
        Ok(())
    }

    /// The bot adds an answer; the first one after a deferral takes the deferral's place.
    pub(super) fn follow_up(&mut self, token: &str, body: Body) -> Answer<Value> {
        let known = self.by_token(token)?;
        let loading = known
            .original
            .filter(|id| self.messages.get(id).is_some_and(|message| message.loading));
        self.inspect(&body, Via::Interaction)?;
        super::limits::check_not_empty(&body)?;
        let object = match loading {
            Some(original) => self.amend(original, body)?,
            None => {
                let id = self.reply(&known, body, false);
                if let Some(entry) = self
                    .interactions
                    .get_mut(&known.id)
                    .filter(|entry| !entry.done)
                {
                    entry.original = Some(id);
                }
                self.object_of(id)
            }
        };
        self.finish(token);
        Ok(object)
    }

    fn finish(&mut self, token: &str) {
        if let Some(entry) = self
            .interactions
            .values_mut()
            .find(|entry| entry.token == token)
        {
            entry.done = true;
        }
    }

    /// Notes interactions that a bot heard of and did not acknowledge in time.
    pub(super) fn note_overdue(&mut self) {
        let mut late = Vec::new();
        for entry in self.interactions.values_mut() {
            if entry.heard
                && entry.ack.is_none()
                && !entry.overdue
                && entry.born.elapsed() > PATIENCE
            {
                entry.overdue = true;
                late.push(entry.id);
            }
        }
        for id in late {
            self.violation(format!("interaction {id} was not acknowledged within 3 s"));
        }
    }
}

/// An option as Discord sends it, typed by its registration.
fn typed(definition: &Value, name: &str, value: &str, focused: bool) -> Result<Value, String> {
    let known = definition["options"]
        .as_array()
        .and_then(|all| all.iter().find(|each| each["name"] == name));
    let kind = known
        .and_then(|known| known["type"].as_u64())
        .ok_or(format!("there is no option {name}"))?;
    if focused {
        return Ok(json!({ "name": name, "type": kind, "value": value, "focused": true }));
    }
    let value = match kind {
        4 => value
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("{name} is no integer"))?,
        5 => value
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| format!("{name} is neither true nor false"))?,
        10 => value
            .parse::<f64>()
            .map(Value::from)
            .map_err(|_| format!("{name} is no number"))?,
        _ => value.into(),
    };
    Ok(json!({ "name": name, "type": kind, "value": value }))
}

fn choices(body: &Value) -> Answer<Vec<Choice>> {
    let listed = body["data"]["choices"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let too_long = |choice: &Value| super::limits::units(&text(&choice["name"])) > 100;
    if listed.len() > 25 || listed.iter().any(too_long) {
        return Err(Refusal::form(
            "choices: at most 25 of at most 100 characters",
        ));
    }
    Ok(listed
        .iter()
        .map(|choice| Choice {
            name: text(&choice["name"]),
            value: text(&choice["value"]),
        })
        .collect())
}
