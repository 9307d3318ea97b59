//! The Discord simulator as a process of its own.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::servers::ports;
use crate::world::binary;

/// A running simulator. Dropping it kills it.
pub(super) struct SimulatorProcess {
    address: SocketAddr,
    _child: Child,
}

impl SimulatorProcess {
    /// Starts it with the demonstration guild and waits until it answers.
    pub(super) async fn start() -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()?));
        let child = Command::new(binary("discord-simulator")?)
            .args(["--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting the Discord simulator")?;
        let until = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > until {
                bail!("the Discord simulator does not answer");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { address, _child: child })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn gateway_url(&self) -> String {
        format!("ws://{}", self.address)
    }
}
