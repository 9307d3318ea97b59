//! A process in the frame of the services that makes a little of each signal and then ends as it is told.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, ValueEnum};
use shared::service::{Process, Settings};
use shared::telemetry::span::{self, SpanKind};
use shared::telemetry::{Attribute, carry, instruments};
use tracing::info;

/// What would be a secret if it were one.
const PLANTED: &str = "https://dm:hunter2@example.com/a/long/way/down";

#[derive(Clone, Debug, Parser)]
struct Dying {
    #[command(flatten)]
    common: Settings,
    /// How to end
    #[arg(long, env = "WAY", value_enum, default_value_t)]
    way: Way,
    /// Milliseconds between two spans
    #[arg(long, env = "PAUSE", default_value_t = 0)]
    pause: u64,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Way {
    #[default]
    Well,
    Error,
    Panic,
}

impl AsRef<Settings> for Dying {
    fn as_ref(&self) -> &Settings {
        &self.common
    }
}

fn main() -> ExitCode {
    shared::service::main("dying", "127.0.0.1:0", run)
}

async fn run(dying: Dying, _: Process) -> anyhow::Result<()> {
    let mut cause = carry::Headers::new();
    for _ in 0..3 {
        let links = carry::link(carry::extract(&cause), "batch");
        let attributes = vec![Attribute::new("url.full", PLANTED), Attribute::new("gamesched.undeclared", "x")];
        let span = span::begin(SpanKind::Internal, "dying", || attributes, links, &Default::default());
        cause = carry::headers(span.context());
        span.inside(async { info!(target: "shared::dying", title = "Dune", "carries {}", cause.len()) }).await;
        span.end();
        instruments::get().projection_reads.add(1, &[Attribute::new("gamesched.outcome", "hit")]);
        tokio::time::sleep(Duration::from_millis(dying.pause)).await;
    }
    match dying.way {
        Way::Well => Ok(()),
        Way::Error => bail!("as it was told"),
        Way::Panic => panic!("hunter2"),
    }
}
