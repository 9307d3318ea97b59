//! What telemetry costs a service under load: the same requests to apis that differ in nothing else. For latencies in
//! short slices whose order is drawn anew in each round and mirrored (ABBA), so that all of them meet the same weather;
//! for time on a processor, which does not wait for others, side by side.

mod api;
mod kind;
mod plot;
mod report;

use std::time::Duration;

use ::tests::load::Random;
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::process::Memory;
use crate::receiver::Received;
use api::{Api, Arm, WARM};
use kind::Kind;

/// Answers at the beginning of a slice that are not counted: an api that had nothing to do is cold.
const COLD: f64 = 0.1;
/// How long the most is looked for.
const MOST: Duration = Duration::from_secs(4);

/// How it is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Rounds: in each, every arm has two slices. Ten are the least that a verdict is given on.
    #[arg(long, default_value_t = 20)]
    pub rounds: usize,
    /// Seconds of a slice.
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// Requests a second; 60 % of what was measured as the most, if it is not given.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Compare collectors that are in trouble with one that is well, and not telemetry with none.
    #[arg(long)]
    pub troubles: bool,
    /// Compare telemetry that is set so, as in `OTEL_LOGS_EXPORTER=none LOG_LEVEL=warn`, with telemetry as it is; may be
    /// given again.
    #[arg(long, value_name = "SETTINGS", conflicts_with = "troubles")]
    pub with: Vec<String>,
    /// Beside the two that are equal only this one, such as `on` or `refuses`, so that each gets more of the load; may be
    /// given again.
    #[arg(long, value_name = "NAME", conflicts_with = "with")]
    pub only: Vec<String>,
    /// Load on all apis at once and on none of them alone, in a fifth of the time: time on a processor, and latencies in
    /// which an api also waits for what the others do.
    #[arg(long)]
    pub side_by_side: bool,
}

impl Options {
    /// How long all have load side by side.
    fn beside(&self) -> Duration {
        Duration::from_secs_f64(2.0 * self.seconds)
    }

    /// What a command says of them beside rounds and seconds.
    fn more(&self) -> String {
        let mut text = self.rate.map(|rate| format!(" --rate {rate}")).unwrap_or_default();
        text += if self.troubles { " --troubles" } else { "" };
        text += if self.side_by_side { " --side-by-side" } else { "" };
        self.with.iter().for_each(|settings| text += &format!(" --with '{settings}'"));
        self.only.iter().for_each(|name| text += &format!(" --only '{name}'"));
        text
    }

    /// What is measured: the one that others are compared with, the same once more, the others.
    fn kinds(&self) -> Result<Vec<Kind>> {
        if !self.with.is_empty() {
            let others = self.with.iter().map(|settings| Kind::with(settings));
            return kind::TROUBLES[..2].iter().copied().map(Ok).chain(others).collect();
        }
        let all: &[Kind] = if self.troubles { &kind::TROUBLES } else { &kind::TELEMETRY };
        if self.only.is_empty() {
            return Ok(all.to_vec());
        }
        let (equal, others) = all.split_at(2);
        let named = |name: &String| {
            let names: Vec<_> = others.iter().map(|kind| kind.name).collect();
            others
                .iter()
                .find(|kind| kind.name == name)
                .copied()
                .with_context(|| format!("{name:?} is none of {names:?}"))
        };
        equal.iter().copied().map(Ok).chain(self.only.iter().map(named)).collect()
    }
}

/// What came of one arm in one round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slices {
    pub(crate) latencies: Vec<Duration>,
    /// Side by side with the others, as what follows.
    pub(crate) on_processor: Duration,
    pub(crate) asked: usize,
}

impl Slices {
    /// Time on a processor for a request.
    pub(crate) fn each(&self) -> f64 {
        self.on_processor.as_secs_f64() / self.asked.max(1) as f64
    }
}

/// What came of one arm in all.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) rounds: Vec<Slices>,
    pub(crate) failures: Vec<String>,
    pub(crate) memory: Memory,
    pub(crate) received: Option<Received>,
    /// Requests to all apis of the arm.
    pub(crate) asked: usize,
}

/// Everything a report needs.
pub(crate) struct Measured {
    pub(crate) options: Options,
    pub(crate) servers: String,
    pub(crate) most: f64,
    pub(crate) rate: f64,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Measures and writes the report.
///
/// # Errors
/// When something cannot be started, or answers with anything but success. A run that proves nothing is no error: the
/// report says so.
pub async fn run(options: Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.seconds >= 1.0, "at least one round, and a second for each slice");
    let kinds = options.kinds()?;
    let most = most(kinds[0], options.beside()).await?;
    let mut arms = Vec::new();
    for kind in kinds {
        arms.push(Arm::new(kind, options.beside()).await?);
    }
    let rate = options.rate.unwrap_or(most * 0.6);
    eprintln!("overhead: at most {most:.0} requests/s are answered; {rate:.0} are sent");
    let mut outcomes = vec![(Vec::new(), Vec::new()); arms.len()];
    let mut random = Random::default();
    for round in 0..options.rounds {
        let measured = one_round(&mut arms, &mut random, rate, &options).await?;
        for (outcome, (slices, failures)) in outcomes.iter_mut().zip(measured) {
            outcome.0.push(slices);
            outcome.1.extend(failures);
        }
        eprintln!("overhead: round {} of {}", round + 1, options.rounds);
    }
    let mut ended = Vec::new();
    for (arm, (rounds, failures)) in arms.iter().zip(outcomes) {
        ended.push(arm.outcome(rounds, failures).await);
    }
    let servers = arms[0].crowd.world.servers.describe();
    report::write(&Measured { options, servers, most, rate, outcomes: ended })
}

/// The most requests that an api answers in a second, in a world that is measured no more.
async fn most(kind: Kind, lasts: Duration) -> Result<f64> {
    let mut arm = Arm::new(kind, lasts).await?;
    let api = arm.start().await?;
    let most = arm.saturate(&api, MOST).await?;
    arm.end(api).await?;
    Ok(most)
}

/// Every arm gets another's world: no two of them lie the same way on the disk.
fn deal(arms: &mut [Arm], random: &mut Random) {
    for (one, other) in random.order(arms.len()).into_iter().enumerate() {
        if let Ok([one, other]) = arms.get_disjoint_mut([one, other]) {
            std::mem::swap(&mut one.crowd, &mut other.crowd);
        }
    }
}

/// Started in an order that is drawn: memory that was freed is given back within ten seconds, so that it costs to have
/// been the first.
async fn started(arms: &mut [Arm], random: &mut Random) -> Result<Vec<Api>> {
    let mut apis: Vec<_> = arms.iter().map(|_| None).collect();
    for place in random.order(arms.len()) {
        apis[place] = Some(arms[place].start().await?);
    }
    Ok(apis.into_iter().flatten().collect())
}

/// Apis of this round alone: two processes of one program differ by a percent or two for as long as they live, in where
/// their memory lies. Every one has load once in an order that is drawn, once in the mirrored one, and beside the others.
async fn one_round(
    arms: &mut [Arm],
    random: &mut Random,
    rate: f64,
    options: &Options,
) -> Result<Vec<(Slices, Vec<String>)>> {
    deal(arms, random);
    let apis = started(arms, random).await?;
    let mut measured = vec![(Slices::default(), Vec::new()); arms.len()];
    let there = if options.side_by_side { Vec::new() } else { random.order(arms.len()) };
    for &place in there.iter().chain(there.iter().rev()) {
        let answers = arms[place].slice(&apis[place], rate, Duration::from_secs_f64(options.seconds)).await;
        arms[place].asked += answers.asked();
        let (slices, failures) = &mut measured[place];
        let cold = (answers.latencies.len() as f64 * COLD) as usize;
        slices.latencies.extend(&answers.latencies[cold.min(answers.latencies.len())..]);
        failures.extend(answers.failures);
    }
    let warm = api::side_by_side(arms, &apis, rate, WARM).await?;
    warm.iter().zip(&mut *arms).for_each(|((answers, _), arm)| arm.asked += answers.asked());
    let beside = api::side_by_side(arms, &apis, rate, options.beside()).await?;
    for (place, ((answers, on_processor), api)) in beside.into_iter().zip(apis).enumerate() {
        arms[place].asked += answers.asked();
        let (slices, failures) = &mut measured[place];
        (slices.asked, slices.on_processor) = (answers.asked(), on_processor);
        if options.side_by_side {
            slices.latencies = answers.latencies;
        }
        failures.extend(answers.failures);
        arms[place].end(api).await?;
    }
    Ok(measured)
}
