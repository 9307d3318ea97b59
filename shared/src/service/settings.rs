//! What every service is told through arguments or the environment.

use std::net::SocketAddr;

use clap::Args;
use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use secrecy::{ExposeSecret, SecretString};

use crate::telemetry::users::UserIds;
use crate::telemetry::{Format, Level};

/// A key with fewer bytes could be found by trying.
const KEY: usize = 16;

/// Shown below every `--help`: what stands beside the settings, and what the SDK reads itself.
pub(super) const BESIDE: &str = "\
Secrets (the settings whose values are never shown) may stand in files: DATABASE_URL_FILE names the file that is read in
place of DATABASE_URL, and so on.

Telemetry (OpenTelemetry's own variables; each is optional):
  OTEL_EXPORTER_OTLP_ENDPOINT  where traces, metrics and logs go [default: http://localhost:4318]
  OTEL_EXPORTER_OTLP_HEADERS   sent with every export, for authentication
  OTEL_EXPORTER_OTLP_PROTOCOL  http/protobuf or grpc [default: http/protobuf]
  OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER
                               otlp or none [default: otlp]
  OTEL_TRACES_SAMPLER          [default: parentbased_always_on]
  OTEL_METRIC_EXPORT_INTERVAL  milliseconds [default: 60000]
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
                               names of this process, such as deployment.environment.name=production
  OTEL_SDK_DISABLED            true turns all of it off";

/// Settings that all services have.
#[derive(Args, Clone, Debug)]
#[group(skip)] // the services' own settings have this name too
pub struct Settings {
    /// The Postgres URL (postgres://user:password@host:port/database)
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = secret(postgres))]
    pub database_url: SecretString,

    /// The RabbitMQ URL (amqp://user:password@host:port/vhost)
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL", value_parser = secret(amqp))]
    pub amqp_url: SecretString,

    /// Stands in front of the names in RabbitMQ and Redis, so that several installations can share them: up to 32
    /// letters, digits and hyphens
    #[arg(long, env = "NAMESPACE", value_name = "NAME", default_value = "", value_parser = namespace)]
    pub namespace: String,

    /// Where /live, /ready and /startup answer
    #[arg(long, env = "HEALTH_ADDR", value_name = "ADDRESS:PORT")]
    pub health_addr: SocketAddr,

    /// The least important log records that are told
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", value_enum, default_value_t)]
    pub log_level: Level,

    /// How log lines look on stdout
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,

    /// How people are told apart in traces
    #[arg(long, env = "TELEMETRY_USER_IDS", value_name = "HOW", value_enum, default_value_t)]
    pub telemetry_user_ids: UserIds,

    /// The key for TELEMETRY_USER_IDS=hashed, the same for all services: 16 bytes or more that nobody can guess
    #[arg(
        long,
        env = "TELEMETRY_USER_KEY",
        hide_env_values = true,
        value_name = "KEY",
        required_if_eq("telemetry_user_ids", "hashed"),
        value_parser = secret(user_key)
    )]
    pub telemetry_user_key: Option<SecretString>,
}

/// Checks a secret and wraps it, so that no `Debug` shows it.
pub fn secret(check: fn(&str) -> Result<(), String>) -> impl TypedValueParser<Value = SecretString> {
    clap::builder::StringValueParser::new().try_map(move |text| check(&text).map(|()| SecretString::from(text)))
}

/// As clap says it of settings that every process needs, for commands that need fewer: `--database-url <URL>`.
#[must_use]
pub fn missing(arguments: &[&str]) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::MissingRequiredArgument);
    let named = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    error.insert(ContextKind::InvalidArg, ContextValue::Strings(named));
    error
}

/// The URL as text, for those who open connections.
impl Settings {
    /// The Postgres URL.
    #[must_use]
    pub fn database(&self) -> &str {
        self.database_url.expose_secret()
    }

    /// The RabbitMQ URL.
    #[must_use]
    pub fn amqp(&self) -> &str {
        self.amqp_url.expose_secret()
    }
}

fn postgres(url: &str) -> Result<(), String> {
    let parsed = url.parse::<sqlx::postgres::PgConnectOptions>();
    if parsed.is_ok() && (url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Ok(());
    }
    Err("it must look like postgres://user:password@host:port/database".to_owned())
}

fn amqp(url: &str) -> Result<(), String> {
    let parsed = url.parse::<lapin::uri::AMQPUri>();
    parsed.map(drop).map_err(|_| "it must look like amqp://user:password@host:port/vhost".to_owned())
}

fn user_key(key: &str) -> Result<(), String> {
    if key.len() >= KEY { Ok(()) } else { Err(format!("it must have {KEY} bytes or more")) }
}

fn namespace(name: &str) -> Result<String, String> {
    let fits = name.len() <= 32 && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if fits { Ok(name.to_owned()) } else { Err("up to 32 letters, digits and hyphens".to_owned()) }
}
