//! What the bot is told by its environment; `--help` is its reference.

use secrecy::SecretString;
use shared::service;

/// Posts and edits announcements, sends direct messages, answers buttons, and keeps the projection of guilds.
#[derive(Debug, clap::Parser)]
#[command(name = "bot", version, about)]
pub struct Settings {
    /// What every service is told.
    #[command(flatten)]
    pub common: service::Settings,
    /// Redis, for the projection of guilds and for the budget of calls that replicas share.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// The bot's token, from Discord's developer portal.
    #[arg(long, env = "DISCORD_TOKEN", hide_env_values = true)]
    pub discord_token: SecretString,
    /// Where Discord's REST API is.
    #[arg(long, env = "DISCORD_API_URL", default_value = "https://discord.com")]
    pub discord_api_url: String,
    /// Where the gateway is, if not where Discord says.
    #[arg(long, env = "DISCORD_GATEWAY_URL")]
    pub discord_gateway_url: Option<String>,
    /// Where people's browsers find the pages; without it announcements have no links to them.
    #[arg(long, env = "FRONTEND_URL")]
    pub frontend_url: Option<String>,
}
