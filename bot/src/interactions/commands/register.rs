//! Tells Discord which commands there are, when that differs from what it knows (DI-04).

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use shared::discord::Failure;
use shared::domain::ids::DiscordGuild;
use shared::service::awaiting;
use shared::telemetry::Attribute;
use shared::telemetry::span::{self, SpanKind};
use tracing::info;
use twilight_model::id::Id;
use twilight_model::id::marker::ApplicationMarker;

use crate::Bot;

/// Its name.
pub(super) const LIST_GAMES: &str = "list-games";
/// Its name.
pub(super) const MY_GAMES: &str = "my-games";

/// Options that name a channel, or are yes or no, and the channels that carry announcements (GU-18), as numbers of
/// Discord.
const CHANNEL: u8 = 7;
const FLAG: u8 = 5;
const CARRIES: [u8; 3] = [0, 2, 5];
/// Where a command is offered: in servers, in a conversation with the bot.
const SERVER: u8 = 0;
const DIRECT: u8 = 1;

/// Compares, and writes a difference, until it works; everywhere, or only in one guild.
pub(crate) async fn keep(bot: Arc<Bot>, application: Id<ApplicationMarker>, guild: Option<DiscordGuild>) {
    let attempt = || async { register(&bot, application, guild).await.context("Discord") };
    let _ = awaiting("registering the commands", attempt, &bot.stop).await;
}

async fn register(bot: &Bot, application: Id<ApplicationMarker>, guild: Option<DiscordGuild>) -> Result<(), Failure> {
    let wanted = wanted(guild.is_some());
    let different = differences(&wanted, &bot.discord.commands(application, guild).await?);
    if different == 0 {
        return Ok(());
    }
    let found = [Attribute::new("gamesched.sweep.found", i64::try_from(different).unwrap_or(i64::MAX))];
    let span = span::start(SpanKind::Internal, "sweep commands", found.to_vec());
    let mark = |span: &span::Span, written: &Result<(), Failure>| {
        if written.is_err() {
            span.fail("discord");
        }
    };
    span::run(span, bot.discord.set_commands(application, guild, json!(wanted)), mark).await?;
    info!("told Discord of {} commands, of which {different} differed", wanted.len());
    Ok(())
}

/// The commands as Discord is to know them. Those of one guild need not say where they are offered.
fn wanted(in_one_guild: bool) -> Vec<Value> {
    let mut commands = vec![
        json!({
            "name": LIST_GAMES, "type": 1,
            "description": "Upcoming games of this channel, of another one, or of the whole server",
            "contexts": [SERVER], "integration_types": [0],
            "options": [
                { "name": "channel", "type": CHANNEL, "channel_types": CARRIES,
                  "description": "Games of this channel instead" },
                { "name": "show_all", "type": FLAG, "description": "Games of the whole server" },
            ],
        }),
        json!({
            "name": MY_GAMES, "type": 1, "description": "Games that you host or play in, on all servers",
            "contexts": [SERVER, DIRECT], "integration_types": [0],
        }),
    ];
    if in_one_guild {
        for command in commands.iter_mut().filter_map(Value::as_object_mut) {
            command.retain(|key, _| key != "contexts" && key != "integration_types");
        }
    }
    commands
}

/// How many commands are missing, different or left over.
fn differences(wanted: &[Value], registered: &[Value]) -> usize {
    let essences = |commands: &[Value]| commands.iter().map(essence).collect::<Vec<_>>();
    let (wanted, registered) = (essences(wanted), essences(registered));
    let lacking = wanted.iter().filter(|command| !registered.contains(command)).count();
    let named = |command: &Value| wanted.iter().any(|wanted| wanted["name"] == command["name"]);
    lacking + registered.iter().filter(|command| !named(command)).count()
}

/// A command without what Discord adds, and without what says nothing.
fn essence(command: &Value) -> Value {
    const ADDED: [&str; 7] =
        ["id", "application_id", "guild_id", "version", "dm_permission", "name_localized", "description_localized"];
    match command {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !ADDED.contains(&key.as_str()));
            let told = kept.map(|(key, value)| (key.clone(), essence(value))).filter(|(_, value)| !says_nothing(value));
            Value::Object(told.collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.iter().map(essence).collect()),
        plain => plain.clone(),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Discord answers to a registration.
    fn listed(in_one_guild: bool) -> Vec<Value> {
        let mut commands = wanted(in_one_guild);
        for (number, command) in commands.iter_mut().enumerate() {
            command["id"] = json!(number.to_string());
            command["version"] = json!("9");
            command["application_id"] = json!("7");
            command["dm_permission"] = json!(true);
            command["default_member_permissions"] = Value::Null;
            command["nsfw"] = json!(false);
            if number == 1 {
                command["options"] = json!([]);
            }
        }
        commands
    }

    #[test]
    fn di_04_what_discord_adds_is_no_difference() {
        assert_eq!(differences(&wanted(false), &listed(false)), 0);
        assert_eq!(differences(&wanted(true), &listed(true)), 0);
    }

    #[test]
    fn di_04_what_is_missing_other_or_left_over_is_a_difference() {
        assert_eq!(differences(&wanted(false), &[]), 2);
        let mut other = listed(false);
        other[0]["options"][0]["required"] = json!(true);
        assert_eq!(differences(&wanted(false), &other), 1);
        let mut more = listed(false);
        more.push(json!({ "name": "old", "type": 1, "description": "Of another version" }));
        assert_eq!(differences(&wanted(false), &more), 1);
        let mut elsewhere = listed(false);
        elsewhere[1]["contexts"] = json!([0]);
        assert_eq!(differences(&wanted(false), &elsewhere), 1);
    }

    #[test]
    fn di_06_a_conversation_with_the_bot_offers_the_own_games_only() {
        let offered = |command: &&Value| command["contexts"].as_array().unwrap().contains(&json!(DIRECT));
        let commands = wanted(false);
        let names: Vec<_> = commands.iter().filter(offered).map(|command| &command["name"]).collect();
        assert_eq!(names, ["my-games"]);
    }
}
