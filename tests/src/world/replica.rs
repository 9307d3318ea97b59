//! Another api beside the first: the same settings at another address.

use std::net::SocketAddr;

use anyhow::Result;

use super::{Person, READY, Running, Service, World};
use crate::servers::ports;

/// A second api. Dropping it kills it.
#[derive(Debug)]
pub struct Replica {
    running: Running,
    url: String,
}

impl World {
    /// Starts another api and waits until it hears the broker.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn another_api(&self) -> Result<Replica> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (api, health) = (local(ports::free()?), local(ports::free()?));
        let mut settings = self.settings(Service::Api);
        settings.retain(|(name, _)| name != "API_ADDR");
        settings.push(("API_ADDR".to_owned(), api.to_string()));
        let log = self.directory.path().join(format!("api-{}.log", api.port()));
        let mut running = Running::start(Service::Api, &settings, health, log)?;
        running.complete(READY).await?;
        Ok(Replica { running, url: format!("http://{api}") })
    }
}

impl Replica {
    /// The same person with the same session, here.
    #[must_use]
    pub fn serves(&self, person: &Person) -> Person {
        person.at(self.url.clone())
    }

    /// Where it tells its health, and what it wrote.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.running
    }
}
