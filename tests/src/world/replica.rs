//! One more process of a service, beside the world's own.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::{Person, READY, Running, Service, World};
use crate::servers::ports;

/// One more process of a service. Dropping it kills it.
#[derive(Debug)]
pub struct Replica {
    /// Where it listens: the api's HTTP surface.
    pub address: SocketAddr,
    /// The process.
    pub running: Running,
}

impl Replica {
    /// What it holds of the machine's memory, in bytes.
    ///
    /// # Errors
    /// When it ended.
    pub fn resident(&self) -> Result<u64> {
        let pid = self.running.pid().context("it ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// The same person with the same session, here.
    #[must_use]
    pub fn serves(&self, person: &Person) -> Person {
        person.at(format!("http://{}", self.address))
    }
}

impl World {
    /// Starts one more process of a service with these settings beside, or instead of, the world's, and waits until it
    /// is ready. `name` is the name of its file of lines.
    ///
    /// # Errors
    /// When it does not get ready; the message shows its last lines.
    pub async fn replica(&self, service: Service, name: &str, settings: &[(&str, &str)]) -> Result<Replica> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, health) = (local(ports::free()?), local(ports::free()?));
        let mut all = self.settings(service);
        all.push(("API_ADDR".to_owned(), address.to_string()));
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = self.directory.path().join(format!("{name}.log"));
        let mut running = Running::start(service, &all, health, log)?;
        running.ready(READY).await?;
        Ok(Replica { address, running })
    }

    /// Starts another api and waits until it hears the broker.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn another_api(&self) -> Result<Replica> {
        let mut replica = self.replica(Service::Api, "another-api", &[]).await?;
        replica.running.complete(READY).await?;
        Ok(replica)
    }
}
