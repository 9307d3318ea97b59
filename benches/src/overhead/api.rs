//! The apis that are compared: each with telemetry and a world of its own, all with the same requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::tests::load::{self, Answers};
use ::tests::otlp::{Conduct, Gate};
use ::tests::world::{Replica, free_address};
use anyhow::{Context as _, Result};

use super::kind::Kind;
use super::{Outcome, Slices};
use crate::crowd::{Crowd, Flow, settings};
use crate::process::{self, Memory};
use crate::receiver::{Received, Receiver};
use crate::wire::{self, Wires};

/// After a slice: what was told is exported within a second, and belongs to the slice.
const SETTLE: Duration = Duration::from_millis(1_300);
/// What operators have between two exports of metrics.
const MINUTE: Duration = Duration::from_secs(60);
/// Clients that each wait for their answer, to find out how much can be answered.
const CLIENTS: usize = 16;
/// Before an api is measured: pools fill, plans are made, sessions are copied.
pub(super) const WARM: Duration = Duration::from_secs(2);
/// How long a collector may take to get the last spans.
const ARRIVAL: Duration = Duration::from_secs(20);

/// One way in which an api can be set, and all that came of it.
pub(super) struct Arm {
    pub(super) kind: Kind,
    /// Nobody else's in this round: what an api publishes no other consumes, and what it writes no other relays.
    pub(super) crowd: Crowd,
    /// Milliseconds between two exports of metrics.
    interval: String,
    receiver: Option<Receiver>,
    gate: Option<Gate>,
    /// Requests to all its apis.
    pub(super) asked: usize,
    /// The most that one of them held.
    memory: Memory,
}

/// An api of an arm.
pub(super) struct Api {
    replica: Replica,
    wires: Arc<Wires>,
}

impl Arm {
    /// Metrics are exported once while all have load side by side for `lasts`, or once a minute.
    ///
    /// # Errors
    /// When its world or its collector cannot be had.
    pub(super) async fn new(kind: Kind, lasts: Duration) -> Result<Self> {
        let crowd = Crowd::gather().await?;
        crowd.undisturbed().await;
        let interval = lasts.min(MINUTE).as_millis().to_string();
        let receiver = kind.collector.map(|_| Receiver::start()).transpose()?;
        let gate = match (kind.collector, &receiver) {
            (None | Some(Conduct::Open), _) | (_, None) => None,
            (Some(conduct), Some(behind)) => Some(Gate::start(free_address()?, behind.address(), conduct)?),
        };
        Ok(Self { kind, crowd, interval, receiver, gate, asked: 0, memory: Memory { resident: 0, peak: 0 } })
    }

    /// An api that is warm.
    pub(super) async fn start(&mut self) -> Result<Api> {
        let url = self.gate.as_ref().map(Gate::url).or_else(|| self.receiver.as_ref().map(Receiver::url));
        let mut settings = settings(url.as_deref());
        settings.push(("OTEL_METRIC_EXPORT_INTERVAL", &self.interval));
        settings.extend(self.kind.settings);
        let name = self.kind.name.replace(|part: char| !part.is_ascii_alphanumeric(), "-");
        let replica = self.crowd.replica_with(&name, &settings).await?;
        let wires = Arc::new(Wires::to(replica.address));
        let api = Api { replica, wires };
        self.saturate(&api, WARM).await?;
        Ok(api)
    }

    /// Ends it, so that it tells all that it has to tell.
    pub(super) async fn end(&mut self, api: Api) -> Result<()> {
        let memory = process::memory(api.pid()?)?;
        self.memory.resident = self.memory.resident.max(memory.resident);
        self.memory.peak = self.memory.peak.max(memory.peak);
        api.replica.running.stop().await.map(drop)
    }

    /// The most it answers in a second.
    pub(super) async fn saturate(&mut self, api: &Api, lasts: Duration) -> Result<f64> {
        let made = wire::saturate(&api.wires, CLIENTS, lasts, mixture(&self.crowd)).await?;
        self.asked += made.answered + made.failures.len();
        if let Some(why) = made.failures.first() {
            let (count, name) = (made.failures.len(), self.kind.name);
            eprintln!("overhead: {count} requests failed at the most that {name} can do: {why}");
        }
        api.wires.close();
        Ok(made.rate())
    }

    /// Load for a while, alone, until all of it is told.
    pub(super) async fn slice(&self, api: &Api, rate: f64, lasts: Duration) -> Answers {
        self.crowd.forget().await;
        let requests = mixture(&self.crowd);
        let answers = load::offer(1, rate, lasts, |_, number| {
            let (wires, request) = (Arc::clone(&api.wires), requests(number));
            async move { wires.ask(&request).await }
        })
        .await;
        tokio::time::sleep(SETTLE).await;
        api.wires.close();
        answers.into_iter().next().unwrap_or_default()
    }

    pub(super) async fn outcome(&self, rounds: Vec<Slices>, failures: Vec<String>) -> Outcome {
        let received = match &self.receiver {
            Some(receiver) if self.kind.is_complete() => Some(all(receiver, self.asked).await),
            _ => None,
        };
        Outcome { kind: self.kind, rounds, failures, memory: self.memory, received, asked: self.asked }
    }
}

impl Api {
    fn pid(&self) -> Result<u32> {
        self.replica.running.pid().context("an api ended")
    }

    fn on_processor(&self) -> Result<Duration> {
        process::on_processor(self.pid()?)
    }
}

/// The load shared by all, request by request, and how long each of them was on a processor for it: a machine that is
/// slower for a moment is so for all.
pub(super) async fn side_by_side(
    arms: &[Arm],
    apis: &[Api],
    rate: f64,
    lasts: Duration,
) -> Result<Vec<(Answers, Duration)>> {
    for arm in arms {
        arm.crowd.forget().await;
    }
    let before = apis.iter().map(Api::on_processor).collect::<Result<Vec<_>>>()?;
    let requests: Vec<_> = arms.iter().map(|arm| mixture(&arm.crowd)).collect();
    let answers = load::offer(apis.len(), rate / apis.len() as f64, lasts, |api, number| {
        let (wires, request) = (Arc::clone(&apis[api].wires), requests[api](number));
        async move { wires.ask(&request).await }
    })
    .await;
    tokio::time::sleep(SETTLE).await;
    let mut measured = Vec::new();
    for ((api, answers), before) in apis.iter().zip(answers).zip(before) {
        measured.push((answers, api.on_processor()?.saturating_sub(before)));
        api.wires.close();
    }
    Ok(measured)
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
