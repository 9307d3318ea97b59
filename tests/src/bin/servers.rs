//! Starts the backing services for developers and stays until its input closes or it is told to stop.
#![expect(
    clippy::print_stdout,
    reason = "what it prints is for a shell to evaluate"
)]

use std::io;

use anyhow::{Context as _, Result};
use tests::servers::Servers;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let servers = Servers::start().await?;
    eprintln!("servers: {}", servers.describe());
    println!("export DATABASE_URL='{}'", servers.postgres_url());
    println!("export REDIS_URL='{}'", servers.redis_url());
    println!("export AMQP_URL='{}'", servers.amqp_url());
    let closed = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    tokio::select! {
        _ = closed => {}
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    // The reader of standard input cannot be interrupted and would hold up the runtime's end.
    std::process::exit(0);
}
