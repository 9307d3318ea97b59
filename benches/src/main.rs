//! `bench`: what `script/bench` runs.
#![expect(clippy::print_stdout, reason = "an arm answers the runner that started it")]

use benches::arm::Arm;
use benches::{gate, goals, growth, overhead, summary};
use clap::Parser;

/// Measures what things cost. `cargo bench` measures single edges and requests; this is for whole services.
#[derive(Debug, Parser)]
#[command(name = "bench")]
enum Runner {
    /// What telemetry costs an api under load, with an interval, or that this machine cannot tell.
    Overhead(overhead::Options),
    /// Instructions and allocations of hot paths against the committed figures.
    Gate,
    /// Throughput, latency, memory, start: the goals, what was measured, and whether they are met.
    Goals(goals::Options),
    /// How cost grows with games, participants, rows, guilds, streams and replicas, and what runs out first.
    Growth(growth::Options),
    /// The table of what `cargo bench` measured.
    Summary,
    /// The paths of the gate, as it runs them under valgrind.
    #[command(hide = true)]
    Paths {
        /// How telemetry stands.
        arm: Arm,
    },
    /// Nanoseconds of a request of seven spans.
    #[command(hide = true)]
    Repeat {
        /// How telemetry stands.
        arm: Arm,
    },
}

fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Runner::parse() {
        // Its telemetry is set up before any runtime.
        Runner::Paths { arm } => gate::walk(arm),
        Runner::Repeat { arm } => goals::repeat(arm).map(|nanoseconds| println!("{nanoseconds}")),
        Runner::Gate => gate::run(),
        Runner::Summary => summary::write(),
        Runner::Goals(options) => tokio::runtime::Runtime::new()?.block_on(goals::run(options)),
        Runner::Growth(options) => tokio::runtime::Runtime::new()?.block_on(growth::run(options)),
        Runner::Overhead(options) => tokio::runtime::Runtime::new()?.block_on(overhead::run(options)),
    }
}
