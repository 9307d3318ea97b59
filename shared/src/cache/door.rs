//! The one door to Redis: the only client, through which every command is bounded, told, measured and counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use fred::clients::{Client, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, KeysInterface, LuaInterface};
use fred::types::config::{Config, Options, ReconnectPolicy};
use fred::types::scripts::Script;
use fred::types::{Builder, Expiration, MultipleKeys};
use opentelemetry::metrics::BoundHistogram;
use opentelemetry::{KeyValue, StringValue};

use super::Away;
use super::breaker::Breaker;
use super::scripts;
use crate::telemetry::instruments::series::Series;
use crate::telemetry::instruments::{self, seconds};
use crate::telemetry::span;

/// What a command of a request may take.
pub(super) const SOON: Duration = Duration::from_millis(100);
/// What a command may take on the way of every request.
pub(super) const AT_ONCE: Duration = Duration::from_millis(50);
/// Attributes that a command may have, until it has ended.
const ATTRIBUTES: usize = 8;
/// What a command of a build may take.
pub(super) const PATIENT: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(super) struct Door {
    client: Client,
    breaker: Arc<Breaker>,
    server: Arc<Server>,
    prefix: Arc<str>,
}

/// Where commands go, as telemetry says it.
#[derive(Debug)]
struct Server {
    // Shared, since every command tells them.
    address: StringValue,
    port: u16,
    database: StringValue,
    /// Of what was answered, by command.
    durations: Series<&'static str, BoundHistogram<f64>>,
}

impl Door {
    /// Opens it and connects in the background, for ever.
    pub(super) fn open(url: &str, namespace: &str) -> anyhow::Result<Self> {
        let builder = builder(url)?;
        let server = server(builder.get_config());
        let client = builder.build().map_err(|_| anyhow!("REDIS_URL cannot be used"))?;
        let fresh = client.clone();
        client.on_reconnect(move |_| load(fresh.clone()));
        client.connect();
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}:") };
        Ok(Self { client, breaker: Arc::default(), server: Arc::new(server), prefix: prefix.into() })
    }

    /// A key of this installation.
    pub(super) fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    pub(super) async fn get(&self, key: String, within: Duration) -> Result<Option<String>, Away> {
        self.run("GET", None, Box::pin(self.within(within).get(key))).await.map_err(Away::from)
    }

    pub(super) async fn put(&self, key: String, value: String, lives: Duration) -> Result<(), Away> {
        let lives = Expiration::PX(i64::try_from(lives.as_millis()).unwrap_or(i64::MAX));
        let client = self.within(SOON);
        let set = Box::pin(client.set(key, value, Some(lives), None, false));
        self.run("SET", None, set).await.map_err(Away::from)
    }

    /// Whether the server answers, once connected; not told.
    pub(super) async fn ping(&self) -> Result<(), Away> {
        let connected = tokio::time::timeout(PATIENT, self.client.wait_for_connect()).await;
        connected.map_err(|_| Away("connect"))?.map_err(|_| Away("connect"))?;
        Box::pin(self.within(SOON).ping::<()>(None)).await.map_err(|_| Away("ping"))
    }

    /// Tells of a command that is not sent.
    pub(super) async fn tell(&self) {
        // Nothing was sent, so there is nothing to answer for.
        let _ = self.run("GET", None, Box::pin(std::future::ready(Ok(())))).await;
    }

    /// Runs a script on the keys; all answers are texts.
    pub(super) async fn script(
        &self,
        script: &Script,
        keys: impl Into<MultipleKeys>,
        arguments: Vec<String>,
        within: Duration,
    ) -> Result<Vec<String>, Away> {
        let (sha, client, keys) = (script.sha1().to_string(), self.within(within), keys.into());
        let cached = Box::pin(client.evalsha(sha.clone(), keys.clone(), arguments.clone()));
        match self.run("EVALSHA", Some(sha), cached).await {
            // Loaded at every connection, so this is a server that was told to forget its scripts.
            Err(Trouble::Refused("NOSCRIPT")) => {
                let text = script.lua().cloned().unwrap_or_default();
                self.run("EVAL", None, Box::pin(client.eval(text, keys, arguments))).await.map_err(Away::from)
            }
            answer => answer.map_err(Away::from),
        }
    }

    fn within(&self, within: Duration) -> WithOptions<Client> {
        self.client.with_options(&Options { timeout: Some(within), fail_fast: true, ..Options::default() })
    }

    /// Runs a command; boxed, since the client's futures are large enough to use up a stack.
    async fn run<T>(
        &self,
        command: &'static str,
        sha: Option<String>,
        future: Pin<Box<impl Future<Output = Result<T, Error>>>>,
    ) -> Result<T, Trouble> {
        let since = Instant::now();
        if self.breaker.is_open(since) {
            return Err(Trouble::Away("breaker_open"));
        }
        let mut span = span::leaf(command, || self.server.attributes(command, sha));
        let result = future.await.map_err(trouble);
        match &result {
            Ok(_) => {}
            Err(Trouble::Refused(code)) => {
                span.set(KeyValue::new("db.response.status_code", *code));
                span.fail(*code);
            }
            Err(Trouble::Away(class)) => span.fail(*class),
        }
        span.end();
        self.server.measure(command, since, result.as_ref().err().map(|trouble| trouble.class()));
        match result {
            Err(Trouble::Away(_)) => self.breaker.failed(Instant::now()),
            Ok(_) | Err(Trouble::Refused(_)) => self.breaker.answered(since),
        }
        result
    }
}

impl Server {
    fn labels(&self, command: &'static str) -> [KeyValue; 3] {
        [
            KeyValue::new("db.system.name", "redis"),
            KeyValue::new("db.namespace", self.database.clone()),
            KeyValue::new("db.operation.name", command),
        ]
    }

    fn attributes(&self, command: &'static str, sha: Option<String>) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.extend(self.labels(command));
        attributes.push(KeyValue::new("server.address", self.address.clone()));
        if self.port != 6379 {
            attributes.push(KeyValue::new("server.port", i64::from(self.port)));
        }
        attributes.extend(sha.map(|sha| KeyValue::new("db.stored_procedure.name", sha)));
        attributes
    }

    fn measure(&self, command: &'static str, since: Instant, error: Option<&'static str>) {
        let all = &instruments::get().db_duration;
        match error {
            None => self.durations.get(command, || all.bind(&self.labels(command))).record(seconds(since)),
            Some(error) => {
                let [system, database, operation] = self.labels(command);
                all.record(seconds(since), &[system, database, operation, KeyValue::new("error.type", error)]);
            }
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The server answered with an error.
    Refused(&'static str),
    /// The server cannot be asked.
    Away(&'static str),
}

impl Trouble {
    fn class(self) -> &'static str {
        match self {
            Self::Refused(class) | Self::Away(class) => class,
        }
    }
}

impl From<Trouble> for Away {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.class())
    }
}

/// Sorts an error. Its text can hold values, so only the server's own code is taken out of it.
fn trouble(error: Error) -> Trouble {
    const ANSWERS: [&str; 9] =
        ["NOSCRIPT", "WRONGTYPE", "ERR", "OOM", "NOPERM", "NOAUTH", "WRONGPASS", "EXECABORT", "MOVED"];
    // These answer for a server that cannot work: the same as one that is not there.
    const AWAY: [&str; 5] = ["LOADING", "READONLY", "MISCONF", "MASTERDOWN", "BUSY"];
    let code = error.details().split_whitespace().next().unwrap_or_default();
    if let Some(known) = ANSWERS.into_iter().find(|known| *known == code) {
        return Trouble::Refused(known);
    }
    if let Some(known) = AWAY.into_iter().find(|known| *known == code) {
        return Trouble::Away(known);
    }
    match error.kind() {
        ErrorKind::Timeout => Trouble::Away("timeout"),
        ErrorKind::Canceled => Trouble::Away("cancelled"),
        ErrorKind::Backpressure => Trouble::Away("backpressure"),
        ErrorKind::Parse | ErrorKind::NotFound => Trouble::Refused("unreadable"),
        _ => Trouble::Away("io"),
    }
}

/// The client's settings; by default it waits for ever, repeats, and gives up at the first lost connection.
fn builder(url: &str) -> anyhow::Result<Builder> {
    let mut config = Config::from_url(url).map_err(|_| anyhow!("REDIS_URL is not a Redis URL"))?;
    config.fail_fast = false;
    let mut builder = Builder::from_config(config);
    builder
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_millis(500);
            connection.internal_command_timeout = Duration::from_millis(500);
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = 1_000;
            connection.unresponsive.max_timeout = Some(Duration::from_secs(2));
            connection.unresponsive.interval = Duration::from_millis(500);
        })
        .with_performance_config(|performance| performance.default_command_timeout = SOON)
        .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2));
    Ok(builder)
}

fn server(config: Option<&Config>) -> Server {
    let first = config.and_then(|config| config.server.hosts().into_iter().next());
    let address = first.as_ref().map(|server| server.host.to_string()).unwrap_or_default();
    let database = config.and_then(|config| config.database).unwrap_or_default().to_string();
    Server {
        address: Arc::<str>::from(address).into(),
        port: first.map_or(6379, |server| server.port),
        database: Arc::<str>::from(database).into(),
        durations: Series::new(),
    }
}

async fn load(client: Client) -> Result<(), Error> {
    for script in scripts::all() {
        let text = script.lua().cloned().unwrap_or_default();
        // An error here ends nothing: a script that is not loaded is sent in full when it is needed.
        if client.script_load::<(), _>(text).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_never_waits_for_ever_nor_repeats_nor_gives_up() {
        let builder = builder("redis://127.0.0.1:6379/3").unwrap();
        let connection = builder.get_connection_config();
        assert_eq!(connection.connection_timeout, Duration::from_millis(500));
        assert_eq!(connection.internal_command_timeout, Duration::from_millis(500));
        assert_eq!(connection.max_command_attempts, 1);
        assert_eq!(connection.max_command_buffer_len, 1_000);
        assert_eq!(connection.unresponsive.max_timeout, Some(Duration::from_secs(2)));
        assert_eq!(connection.unresponsive.interval, Duration::from_millis(500));
        assert_eq!(builder.get_performance_config().default_command_timeout, Duration::from_millis(100));
        assert_eq!(builder.get_policy(), Some(&ReconnectPolicy::new_exponential(0, 50, 2_000, 2)));
        assert!(!builder.get_config().unwrap().fail_fast, "the first connection is tried for ever too");
        assert_eq!(server(builder.get_config()).database.as_str(), "3");
    }
}
