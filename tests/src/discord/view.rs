//! Messages as a person sees them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages::Stored;
use super::state::{EPOCH, World};

/// A message as it stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Snowflake.
    pub id: u64,
    /// Where it stands.
    pub channel: u64,
    /// Shown name of the author.
    pub author: String,
    /// The text.
    pub content: String,
    /// The embeds as they were sent.
    pub embeds: Vec<Value>,
    /// The rows of components as they were sent.
    pub components: Vec<Value>,
    /// How often it was edited.
    pub edits: u32,
    /// The only person who sees it.
    pub private_to: Option<u64>,
    /// Whether it says only that an answer is on its way.
    pub loading: bool,
    /// The nonce that it was created with.
    pub nonce: Option<String>,
    /// When it was posted.
    pub at: String,
    /// Who was pinged when it was posted: mentions of the content that `allowed_mentions` lets through.
    pub pings: Vec<String>,
}

/// A direct message, as far as it takes to know which one it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Snowflake.
    pub id: u64,
    /// Who received it.
    pub reader: u64,
    /// The nonce that it was created with.
    pub nonce: Option<String>,
}

impl Letter {
    /// When it was posted, in milliseconds since 1970: ids hold it.
    #[must_use]
    pub const fn at_ms(&self) -> u64 {
        (self.id >> 22) + EPOCH
    }
}

/// A button under a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What is written on it.
    pub label: String,
    /// What is sent when it is pressed; none for a link.
    pub custom_id: Option<String>,
    /// Where a link leads.
    pub url: Option<String>,
    /// Whether it can not be pressed.
    pub disabled: bool,
}

impl Message {
    /// The buttons in reading order.
    pub fn buttons(&self) -> Vec<Button> {
        let rows = self.components.iter().filter_map(|row| row["components"].as_array());
        rows.flatten().filter(|part| part["type"] == 2).map(Button::from_object).collect()
    }

    /// The `custom_id` of the button with this label.
    pub fn button(&self, label: &str) -> Option<String> {
        self.buttons().into_iter().find(|button| button.label == label).and_then(|button| button.custom_id)
    }

    /// Text, embeds and buttons, line by line; times stay as they are written.
    pub fn as_text(&self) -> String {
        let mut lines = Vec::new();
        if self.loading {
            lines.push("(thinking)".to_owned());
        }
        lines.extend((!self.content.is_empty()).then(|| self.content.clone()));
        for embed in &self.embeds {
            lines.extend(embed_lines(embed));
        }
        for row in self.components.iter().filter_map(|row| row["components"].as_array()) {
            lines.push(row.iter().map(part_text).collect::<Vec<_>>().join(" "));
        }
        lines.join("\n")
    }
}

fn embed_lines(embed: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let places = [&embed["author"]["name"], &embed["title"], &embed["description"]];
    lines.extend(places.into_iter().filter_map(Value::as_str).map(str::to_owned));
    for field in embed["fields"].as_array().into_iter().flatten() {
        let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
        let (name, value) = (text("name"), text("value"));
        lines.push(if value.contains('\n') { format!("{name}:\n{value}") } else { format!("{name}: {value}") });
    }
    lines.extend(embed["footer"]["text"].as_str().map(str::to_owned));
    lines
}

fn part_text(part: &Value) -> String {
    let label = part["label"].as_str().or(part["placeholder"].as_str()).or(part["emoji"]["name"].as_str());
    let mark = if part["disabled"] == true { " (disabled)" } else { "" };
    format!("[{}]{mark}", label.unwrap_or("?"))
}

impl Button {
    fn from_object(part: &Value) -> Self {
        let text = |key: &str| part[key].as_str().map(str::to_owned);
        let label = text("label").or(part["emoji"]["name"].as_str().map(str::to_owned)).unwrap_or_default();
        Self { label, custom_id: text("custom_id"), url: text("url"), disabled: part["disabled"] == true }
    }
}

impl World {
    /// Direct messages after an id, oldest first.
    pub(super) fn letters(&self, after: u64) -> Vec<Letter> {
        let later = self.messages.range(after + 1..).filter(|(_, message)| !message.deleted);
        let letter = |(id, message): (&u64, &Stored)| {
            let reader = *self.directs.get(&message.channel)?;
            Some(Letter { id: *id, reader, nonce: message.nonce() })
        };
        later.filter_map(letter).collect()
    }

    /// The message as its readers see it.
    pub(super) fn view(&self, message: &Stored) -> Message {
        let content = message.body.get("content").and_then(Value::as_str).unwrap_or_default();
        Message {
            id: message.id,
            channel: message.channel,
            author: self.users.get(&message.author).map(|user| user.username.clone()).unwrap_or_default(),
            content: content.into(),
            embeds: message.list("embeds"),
            components: message.list("components"),
            edits: message.edits,
            private_to: message.private_to,
            loading: message.loading,
            nonce: message.nonce(),
            at: message.at.clone(),
            pings: pings(content, message.body.get("allowed_mentions").unwrap_or(&Value::Null)),
        }
    }

    /// Everything that this reader sees in a channel, oldest first.
    pub(super) fn seen(&self, channel: u64, reader: Option<u64>) -> Vec<Message> {
        let here = self.messages.values().filter(|message| message.channel == channel && !message.deleted);
        let visible = here.filter(|message| message.private_to.is_none() || message.private_to == reader);
        visible.map(|message| self.view(message)).collect()
    }
}

/// The mentions in a text that the policy lets through.
fn pings(content: &str, allowed: &Value) -> Vec<String> {
    let listed =
        |key: &str, value: &str| allowed[key].as_array().is_some_and(|all| all.iter().any(|each| each == value));
    let lets = |kind: &str, id: &str| listed("parse", kind) || listed(kind, id);
    let mut found = Vec::new();
    for piece in content.split('<').skip(1).filter_map(|piece| piece.split_once('>').map(|(inner, _)| inner)) {
        let (kind, id) = match piece.strip_prefix("@&") {
            Some(id) => ("roles", id),
            None => ("users", piece.strip_prefix("@!").or(piece.strip_prefix('@')).unwrap_or_default()),
        };
        let mention = format!("<{piece}>");
        if !id.is_empty() && lets(kind, id) && !found.contains(&mention) {
            found.push(mention);
        }
    }
    for word in ["@everyone", "@here"] {
        if content.contains(word) && listed("parse", "everyone") {
            found.push(word.into());
        }
    }
    found
}

#[cfg(test)]
mod specs {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_reads_as_a_person_sees_it() {
        let message = Message {
            id: 1,
            channel: 2,
            author: "bot".into(),
            content: "<@&7>".into(),
            edits: 0,
            private_to: None,
            loading: false,
            nonce: None,
            at: String::new(),
            pings: Vec::new(),
            embeds: vec![json!({
                "title": "The Lost Mine", "fields": [{ "name": "When", "value": "<t:1:F>" }, { "name": "Players (2/4)", "value": "1. ada\n2. bob" }],
                "footer": { "text": "Scheduled" },
            })],
            components: vec![json!({ "type": 1, "components": [
                { "type": 2, "label": "Join", "custom_id": "join" },
                { "type": 2, "label": "Leave", "custom_id": "leave", "disabled": true },
            ] })],
        };
        assert_eq!(
            message.as_text(),
            "<@&7>\nThe Lost Mine\nWhen: <t:1:F>\nPlayers (2/4):\n1. ada\n2. bob\nScheduled\n[Join] [Leave] (disabled)"
        );
        assert_eq!(message.button("Leave").as_deref(), Some("leave"));
    }

    #[test]
    fn only_allowed_mentions_ping() {
        let text = "<@1> <@2> <@&3> @everyone";
        assert_eq!(pings(text, &json!({ "users": ["2"], "parse": [] })), ["<@2>"]);
        assert_eq!(pings(text, &json!({ "parse": ["roles", "everyone"] })), ["<@&3>", "@everyone"]);
        assert!(pings(text, &json!({ "parse": [] })).is_empty());
    }
}
