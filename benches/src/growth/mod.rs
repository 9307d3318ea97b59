//! How cost grows: with games, participants, rows that wait, guilds, streams and replicas; and what runs out first.

mod asked;
mod bots;
mod busy;
mod claims;
mod curve;
mod daemons;
mod fit;
mod games;
mod guests;
mod plot;
mod replicas;
mod report;
mod saturation;
mod streams;

use std::time::Duration;

use ::tests::servers::Servers;
use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use tokio::task::JoinSet;

use curve::Curve;
use report::Measured;

/// How it is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only this; may be given more than once.
    #[arg(long, value_enum)]
    only: Vec<Name>,
    /// Seconds of every load.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The part of the time over which those who have nothing to do are watched: to try it.
    #[arg(long, default_value_t = 1.0)]
    idle: f64,
    /// Of every curve only so many sizes, the smallest: to try it.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    steps: usize,
    /// Rows that daemons share.
    #[arg(long, default_value_t = 3_000)]
    rows: usize,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Games,
    Participants,
    Claims,
    Guilds,
    Streams,
    Apis,
    NotificationDaemons,
    StatusDaemons,
    Bots,
    Saturation,
}

impl Name {
    /// As in the command.
    fn tell(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Options {
    fn lasts(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn idle(&self, whole: Duration) -> Duration {
        whole.mul_f64(self.idle)
    }

    fn sizes(&self, all: &[usize]) -> Vec<usize> {
        all.iter().copied().take(self.steps).collect()
    }

    /// The command that measures the same again.
    fn tell(&self) -> String {
        let mut command =
            format!("script/bench growth --seconds {} --idle {} --rows {}", self.seconds, self.idle, self.rows);
        if self.steps < usize::MAX {
            command += &format!(" --steps {}", self.steps);
        }
        for only in &self.only {
            command += &format!(" --only {}", only.tell());
        }
        command
    }
}

/// Measures and writes the report. A cost that grows too fast is no error.
///
/// # Errors
/// When something could not be measured; what could be is in the report.
pub async fn run(options: Options) -> Result<()> {
    ensure!(options.steps > 1, "a curve has at least two sizes");
    let mut measured = Measured { servers: Servers::start().await?.describe(), ..Measured::default() };
    for name in Name::value_variants() {
        if !options.only.is_empty() && !options.only.contains(name) {
            continue;
        }
        // Alone, so that one which panics, as the harness does, takes no other with it.
        let mut alone = JoinSet::new();
        let own = options.clone();
        alone.spawn(async move { one(*name, &own).await });
        let ended = alone.join_next().await.context("it was started")?;
        match ended.map_err(anyhow::Error::from).and_then(|ended| ended) {
            Ok((curves, saturated)) => {
                measured.curves.extend(curves);
                measured.saturated.extend(saturated);
            }
            Err(why) => measured.failed.push((name.tell(), format!("{why:#}"))),
        }
    }
    report::write(&measured, &options)?;
    if let Some((name, why)) = measured.failed.first() {
        bail!("{} could not be measured, first {name}: {why}", measured.failed.len());
    }
    Ok(())
}

async fn one(name: Name, options: &Options) -> Result<(Vec<Curve>, Vec<saturation::Saturated>)> {
    let curves = match name {
        Name::Games => games::in_the_guild(options).await,
        Name::Participants => games::with_participants(options).await,
        Name::Claims => claims::measure(options).await,
        Name::Guilds => games::in_other_guilds(options).await,
        Name::Streams => streams::measure(options).await,
        Name::Apis => replicas::measure(options).await,
        Name::NotificationDaemons => daemons::notification(options).await,
        Name::StatusDaemons => daemons::status(options).await,
        Name::Bots => bots::measure(options).await,
        Name::Saturation => return Ok((Vec::new(), saturation::measure(options).await?)),
    };
    Ok((curves?, Vec::new()))
}
