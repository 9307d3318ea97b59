//! `api` serves; `api init` prepares the database and the broker.
#![expect(clippy::print_stdout, reason = "`api init` tells what it did to whoever ran it")]

use std::process::ExitCode;

use api::Api;
use api::config::{Command, Settings};
use api::router::router;
use api::serve::serve;
use secrecy::ExposeSecret as _;
use shared::amqp::relay::{self, Hint};
use shared::amqp::{Broker, LinkState};
use shared::app::App;
use shared::cache::Cache;
use shared::clock::Clock;
use shared::daemon::Notifier;
use shared::discord::oauth::OAuth;
use shared::service::{self, Process};
use shared::store::Db;

/// Connections to the database of one process (reliability.md 9.3).
const CONNECTIONS: u32 = 16;

fn main() -> ExitCode {
    service::main("api", "127.0.0.1:8081", async |settings: Settings, process| match settings.command {
        Some(Command::Init) => init(&settings).await,
        None => run(settings, process).await,
    })
}
