//! What telemetry costs a service under load: the same requests to four apis that differ in nothing else, in short
//! slices whose order is drawn anew in each round and mirrored (ABBA), so that all of them meet the same weather.

mod plot;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::tests::load::{self, Answers};
use ::tests::otlp::{Conduct, Gate};
use ::tests::world::{Replica, free_address};
use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::crowd::{Crowd, Flow};
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
}

/// In which way an api differs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `OTEL_SDK_DISABLED=true`.
    Off,
    /// The same once more: whatever is found between the two is noise.
    OffAgain,
    /// Everything sampled, to a collector that takes it.
    On,
    /// The same, to one that never answers.
    BlackHole,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Off, Self::OffAgain, Self::On, Self::BlackHole];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OffAgain => "off again",
            Self::On => "on",
            Self::BlackHole => "black hole",
        }
    }
}

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
    let mut arms = Vec::new();
    for kind in Kind::ALL {
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
    let mut random = Shuffle(0x2545_f491_4f6c_dd1d);
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
    random: &mut Shuffle,
    rate: f64,
    seconds: f64,
) -> Result<Vec<(Slices, Vec<String>)>> {
    let mut measured = vec![(Slices::default(), Vec::new()); arms.len()];
    let there = random.order(arms.len());
    for &place in there.iter().chain(there.iter().rev()) {
        crowd.forget().await;
        let (slices, failures) = &mut measured[place];
        arms[place].slice(crowd, rate, Duration::from_secs_f64(seconds), slices, failures).await?;
    }
    Ok(measured)
}

impl Arm {
    async fn start(crowd: &Crowd, kind: Kind) -> Result<Self> {
        let receiver = if kind == Kind::On { Some(Receiver::start()?) } else { None };
        let gate = if kind == Kind::BlackHole {
            let nowhere = free_address()?;
            Some(Gate::start(free_address()?, nowhere, Conduct::Hung)?)
        } else {
            None
        };
        let url = receiver.as_ref().map(Receiver::url).or_else(|| gate.as_ref().map(Gate::url));
        let replica = crowd.replica(&kind.name().replace(' ', "-"), url.as_deref()).await?;
        let wires = Arc::new(Wires::to(replica.address));
        Ok(Self { kind, replica, wires, receiver, _gate: gate, asked: 0 })
    }

    fn pid(&self) -> Result<u32> {
        self.replica.running.pid().with_context(|| format!("the api {} ended", self.kind.name()))
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
                self.kind.name()
            );
        }
        crowd.forget().await;
        self.wires.close();
        Ok(made.rate())
    }

    /// Load for a while, alone, with what it takes until all of it is told.
    async fn slice(
        &mut self,
        crowd: &Crowd,
        rate: f64,
        lasts: Duration,
        slices: &mut Slices,
        failures: &mut Vec<String>,
    ) -> Result<()> {
        let (pid, requests) = (self.pid()?, mixture(crowd));
        let before = process::on_processor(pid)?;
        let answers = load::offer(1, rate, lasts, |_, number| {
            let (wires, request) = (Arc::clone(&self.wires), requests(number));
            async move { wires.ask(&request).await }
        })
        .await;
        tokio::time::sleep(SETTLE).await;
        self.wires.close();
        slices.on_processor += process::on_processor(pid)?.saturating_sub(before);
        for Answers { latencies, failures: failed } in answers {
            let asked = latencies.len() + failed.len();
            (self.asked, slices.asked) = (self.asked + asked, slices.asked + asked);
            let cold = (latencies.len() as f64 * COLD) as usize;
            slices.latencies.extend(&latencies[cold.min(latencies.len())..]);
            failures.extend(failed);
        }
        Ok(())
    }

    async fn outcome(&self, kind: Kind, rounds: Vec<Slices>, failures: Vec<String>) -> Result<Outcome> {
        let memory = process::memory(self.pid()?)?;
        let received = match &self.receiver {
            None => None,
            Some(receiver) => Some(all(receiver, self.asked).await),
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

/// Orders drawn by chance, the same in every run.
struct Shuffle(u64);

impl Shuffle {
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_has_its_turn_and_the_orders_differ() {
        let mut shuffle = Shuffle(0x2545_f491_4f6c_dd1d);
        let orders: Vec<_> = (0..20).map(|_| shuffle.order(4)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert!(orders.iter().any(|order| *order != orders[0]));
    }
}
