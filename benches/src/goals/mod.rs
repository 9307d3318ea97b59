//! The goals for two cores with everything on one machine: what was wanted, what was measured, whether it is met.

pub(crate) mod claims;
mod footprint;
mod notices;
mod requests;
mod sending;
mod telling;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::crowd::Crowd;
use crate::output::{self, machine, table};
use crate::process;

pub use telling::repeat;

/// How it is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Seconds of every load.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Rows that are pending when a claim is measured.
    #[arg(long, default_value_t = 1_000_000)]
    pending: u32,
    /// Seconds over which idle services are watched.
    #[arg(long, default_value_t = 20.0)]
    idle: f64,
    /// Seconds of notices at a steady rate, until their letters are sent.
    #[arg(long, default_value_t = 20.0)]
    steady: f64,
    /// Notices that are due in the same second, until their letters are sent.
    #[arg(long, default_value_t = 20_000)]
    due: u32,
    /// Measures only these.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// What belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Part {
    /// What telling costs.
    Telling,
    /// Requests to the api.
    Requests,
    /// Notices until their letters are written.
    Notices,
    /// Notices until their letters are in Discord, with its limits lifted.
    Sending,
    /// Starts, memory and idle processor.
    Footprint,
    /// Claims among very many rows.
    Claims,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Goal {
    what: String,
    wanted: String,
    measured: String,
    met: Option<bool>,
}

impl Goal {
    fn new(what: impl Into<String>, wanted: impl Into<String>, measured: impl Into<String>, met: bool) -> Self {
        Self { what: what.into(), wanted: wanted.into(), measured: measured.into(), met: Some(met) }
    }

    /// It could not be measured, for this reason.
    fn unmeasured(what: impl Into<String>, wanted: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), wanted: wanted.into(), measured: why.into(), met: None }
    }

    fn cells(&self) -> Vec<String> {
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        };
        vec![self.what.clone(), self.wanted.clone(), self.measured.clone(), met.to_owned()]
    }
}

/// Measures all of them and writes the table. A goal that is not met is no error.
///
/// # Errors
/// When something cannot be started or does not answer.
pub async fn run(options: Options) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pinned = if cores > 1 {
        // Before any server is started, since they inherit it: the api has a core for itself, the rest shares the others.
        process::pin(std::process::id(), &format!("1-{}", cores - 1))?;
        "the api alone on core 0; Postgres, Redis, RabbitMQ, receiver and generator share the others"
    } else {
        "one core, shared by everything"
    };
    let mut goals = if options.wants(Part::Telling) { telling::measure()? } else { Vec::new() };
    let crowd = Crowd::gather().await?;
    if options.wants(Part::Requests) {
        goals.extend(requests::measure(&crowd, cores > 1, seconds(options.seconds)).await?);
    }
    if options.wants(Part::Notices) {
        goals.extend(notices::measure(&crowd).await?);
    }
    if options.wants(Part::Sending) {
        goals.extend(sending::measure(cores, seconds(options.steady), options.due).await?);
    }
    if options.wants(Part::Footprint) {
        goals.extend(footprint::measure(&crowd, seconds(options.idle)).await?);
    }
    if options.wants(Part::Claims) {
        goals.extend(claims::measure(&crowd, options.pending).await?);
    }
    let rows: Vec<_> = goals.iter().map(Goal::cells).collect();
    let head = format!("`script/bench goals`\n\n{}; {}; {pinned}.", machine(), crowd.world.servers.describe());
    let text = format!("# Goals\n\n{head}\n\n{}", table(&["what", "goal", "measured", "verdict"], &rows));
    eprintln!("\n{text}");
    output::report("goals", &text).map(drop)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
