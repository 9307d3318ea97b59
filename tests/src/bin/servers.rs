//! Starts the backing services for developers and stays until its input closes or it is told to stop.
#![expect(clippy::print_stdout, reason = "what it prints is for a shell to evaluate")]

use std::io;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tests::servers::Servers;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("servers: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let servers = Servers::start().await?;
    eprintln!("servers: {}", servers.describe());
    println!("export DATABASE_URL='{}'", servers.postgres_url());
    println!("export REDIS_URL='{}'", servers.redis_url());
    println!("export AMQP_URL='{}'", servers.amqp_url());
    let (close, closed) = oneshot::channel::<()>();
    // A thread of its own: the runtime would wait at its end for a read that nothing can interrupt.
    std::thread::spawn(|| {
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        drop(close);
    });
    tokio::select! {
        _ = closed => {}
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
