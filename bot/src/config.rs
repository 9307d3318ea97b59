//! What the bot is told by its environment; `--help` is its reference.

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, Subcommand as _};
use secrecy::SecretString;
use shared::domain::ids::DiscordGuild;
use shared::service::{self, Operation, secret};

use crate::operator::Parked;

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
    /// Requests a second that Discord allows this bot, over all replicas; very large bots are granted more than 50 when they
    /// ask. Announcements and direct messages take half of it at most.
    #[arg(
        long,
        env = "DISCORD_REQUESTS_PER_SECOND",
        value_name = "NUMBER",
        default_value_t = 50,
        value_parser = clap::value_parser!(u16).range(2..=10_000)
    )]
    pub discord_requests_per_second: u16,
    /// The id of a guild to try commands in: they are told of there, at once, and no longer everywhere. What was told elsewhere before stays there.
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

/// What the process is asked to do.
#[derive(Debug)]
pub enum Asked {
    /// To be the bot.
    Serve(Box<Settings>),
    /// To do one thing for an operator, which needs neither Discord nor Redis nor RabbitMQ.
    Operate {
        /// The Postgres URL.
        database: SecretString,
        /// How to tell of itself.
        operation: Operation,
        /// What to do.
        command: Parked,
    },
}

/// The command that lists and mends what waits for a person.
const PARKED: &str = "parked";

impl CommandFactory for Asked {
    fn command() -> Command {
        let parked = Command::new(PARKED).subcommand_required(true).arg_required_else_help(true);
        // Who operates need not have what the bot needs.
        Settings::command().subcommand_negates_reqs(true).subcommand(Parked::augment_subcommands(parked))
    }

    fn command_for_update() -> Command {
        Self::command()
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Some((PARKED, parked)) = matches.subcommand() else {
            return Settings::from_arg_matches(matches).map(|settings| Self::Serve(Box::new(settings)));
        };
        let given = |id| matches.get_one::<SecretString>(id).cloned();
        Ok(Self::Operate {
            database: given("database_url").ok_or_else(|| service::missing(&["--database-url <URL>"]))?,
            operation: Operation {
                service: "bot",
                level: matches.get_one("log_level").copied().unwrap_or_default(),
                format: matches.get_one("log_format").copied().unwrap_or_default(),
            },
            command: Parked::from_arg_matches(parked)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
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
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn an_operator_needs_the_database_and_nothing_else() {
        let asked = |words: &[&str]| {
            let matches =
                Asked::command().mut_arg("health_addr", |arg| arg.required(false)).try_get_matches_from(words)?;
            Asked::from_arg_matches(&matches)
        };
        let database = "--database-url=postgres://me@host/db";
        assert!(matches!(asked(&["bot", database, "parked", "list"]), Ok(Asked::Operate { .. })));
        let refused = |words: &[&str]| asked(words).map(drop).unwrap_err().kind();
        assert_eq!(refused(&["bot", database, "parked", "mend"]), ErrorKind::InvalidSubcommand);
    }

    #[test]
    fn l_44_a_pace_that_makes_no_sense_is_refused_with_what_does() {
        let asked = |pace: &str| {
            let command = Settings::command().mut_args(|arg| arg.required(false));
            let matches = command.try_get_matches_from(["bot", "--discord-requests-per-second", pace])?;
            Ok(matches.get_one::<u16>("discord_requests_per_second").copied())
        };
        let pace = |pace: &str| asked(pace).map_err(|refused: clap::Error| refused.to_string());
        assert_eq!([pace("2"), pace("1200"), pace("10000")], [Ok(Some(2)), Ok(Some(1_200)), Ok(Some(10_000))]);
        for unusable in ["0", "1", "10001", "70000"] {
            let said = pace(unusable).unwrap_err();
            assert!(said.contains("--discord-requests-per-second") && said.contains("2..=10000"), "{said}");
        }
    }

    #[test]
    fn secrets_are_checked_before_anything_starts() {
        assert!(redis("redis://127.0.0.1:6379/0").is_ok() && redis("rediss://host").is_ok());
        assert!(redis("127.0.0.1:6379").is_err() && redis("redis://").is_err());
        assert!(token("abc.def.ghi").is_ok() && token("").is_err() && token("two words").is_err());
    }
}
