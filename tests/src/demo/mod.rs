//! One game session, from sign-in to completion, with what people see and what telemetry says.
#![expect(clippy::print_stdout, reason = "the demo talks to the person who started it")]

mod play;
mod simulator;
mod stage;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::report::{Report, html};
use crate::world::{Service, World, binary};
use simulator::SimulatorProcess;
use stage::Stage;

/// Plays one game session against the Discord simulator and shows what happened.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub struct Options {
    /// Leaves everything running at the end, and says where.
    #[arg(long)]
    keep: bool,
    /// Where the HTML report goes.
    #[arg(long, default_value = "target/demo.html")]
    report: PathBuf,
}

/// Plays the session. Success means that every step was observed.
///
/// # Errors
/// When something cannot be started.
pub async fn run(options: &Options) -> Result<ExitCode> {
    say("building the services");
    binary(Service::Api.name())?;
    say("starting Postgres, Redis and RabbitMQ (or finding them)");
    let servers = crate::servers::Servers::start().await?;
    say(&servers.describe());
    say("starting the Discord simulator");
    let simulator = SimulatorProcess::start().await?;
    say("starting api, bot, notification-daemon and status-daemon");
    let world = World::around(servers, &simulator.url(), &simulator.gateway_url()).await?;
    world.start_all().await?;

    let mut stage = Stage::new(&world);
    let played = play::session(&mut stage).await;
    let failed = stage.failed();
    let summary = summary::of(&world, &stage, servers);
    print!("{}", summary::text(&summary));
    write(options, Report { title: "One game session".into(), summary, steps: stage.into_steps() })?;
    if options.keep {
        keep(&world, &simulator).await?;
    }
    for service in Service::ALL {
        world.stop(service).await;
    }
    Ok(verdict(&world, played, failed))
}

/// The last line, and what the exit code says.
fn verdict(world: &World, played: Result<()>, failed: usize) -> ExitCode {
    match (played, failed) {
        (Ok(()), 0) => {
            say("every step was observed");
            ExitCode::SUCCESS
        }
        (Ok(()), failed) => {
            say(&format!("{failed} steps were not observed as expected"));
            ExitCode::FAILURE
        }
        (Err(fault), _) => {
            say(&format!("the session could not go on: {fault:#}"));
            println!("{}", world.all_lines());
            ExitCode::FAILURE
        }
    }
}

fn write(options: &Options, report: Report) -> Result<()> {
    if let Some(directory) = options.report.parent() {
        std::fs::create_dir_all(directory).context("making the report's directory")?;
    }
    std::fs::write(&options.report, html(&report)).context("writing the report")?;
    say(&format!("the same as a page, with a waterfall per trace: {}", options.report.display()));
    Ok(())
}

/// Prints where everything is and waits for Ctrl-C.
async fn keep(world: &World, simulator: &SimulatorProcess) -> Result<()> {
    println!("\nEverything is still running:");
    println!("  {:22} {}", "Discord, by hand", simulator.url());
    println!("  {:22} {}/docs", "HTTP surface", world.api_url());
    for service in Service::ALL {
        println!("  {:22} {}/ready", service.name(), world.health_url(service));
    }
    println!("  {:22} {}", "Postgres", world.database);
    println!("  {:22} {}", "Redis", world.servers.redis_url());
    println!("  {:22} {} (names begin with {}.)", "RabbitMQ", world.servers.amqp_url(), world.namespace);
    println!("Open the first page to see the channels and direct messages, and press buttons as anybody.");
    println!("Ctrl-C ends everything.");
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")
}

/// A line about progress.
fn say(text: &str) {
    println!("» {text}");
}
