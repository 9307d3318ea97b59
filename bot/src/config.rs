//! What the bot is told by its environment; `--help` is its reference.

use secrecy::SecretString;
use shared::domain::ids::DiscordGuild;
use shared::service::{self, secret};

/// Posts and edits announcements, sends direct messages, answers buttons, and keeps the projection of guilds.
#[derive(Debug, clap::Parser)]
#[command(name = "bot", version)]
#[group(skip)] // its name would clash with that of the flattened settings
pub struct Settings {
    #[expect(missing_docs, reason = "described where they are defined")]
    #[command(flatten)]
    pub common: service::Settings,
    /// Redis, for the projection of guilds and for the budget of calls that replicas share.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL", value_parser = secret(redis))]
    pub redis_url: SecretString,
    /// The bot's token, from Discord's developer portal.
    #[arg(long, env = "DISCORD_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret(token))]
    pub discord_token: SecretString,
    /// Where Discord's REST API is.
    #[arg(long, env = "DISCORD_API_URL", value_name = "URL", default_value = "https://discord.com")]
    pub discord_api_url: String,
    /// Where the gateway is, if not where Discord says.
    #[arg(long, env = "DISCORD_GATEWAY_URL", value_name = "URL")]
    pub discord_gateway_url: Option<String>,
    /// The id of a guild to try commands in: they are offered there at once, and nowhere else. Else everywhere.
    #[arg(long, env = "COMMANDS_GUILD", value_name = "ID")]
    pub commands_guild: Option<DiscordGuild>,
    /// Where people's browsers find the pages; without it announcements have no links to them.
    #[arg(long, env = "FRONTEND_URL", value_name = "URL")]
    pub frontend_url: Option<String>,
}

impl AsRef<service::Settings> for Settings {
    fn as_ref(&self) -> &service::Settings {
        &self.common
    }
}

fn redis(url: &str) -> Result<(), String> {
    let known = ["redis://", "rediss://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    if known { Ok(()) } else { Err("it must look like redis://user:password@host:port/number".to_owned()) }
}

fn token(token: &str) -> Result<(), String> {
    let fits = !token.is_empty() && token.chars().all(|letter| letter.is_ascii_graphic());
    if fits { Ok(()) } else { Err("it must be the bot's token".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_checked_before_anything_starts() {
        assert!(redis("redis://127.0.0.1:6379/0").is_ok() && redis("rediss://host").is_ok());
        assert!(redis("127.0.0.1:6379").is_err() && redis("redis://").is_err());
        assert!(token("abc.def.ghi").is_ok() && token("").is_err() && token("two words").is_err());
    }
}
