//! The Discord simulator as a process.
#![expect(clippy::print_stdout, reason = "its address and instructions are its output")]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use tests::discord::{Setup, Simulator};

/// Simulates Discord: REST v10, OAuth2 and gateway on one port, with a page for people.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "DISCORD_SIMULATOR_LISTEN", default_value = "127.0.0.1:9820")]
    listen: SocketAddr,
    /// A JSON file that says what exists; the demonstration guild "Tavern" by default.
    #[arg(long, env = "DISCORD_SIMULATOR_SETUP")]
    setup: Option<PathBuf>,
    /// Print the demonstration setup as JSON, to start a file from, and exit.
    #[arg(long)]
    print_setup: bool,
    /// Ask whether the simulator that listens there answers, and exit with 0 if so.
    #[arg(long)]
    check: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // An error only says that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if arguments.print_setup {
        println!("{}", serde_json::to_string_pretty(&Setup::demo())?);
        return Ok(());
    }
    if arguments.check {
        let url = format!("http://127.0.0.1:{}/_simulator/shards", arguments.listen.port());
        reqwest::get(url).await?.error_for_status().context("asking the simulator")?;
        return Ok(());
    }
    let setup = match &arguments.setup {
        None => Setup::demo(),
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("understanding {}", path.display()))?
        }
    };
    let simulator = Simulator::start(arguments.listen, setup).await?;
    let url = simulator.url();
    println!(
        "Discord simulator at {url}\n\
         Sign in:  the product's sign-in page leads to {url}/oauth2/authorize; choose who you are there.\n\
         Look and press: open {url}/ in a browser, choose who you are, press the buttons under messages.\n\
         Script it: {url}/_simulator/channel/<id>, /inbox/<user>, /violations, /requests."
    );
    tokio::select! {
        () = simulator.serve() => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.context("waiting for the signal to stop"),
    }
}
