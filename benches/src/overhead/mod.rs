//! What telemetry costs a service under load: the same requests to apis that differ in nothing else. For latencies in
//! short slices whose order is drawn anew in each round and mirrored (ABBA), so that all of them meet the same weather;
//! for time on a processor, which does not wait for others, side by side.

mod plot;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::tests::load::{self, Random};
use ::tests::otlp::{Conduct, Gate};
use ::tests::world::{Replica, free_address};
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::crowd::{Crowd, Flow, settings};
use crate::process::{self, Memory};
use crate::receiver::{Received, Receiver};
use crate::wire::{self, Wires};

/// Answers at the beginning of a slice that are not counted: an api that had nothing to do is cold.
const COLD: f64 = 0.1;
/// After a slice: what was told is exported within a second, and belongs to the slice.
const SETTLE: Duration = Duration::from_millis(1_300);
/// Clients that each wait for their answer, to find out how much can be answered.
const CLIENTS: usize = 16;
/// How long a collector may take to get the last spans.
const ARRIVAL: Duration = Duration::from_secs(20);

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
}

/// In which way an api differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How its collector behaves; without one, `OTEL_SDK_DISABLED=true`.
    pub(crate) collector: Option<Conduct>,
    /// `OTEL_TRACES_SAMPLER_ARG`.
    ratio: &'static str,
}

impl Kind {
    const fn off(name: &'static str) -> Self {
        Self { name, collector: None, ratio: "1" }
    }

    const fn on(name: &'static str, conduct: Conduct) -> Self {
        Self { name, collector: Some(conduct), ratio: "1" }
    }

    /// Whether everything that it tells arrives.
    pub(crate) fn is_complete(self) -> bool {
        self.collector == Some(Conduct::Open) && self.ratio == "1"
    }
}

/// What others are compared with, the same once more (whatever is found between the two is noise), and the others.
const TELEMETRY: [Kind; 5] = [
    Kind::off("off"),
    Kind::off("off again"),
    Kind::on("on", Conduct::Open),
    Kind { ratio: "0.1", ..Kind::on("on, one trace of ten", Conduct::Open) },
    Kind::on("black hole", Conduct::Hung),
];
/// In the same order.
const TROUBLES: [Kind; 8] = [
    Kind::on("on", Conduct::Open),
    Kind::on("on again", Conduct::Open),
    Kind::on("absent", Conduct::Absent),
    Kind::on("refuses", Conduct::Refusing),
    Kind::on("resets connections", Conduct::Resetting),
    Kind::on("never answers", Conduct::Hung),
    Kind::on("packets dropped", Conduct::Unreachable),
    Kind::on("slow", Conduct::Slow),
];

/// One api and what it was asked.
struct Arm {
    kind: Kind,
    replica: Replica,
    wires: Arc<Wires>,
    receiver: Option<Receiver>,
    _gate: Option<Gate>,
    asked: usize,
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
    /// Requests of the whole life of the api.
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
    let crowd = Crowd::gather().await?;
    crowd.undisturbed().await;
    let mut arms = Vec::new();
    for &kind in if options.troubles { &TROUBLES[..] } else { &TELEMETRY } {
        arms.push(Arm::start(&crowd, kind).await?);
    }
    for arm in &mut arms {
        // Pools fill, plans are made, sessions are copied.
        arm.warm(&crowd).await?;
    }
    let most = arms[0].saturate(&crowd).await?;
    let rate = options.rate.unwrap_or(most * 0.6);
    eprintln!("overhead: at most {most:.0} requests/s are answered; {rate:.0} are sent");
    let mut outcomes: Vec<_> = arms.iter().map(|arm| (arm.kind, Vec::new(), Vec::new())).collect();
    let mut random = Random::default();
    for round in 0..options.rounds {
        let measured = one_round(&crowd, &mut arms, &mut random, rate, options.seconds).await?;
        for (outcome, (slices, failures)) in outcomes.iter_mut().zip(measured) {
            outcome.1.push(slices);
            outcome.2.extend(failures);
        }
        eprintln!("overhead: round {} of {}", round + 1, options.rounds);
    }
    let mut ended = Vec::new();
    for (arm, (kind, rounds, failures)) in arms.iter().zip(outcomes) {
        ended.push(arm.outcome(kind, rounds, failures).await?);
    }
    let servers = crowd.world.servers.describe();
    report::write(&Measured { options, servers, most, rate, outcomes: ended })
}

/// Every arm once in an order that is drawn, and once in the mirrored one.
async fn one_round(
    crowd: &Crowd,
    arms: &mut [Arm],
    random: &mut Random,
    rate: f64,
    seconds: f64,
) -> Result<Vec<(Slices, Vec<String>)>> {
    let mut measured = vec![(Slices::default(), Vec::new()); arms.len()];
    let there = random.order(arms.len());
    for &place in there.iter().chain(there.iter().rev()) {
        crowd.forget().await;
        let (slices, failures) = &mut measured[place];
        arms[place].slice(crowd, rate, Duration::from_secs_f64(seconds), slices, failures).await;
    }
    crowd.forget().await;
    side_by_side(crowd, arms, rate, Duration::from_secs_f64(2.0 * seconds), &mut measured).await?;
    Ok(measured)
}

/// The load shared by all arms, request by request, for what each of them is on a processor: a machine that is slower
/// for a moment is so for all.
async fn side_by_side(
    crowd: &Crowd,
    arms: &mut [Arm],
    rate: f64,
    lasts: Duration,
    measured: &mut [(Slices, Vec<String>)],
) -> Result<()> {
    let before = arms.iter().map(Arm::on_processor).collect::<Result<Vec<_>>>()?;
    let (requests, wires) = (mixture(crowd), arms.iter().map(|arm| Arc::clone(&arm.wires)).collect::<Vec<_>>());
    let answers = load::offer(arms.len(), rate / arms.len() as f64, lasts, |arm, number| {
        let (wires, request) = (Arc::clone(&wires[arm]), requests(number));
        async move { wires.ask(&request).await }
    })
    .await;
    tokio::time::sleep(SETTLE).await;
    for (place, (arm, answers)) in arms.iter_mut().zip(answers).enumerate() {
        arm.wires.close();
        arm.asked += answers.asked();
        let (slices, failures) = &mut measured[place];
        slices.asked = answers.asked();
        slices.on_processor = arm.on_processor()?.saturating_sub(before[place]);
        failures.extend(answers.failures);
    }
    Ok(())
}

impl Arm {
    async fn start(crowd: &Crowd, kind: Kind) -> Result<Self> {
        let receiver = kind.collector.map(|_| Receiver::start()).transpose()?;
        let gate = match (kind.collector, &receiver) {
            (None | Some(Conduct::Open), _) | (_, None) => None,
            (Some(conduct), Some(behind)) => Some(Gate::start(free_address()?, behind.address(), conduct)?),
        };
        let url = gate.as_ref().map(Gate::url).or_else(|| receiver.as_ref().map(Receiver::url));
        let mut settings = settings(url.as_deref());
        settings.extend([("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", kind.ratio)]);
        let replica = crowd.replica_with(&kind.name.replace([' ', ','], "-"), &settings).await?;
        let wires = Arc::new(Wires::to(replica.address));
        Ok(Self { kind, replica, wires, receiver, _gate: gate, asked: 0 })
    }

    fn pid(&self) -> Result<u32> {
        self.replica.running.pid().with_context(|| format!("the api {} ended", self.kind.name))
    }

    fn on_processor(&self) -> Result<Duration> {
        process::on_processor(self.pid()?)
    }

    async fn warm(&mut self, crowd: &Crowd) -> Result<()> {
        self.saturate(crowd).await?;
        crowd.forget().await;
        Ok(())
    }

    /// The most it answers in a second.
    async fn saturate(&mut self, crowd: &Crowd) -> Result<f64> {
        let requests = mixture(crowd);
        let made = wire::saturate(&self.wires, CLIENTS, Duration::from_secs(4), requests).await?;
        self.asked += made.answered + made.failures.len();
        if let Some(why) = made.failures.first() {
            eprintln!(
                "overhead: {} requests failed at the most that {} can do: {why}",
                made.failures.len(),
                self.kind.name
            );
        }
        crowd.forget().await;
        self.wires.close();
        Ok(made.rate())
    }

    /// Load for a while, alone, until all of it is told.
    async fn slice(
        &mut self,
        crowd: &Crowd,
        rate: f64,
        lasts: Duration,
        slices: &mut Slices,
        failures: &mut Vec<String>,
    ) {
        let requests = mixture(crowd);
        let answers = load::offer(1, rate, lasts, |_, number| {
            let (wires, request) = (Arc::clone(&self.wires), requests(number));
            async move { wires.ask(&request).await }
        })
        .await;
        tokio::time::sleep(SETTLE).await;
        self.wires.close();
        for answers in answers {
            self.asked += answers.asked();
            let cold = (answers.latencies.len() as f64 * COLD) as usize;
            slices.latencies.extend(&answers.latencies[cold.min(answers.latencies.len())..]);
            failures.extend(answers.failures);
        }
    }

    async fn outcome(&self, kind: Kind, rounds: Vec<Slices>, failures: Vec<String>) -> Result<Outcome> {
        let memory = process::memory(self.pid()?)?;
        let received = match &self.receiver {
            Some(receiver) if kind.is_complete() => Some(all(receiver, self.asked).await),
            _ => None,
        };
        Ok(Outcome { kind, rounds, failures, memory, received, asked: self.asked })
    }
}

/// What came once the span of every request is there, or nothing more will come.
async fn all(receiver: &Receiver, asked: usize) -> Received {
    let until = tokio::time::Instant::now() + ARRIVAL;
    while receiver.received().servers < asked as u64 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    receiver.received()
}

/// The mixture of requests; joins are counted by themselves, so that none is repeated.
fn mixture(crowd: &Crowd) -> impl Fn(usize) -> Vec<u8> + Clone + Send + 'static {
    let (requests, joins) = (crowd.requests(), Arc::new(AtomicUsize::new(0)));
    move |number| match Flow::of(number) {
        Flow::Join => requests(Flow::Join, joins.fetch_add(1, Ordering::Relaxed)),
        flow => requests(flow, number),
    }
}
