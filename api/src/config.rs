//! Everything that can be set; `--help` is its reference.

use std::net::SocketAddr;

use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser};
use http::HeaderValue;
use reqwest::Url;
use secrecy::SecretString;
use shared::service::{self, secret};

use crate::seal::Keys;
use crate::trace::Range;

/// The HTTP service: sign-in, guilds and games for browsers and programs.
#[derive(Debug, Parser)]
#[command(name = "api", version)]
pub struct Settings {
    #[expect(missing_docs, reason = "described where they are defined")]
    #[command(flatten)]
    pub common: service::Settings,
    #[expect(missing_docs, reason = "described where they are defined")]
    #[command(flatten)]
    pub web: Web,
}

/// What the process is asked to do.
#[derive(Debug)]
pub enum Asked {
    /// To serve.
    Serve(Box<Settings>),
    /// To prepare the database and the broker, which needs nothing but them.
    Init(Box<service::Settings>),
}

impl AsRef<service::Settings> for Asked {
    fn as_ref(&self) -> &service::Settings {
        match self {
            Self::Serve(settings) => &settings.common,
            Self::Init(common) => common,
        }
    }
}

/// The command that prepares an installation.
const INIT: &str = "init";

impl CommandFactory for Asked {
    fn command() -> Command {
        let init = Command::new(INIT).about(
            "Brings the database's schema and the roles' rights to this release, declares the broker's queues, and ends; only DATABASE_URL and \
             AMQP_URL are needed",
        );
        Settings::command().subcommand_negates_reqs(true).subcommand(init)
    }

    fn command_for_update() -> Command {
        Self::command()
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if matches.subcommand_name() != Some(INIT) {
            return Settings::from_arg_matches(matches).map(|settings| Self::Serve(Box::new(settings)));
        }
        let needed = [("database_url", "--database-url <URL>"), ("amqp_url", "--amqp-url <URL>")];
        let unset = needed.into_iter().filter(|(id, _)| !matches.contains_id(id));
        let unset: Vec<_> = unset.map(|(_, argument)| argument).collect();
        if !unset.is_empty() {
            return Err(service::missing(&unset));
        }
        service::Settings::from_arg_matches(matches).map(|common| Self::Init(Box::new(common)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What only the api needs.
#[derive(Args, Clone, Debug)]
pub struct Web {
    /// Where to listen for requests.
    #[arg(long, env = "API_ADDR", default_value = "127.0.0.1:8080")]
    pub api_addr: SocketAddr,
    /// Where people reach this service.
    #[arg(long, env = "PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: Url,
    /// Where people reach the web client; the only foreign origin that may send requests with a session.
    #[arg(long, env = "FRONTEND_URL", default_value = "http://127.0.0.1:3000")]
    pub frontend_url: Url,
    /// Where Discord may send people back to after they signed in, separated by commas.
    #[arg(long, env = "REDIRECT_URIS", value_delimiter = ',', default_value = "http://127.0.0.1:3000/auth/callback")]
    pub redirect_uris: Vec<Url>,
    /// Redis, for the projection of guilds, sessions at hand and rate windows
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_parser = secret(redis))]
    pub redis_url: SecretString,
    /// Seals Discord's tokens: 32 random bytes in base64. Old keys may follow after commas
    #[arg(long, env = "TOKEN_KEY", hide_env_values = true, value_parser = secret(key))]
    pub token_key: SecretString,
    /// Peers that may speak for somebody else, as addresses or prefixes, separated by commas.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', default_value = "127.0.0.0/8,::1")]
    pub trusted_proxies: Vec<Range>,
    /// Cookies travel over HTTPS only. Off is for development on one machine.
    #[arg(long, env = "COOKIE_SECURE", default_value_t = true, action = clap::ArgAction::Set)]
    pub cookie_secure: bool,
    /// The application's id in Discord.
    #[arg(long, env = "DISCORD_CLIENT_ID")]
    pub discord_client_id: String,
    /// The application's secret in Discord.
    #[arg(long, env = "DISCORD_CLIENT_SECRET", hide_env_values = true)]
    pub discord_client_secret: SecretString,
    /// Discord itself.
    #[arg(long, env = "DISCORD_API_URL", default_value = "https://discord.com")]
    pub discord_api_url: Url,
    /// Where browsers sign in with Discord, if that is not /oauth2/authorize below DISCORD_API_URL.
    #[arg(long, env = "DISCORD_AUTHORIZE_URL")]
    pub discord_authorize_url: Option<Url>,
}

fn redis(url: &str) -> Result<(), String> {
    let known = ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err("it must look like redis://user:password@host:port/0".to_owned()) }
}

fn key(text: &str) -> Result<(), String> {
    Keys::read(&text.to_owned().into()).map(drop).map_err(|error| error.to_string())
}

impl Web {
    /// The keys in `TOKEN_KEY`.
    ///
    /// # Errors
    /// When they are missing, short or placeholders; one line that names the variable.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        Keys::read(&self.token_key)
    }

    /// Which allowed address this is: scheme, host, port and path must all be equal (AU-01).
    pub(crate) fn redirect(&self, asked: &str) -> Option<(i16, Url)> {
        let asked: Url = asked.parse().ok()?;
        let place = self.redirect_uris.iter().position(|allowed| *allowed == asked)?;
        Some((i16::try_from(place).ok()?, asked))
    }

    /// The allowed address in this place.
    pub(crate) fn return_to(&self, place: i16) -> Option<&Url> {
        self.redirect_uris.get(usize::try_from(place).ok()?)
    }

    /// Where a browser signs in, with every value percent-encoded (AU-01).
    pub(crate) fn authorization_url(&self, redirect: &str, state: &str, challenge: &str) -> String {
        let mut url = self.discord_authorize_url.clone().unwrap_or_else(|| {
            let mut url = self.discord_api_url.clone();
            url.set_path("/oauth2/authorize");
            url
        });
        url.query_pairs_mut()
            .append_pair("client_id", &self.discord_client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", "identify guilds")
            .append_pair("state", state)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        url.into()
    }

    /// Origins whose requests may carry a session: the client's and our own (AU-13).
    pub(crate) fn origins(&self) -> Vec<HeaderValue> {
        let origins = [&self.frontend_url, &self.public_url].map(|url| url.origin().ascii_serialization());
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        web: Web,
    }

    pub(crate) fn web() -> Web {
        let secret = "--discord-client-secret=hush";
        let redis = "--redis-url=redis://127.0.0.1:6379";
        let key = "--token-key=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
        let redirects = "--redirect-uris=https://play.example/auth/callback,http://127.0.0.1:3000/auth/callback";
        let frontend = "--frontend-url=https://play.example";
        Only::try_parse_from(["api", "--discord-client-id=42", secret, redis, key, redirects, frontend]).unwrap().web
    }

    #[test]
    fn only_an_address_equal_in_scheme_host_port_and_path_is_returned_to() {
        let web = web();
        assert_eq!(web.redirect("https://play.example/auth/callback").map(|(place, _)| place), Some(0));
        assert_eq!(web.redirect("http://127.0.0.1:3000/auth/callback").map(|(place, _)| place), Some(1));
        for foreign in [
            "http://play.example/auth/callback",
            "https://play.example:8443/auth/callback",
            "https://play.example/auth/callback/",
            "https://play.example/auth/callback?next=//evil.example",
            "https://play.example/auth/callback#x",
            "https://evil@play.example/auth/callback",
            "https://play.example.evil.example/auth/callback",
            "/auth/callback",
            "",
        ] {
            assert_eq!(web.redirect(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_address_for_signing_in_encodes_every_value() {
        let url = web().authorization_url("https://play.example/auth/callback", "s&t", "c=");
        assert_eq!(
            url,
            "https://discord.com/oauth2/authorize?client_id=42&redirect_uri=https%3A%2F%2Fplay.example%2Fauth%2F\
             callback&response_type=code&scope=identify+guilds&state=s%26t&code_challenge=c%3D\
             &code_challenge_method=S256"
        );
    }

    #[test]
    fn browsers_may_sign_in_elsewhere_than_where_programs_ask() {
        let elsewhere = Some("https://sign-in.example/oauth2/authorize".parse().unwrap());
        let web = Web { discord_authorize_url: elsewhere, ..web() };
        let url = web.authorization_url("https://play.example/auth/callback", "s", "c");
        assert!(url.starts_with("https://sign-in.example/oauth2/authorize?client_id=42&"), "{url}");
    }

    #[test]
    fn origins_are_those_of_the_client_and_our_own() {
        assert_eq!(web().origins(), ["https://play.example", "http://127.0.0.1:8080"]);
    }
}
