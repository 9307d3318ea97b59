//! Registration of application commands.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Bot;
use crate::discord::limits::units;
use crate::discord::refusal::{Answer, Refusal};
use crate::discord::state::{App, World};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/applications/{application}/commands", get(of_all).put(set_all))
        .route("/applications/{application}/guilds/{guild}/commands", get(of_guild).put(set_guild))
}

async fn of_all(_: Bot, State(app): State<App>, Path(application): Path<u64>) -> Answer {
    app.read(|world| world.listed(application, None))
}

async fn of_guild(_: Bot, State(app): State<App>, Path((application, guild)): Path<(u64, u64)>) -> Answer {
    app.read(|world| world.listed(application, Some(guild)))
}

async fn set_all(_: Bot, State(app): State<App>, Path(application): Path<u64>, body: Bytes) -> Answer {
    app.edit(|world| world.register(application, None, &body))
}

async fn set_guild(
    _: Bot,
    State(app): State<App>,
    Path((application, guild)): Path<(u64, u64)>,
    body: Bytes,
) -> Answer {
    app.edit(|world| world.register(application, Some(guild), &body))
}

impl World {
    fn listed(&self, application: u64, guild: Option<u64>) -> Answer {
        self.own(application, guild)?;
        Ok(Json(self.commands.get(&guild).cloned().unwrap_or_default().into()))
    }

    fn own(&self, application: u64, guild: Option<u64>) -> Answer<()> {
        if application != self.application.id {
            return Err(Refusal::with(403, 20012, "You are not authorized to perform this action on this application"));
        }
        guild.map_or(Ok(()), |guild| self.guild(guild).map(|_| ()))
    }

    fn register(&mut self, application: u64, guild: Option<u64>, body: &[u8]) -> Answer {
        self.own(application, guild)?;
        let wanted: Vec<Value> = serde_json::from_slice(body).map_err(|_| Refusal::of(50109))?;
        let mut kept = Vec::new();
        for mut command in wanted {
            check(&command)?;
            let before =
                self.commands.get(&guild).and_then(|all| all.iter().find(|old| old["name"] == command["name"]));
            command["id"] = match before {
                Some(before) => before["id"].clone(),
                None => self.snowflake().to_string().into(),
            };
            command["version"] = self.snowflake().to_string().into();
            command["application_id"] = application.to_string().into();
            fill(&mut command, guild);
            kept.push(command);
        }
        self.commands.insert(guild, kept.clone());
        Ok(Json(kept.into()))
    }
}

/// What Discord adds when it lists a command.
fn fill(command: &mut Value, guild: Option<u64>) {
    if let Some(guild) = guild {
        command["guild_id"] = guild.to_string().into();
    }
    let usual = [
        ("type", json!(1)),
        ("options", json!([])),
        ("default_member_permissions", Value::Null),
        ("nsfw", json!(false)),
    ];
    for (name, value) in usual {
        if command.get(name).is_none() {
            command[name] = value;
        }
    }
}

fn check(command: &Value) -> Answer<()> {
    let name = command["name"].as_str().unwrap_or_default();
    let fits = |letter: char| letter.is_lowercase() || letter.is_numeric() || letter == '-' || letter == '_';
    let is_slash = command["type"].as_u64().unwrap_or(1) == 1;
    if name.is_empty() || units(name) > 32 || (is_slash && !name.chars().all(fits)) {
        return Err(Refusal::form("name: must match ^[-_\\p{L}\\p{N}]{1,32}$ in lower case"));
    }
    let described = units(command["description"].as_str().unwrap_or_default());
    if is_slash && !(1..=100).contains(&described) {
        return Err(Refusal::form("description: must be between 1 and 100 in length"));
    }
    let options = command["options"].as_array().map_or(&[][..], Vec::as_slice);
    if options.len() > 25 {
        return Err(Refusal::form("options: must be 25 or fewer in length"));
    }
    let optional = options.iter().position(|option| option["required"] != true);
    let required = options.iter().rposition(|option| option["required"] == true);
    if optional.zip(required).is_some_and(|(optional, required)| optional < required) {
        return Err(Refusal::form("options: required options must be placed before non-required options"));
    }
    Ok(())
}
