//! Plays one session end to end and shows what people see and what telemetry says.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tests::demo::run(&tests::demo::Options::parse()).await
}
