//! A world of one's own: database, names, Discord, OTLP receiver, and the real services as processes.

mod binaries;
mod clock;
mod ending;
mod installation;
mod person;
mod replica;
mod rows;
mod service;
mod settings;
mod tap;
mod template;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

pub use binaries::binary;
pub use installation::Installation;
pub use person::{Answer, Person, WHOLE, in_minutes};
pub use replica::Replica;
pub use service::{Running, Service, command};
pub use tap::{Tap, Tapped};
pub use watching::Watching;

use crate::discord::{Application, Discord, Setup, Simulator, ids};
use crate::otlp::Sink;
use crate::servers::{Roles, Servers, ports};

/// How long a service may take until it is ready.
const READY: Duration = Duration::from_secs(30);

/// A world of one's own. Dropping it ends its services.
pub struct World {
    /// The backing services, shared by all worlds of the process.
    pub servers: &'static Servers,
    /// Discord, as people see it.
    pub discord: Discord,
    /// What the services told.
    pub sink: Sink,
    /// Prefix of the names in Redis and RabbitMQ.
    pub namespace: String,
    /// The database's URL for an administrator; services have their own, each with its role.
    pub database: String,
    roles: Roles,
    application: Application,
    asked: Arc<AtomicUsize>,
    simulator: Option<Simulator>,
    discord_url: String,
    gateway_url: String,
    api: SocketAddr,
    health: BTreeMap<Service, SocketAddr>,
    running: Mutex<BTreeMap<Service, Running>>,
    more: std::sync::Mutex<Vec<(String, String)>>,
    directory: Arc<TempDir>,
}

impl World {
    /// Everything, running and ready, with the demonstration guild in Discord.
    pub async fn new() -> Self {
        let world = Self::empty().await.expect("a world can be made");
        world.start_all().await.expect("the services start");
        world
    }

    /// Everything but the services.
    ///
    /// # Errors
    /// When servers cannot be had.
    pub async fn empty() -> Result<Self> {
        Self::on(Servers::start().await?).await
    }

    /// Everything but the services, on servers of one's own: for what stops them.
    ///
    /// # Errors
    /// When the simulator cannot be started.
    pub async fn on(servers: &'static Servers) -> Result<Self> {
        Self::with(servers, Setup::demo()).await
    }

    /// As [`World::on`], with another Discord than the demonstration's.
    ///
    /// # Errors
    /// When the simulator cannot be started.
    pub async fn with(servers: &'static Servers, setup: Setup) -> Result<Self> {
        // A bot that is killed and started again identifies sooner than Discord likes; that is not what worlds are for.
        let setup = Setup { identify_spacing_ms: 0, heartbeat_ms: 5_000, ..setup };
        let application = setup.application.clone();
        let simulator = Simulator::start(SocketAddr::from(([127, 0, 0, 1], ports::free()?)), setup).await?;
        let (url, gateway) = (simulator.url(), simulator.gateway_url());
        let mut world = Self::around(servers, &url, &gateway).await?;
        world.simulator = Some(simulator);
        world.application = application;
        Ok(world)
    }

    /// Everything but the services, with a simulator that runs somewhere else.
    ///
    /// # Errors
    /// When servers cannot be had.
    pub async fn around(servers: &'static Servers, discord_url: &str, gateway_url: &str) -> Result<Self> {
        // An error only says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        template::of(servers).await?;
        let namespace = format!("w{}", &Uuid::now_v7().simple().to_string()[16..]);
        let database = servers.database(&namespace, Some(template::NAME)).await?;
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut health = BTreeMap::new();
        for service in Service::ALL {
            health.insert(service, local(ports::free()?));
        }
        Ok(Self {
            servers,
            discord: Discord::at(discord_url),
            sink: Sink::start(local(0))?,
            namespace,
            database,
            roles: Roles::of_worlds(),
            application: Setup::demo().application,
            asked: Arc::default(),
            simulator: None,
            discord_url: discord_url.to_owned(),
            gateway_url: gateway_url.to_owned(),
            api: local(ports::free()?),
            health,
            running: Mutex::default(),
            more: std::sync::Mutex::default(),
            directory: Arc::new(tempfile::Builder::new().prefix("game-scheduler-").tempdir()?),
        })
    }

    /// Starts the four services and waits until they are ready and the guild is known.
    ///
    /// # Errors
    /// When one does not get ready; the message shows its last lines.
    pub async fn start_all(&self) -> Result<()> {
        for service in Service::ALL {
            self.spawn(service).await?;
        }
        for service in Service::ALL {
            self.ready(service).await?;
        }
        // A stream that is opened before the api hears the broker is told to reload once more.
        let mut running = self.running.lock().await;
        running.get_mut(&Service::Api).context("it was not started")?.complete(READY).await?;
        drop(running);
        self.discord.wait_shards(1, READY).await
    }

    /// Starts a service and waits until it is ready.
    ///
    /// # Errors
    /// As `start_all`.
    pub async fn start(&self, service: Service) -> Result<()> {
        self.spawn(service).await?;
        self.ready(service).await
    }

    /// Starts a service without waiting.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn spawn(&self, service: Service) -> Result<()> {
        self.spawn_with(service, &[]).await
    }

    /// Starts a service with some settings changed and waits until it is ready.
    ///
    /// # Errors
    /// As `start_all`.
    pub async fn start_with(&self, service: Service, changed: &[(&str, &str)]) -> Result<()> {
        self.spawn_with(service, changed).await?;
        self.ready(service).await
    }

    async fn spawn_with(&self, service: Service, changed: &[(&str, &str)]) -> Result<()> {
        let mut settings = self.settings(service);
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let running = Running::start(service, &settings, self.health[&service], self.log(service))?;
        self.running.lock().await.insert(service, running);
        Ok(())
    }

    /// Waits until a service is ready.
    ///
    /// # Errors
    /// As `start_all`.
    pub async fn ready(&self, service: Service) -> Result<()> {
        let mut running = self.running.lock().await;
        running.get_mut(&service).context("it was not started")?.ready(READY).await
    }

    /// Ends a service as `kill -9` does.
    pub async fn kill(&self, service: Service) {
        let running = self.running.lock().await.remove(&service).expect("it was started");
        running.kill().await.expect("it can be killed");
    }

    /// Asks a service to end, as an orchestrator does, and answers whether it ended well.
    pub async fn stop(&self, service: Service) -> bool {
        self.end(service, Signal::TERM).await
    }

    /// Sends a signal that ends a service, and answers whether it ended well.
    pub async fn end(&self, service: Service, signal: Signal) -> bool {
        let running = self.running.lock().await.remove(&service).expect("it was started");
        running.end(signal).await.expect("it ends in time").success()
    }

    /// Sets a variable of every service that is started from now on.
    pub fn set(&self, variable: &str, value: &str) {
        let mut more = self.more.lock().expect("nobody panics here");
        more.push((variable.to_owned(), value.to_owned()));
    }

    /// The process id of a service that runs.
    pub async fn pid(&self, service: Service) -> Option<u32> {
        self.running.lock().await.get(&service)?.pid()
    }

    /// Where a service tells its health.
    #[must_use]
    pub fn health_url(&self, service: Service) -> String {
        format!("http://{}", self.health[&service])
    }

    /// What a service wrote to stdout and stderr.
    #[must_use]
    pub fn lines(&self, service: Service) -> String {
        std::fs::read_to_string(self.log(service)).unwrap_or_default()
    }

    /// The HTTP surface.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Somebody of the demonstration guild, by user name, without a session.
    #[must_use]
    pub fn person(&self, name: &str) -> Person {
        let id = match name {
            "dm" => ids::DM,
            "ada" => ids::ADA,
            "bob" => ids::BOB,
            "cyd" => ids::CYD,
            "dee" => ids::DEE,
            "eve" => ids::EVE,
            other => panic!("nobody is called {other}"),
        };
        Person::new(id, self.api_url(), self.discord.clone(), self.asked.clone())
    }

    /// How many requests people made to the api.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Somebody who is signed in.
    pub async fn signed_in(&self, name: &str) -> Person {
        let mut person = self.person(name);
        person.sign_in().await.expect("signing in works");
        person
    }

    /// Waits until nothing is on its way: outbox empty, announcements right, letters sent.
    pub async fn settle(&self) {
        if let Err(fault) = self.settled(Duration::from_secs(20)).await {
            panic!("{fault:#}\n{}", self.all_lines());
        }
    }

    /// The last lines of all services, for messages.
    #[must_use]
    pub fn all_lines(&self) -> String {
        let tail = |service: Service| {
            let lines = self.lines(service);
            let last: Vec<_> = lines.lines().rev().take(12).collect();
            format!("--- {service}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        Service::ALL.map(tail).join("\n")
    }

    fn log(&self, service: Service) -> PathBuf {
        self.directory.path().join(format!("{service}.log"))
    }
}

/// An address on which nobody listens.
///
/// # Errors
/// When there is none left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], ports::free()?)))
}
