//! How the bot answers interactions: acknowledge in time, then edit, add, take back.

use std::time::Duration;

use serde_json::Value;

use super::interactions::{Choice, Interaction, PATIENCE};
use super::limits::Body;
use super::messages::{EPHEMERAL, Via};
use super::refusal::{Answer, Refusal};
use super::state::World;

/// How long an acknowledged interaction can be answered.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

impl World {
    /// The bot acknowledges.
    pub(super) fn acknowledge(&mut self, id: u64, token: &str, body: &Value) -> Answer<()> {
        let known = self.interactions.get(&id).filter(|known| known.token == token);
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

    fn first_answer(&mut self, known: &Interaction, ack: u64, data: Body) -> Answer<(Option<u64>, bool)> {
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
            _ => Err(Refusal::form("type: this answer does not fit the interaction")),
        }
    }

    fn reply(&mut self, known: &Interaction, data: Body, loading: bool) -> u64 {
        let flags = data.get("flags").and_then(Value::as_u64).unwrap_or_default();
        let private_to = (flags & EPHEMERAL != 0).then_some(known.user);
        self.put(known.channel, data, private_to, loading)
    }

    /// The acknowledged interaction that a webhook token belongs to.
    fn by_token(&self, token: &str) -> Answer<Interaction> {
        let known = self.interactions.values().find(|known| known.token == token).ok_or_else(|| Refusal::of(10015))?;
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
        let mine = |id: &u64| self.messages.get(id).is_some_and(|it| it.channel == known.channel && !it.deleted);
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
        let loading = known.original.filter(|id| self.messages.get(id).is_some_and(|message| message.loading));
        self.inspect(&body, Via::Interaction)?;
        super::limits::check_not_empty(&body)?;
        let object = match loading {
            Some(original) => self.amend(original, body)?,
            None => {
                let id = self.reply(&known, body, false);
                if let Some(entry) = self.interactions.get_mut(&known.id).filter(|entry| !entry.done) {
                    entry.original = Some(id);
                }
                self.object_of(id)
            }
        };
        self.finish(token);
        Ok(object)
    }

    fn finish(&mut self, token: &str) {
        if let Some(entry) = self.interactions.values_mut().find(|entry| entry.token == token) {
            entry.done = true;
        }
    }

    /// Notes interactions that a bot heard of and did not acknowledge in time.
    pub(super) fn note_overdue(&mut self) {
        let mut late = Vec::new();
        for entry in self.interactions.values_mut() {
            if entry.heard && entry.ack.is_none() && !entry.overdue && entry.born.elapsed() > PATIENCE {
                entry.overdue = true;
                late.push(entry.id);
            }
        }
        for id in late {
            self.violation(format!("interaction {id} was not acknowledged within 3 s"));
        }
    }
}

fn choices(body: &Value) -> Answer<Vec<Choice>> {
    let listed = body["data"]["choices"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let too_long = |choice: &Value| super::limits::units(&text(&choice["name"])) > 100;
    if listed.len() > 25 || listed.iter().any(too_long) {
        return Err(Refusal::form("choices: at most 25 of at most 100 characters"));
    }
    Ok(listed.iter().map(|choice| Choice { name: text(&choice["name"]), value: text(&choice["value"]) }).collect())
}
