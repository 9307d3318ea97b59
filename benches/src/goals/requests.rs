//! How many requests one core answers with everything sampled, how long they take at half of that, and how many spans
//! and statements one has.

use std::sync::Arc;
use std::time::Duration;

use ::tests::load::{self, quantile};
use ::tests::otlp::{Kind, Received};
use ::tests::world::Replica;
use anyhow::{Context as _, Result};

use super::{Goal, milliseconds};
use crate::crowd::{Crowd, Flow};
use crate::process;
use crate::receiver::Receiver;
use crate::wire::{self, Made, Wires};

/// Flows, and requests a second that are wanted.
const WANTED: [(Flow, f64); 3] = [(Flow::Get, 4_000.0), (Flow::List, 500.0), (Flow::Join, 500.0)];
/// At half of the wanted rates.
const P99: Duration = Duration::from_millis(25);
/// Spans and statements of a list.
const LIST: (usize, usize) = (12, 4);
/// Memory under load.
const MEMORY: u64 = 64 << 20;
/// Clients that each wait for their answer.
const CLIENTS: usize = 32;

pub(super) async fn measure(crowd: &Crowd, pinned: bool, lasts: Duration) -> Result<Vec<Goal>> {
    let receiver = Receiver::start()?;
    let replica = crowd.replica("goals", Some(&receiver.url())).await?;
    let pid = replica.running.pid().context("it runs")?;
    if pinned {
        process::pin(pid, "0")?;
    }
    let wires = Arc::new(Wires::to(replica.address));
    let mut goals = Vec::new();
    for (flow, wanted) in WANTED {
        // Pools, plans and copies of sessions first.
        most(crowd, &wires, flow, Duration::from_secs(1)).await?;
        let before = process::on_processor(pid)?;
        let made = most(crowd, &wires, flow, lasts).await?;
        let busy = (process::on_processor(pid)? - before).as_secs_f64() / made.within.as_secs_f64();
        let mut measured = format!("{:.0}, with the api busy for {:.0} % of the time", made.rate(), 100.0 * busy);
        if let Some(why) = made.failures.first() {
            measured += &format!("; {} failed, {why}", made.failures.len());
        }
        let met = made.rate() >= wanted && made.failures.is_empty();
        goals.push(Goal::new(flow.name(), format!("at least {wanted:.0} a second"), measured, met));
        goals.push(half(crowd, &wires, flow, wanted / 2.0, lasts).await?);
    }
    let memory = process::memory(pid)?;
    let measured = format!("{:.1} MiB at most", memory.peak as f64 / f64::from(1 << 20));
    goals.push(Goal::new("api: memory under load", "under 64 MiB", measured, memory.peak < MEMORY));
    drop(replica);
    goals.extend(told(crowd).await?);
    Ok(goals)
}

async fn most(crowd: &Crowd, wires: &Arc<Wires>, flow: Flow, lasts: Duration) -> Result<Made> {
    let requests = crowd.requests();
    let made = wire::saturate(wires, CLIENTS, lasts, move |number| requests(flow, number)).await?;
    wires.close();
    crowd.forget().await;
    Ok(made)
}

/// Open loop at half of the wanted rate.
async fn half(crowd: &Crowd, wires: &Arc<Wires>, flow: Flow, rate: f64, lasts: Duration) -> Result<Goal> {
    let requests = crowd.requests();
    let answers = load::offer(1, rate, lasts, |_, number| {
        let (wires, request) = (Arc::clone(wires), requests(flow, number));
        async move { wires.ask(&request).await }
    })
    .await;
    wires.close();
    crowd.forget().await;
    let answers = answers.first().context("one service was asked")?;
    let [p50, p99] = [0.5, 0.99].map(|part| quantile(&answers.latencies, part));
    let what = format!("{}: P99 at {rate:.0} a second", flow.name());
    let mut measured = format!("{}, half of them within {}", milliseconds(p99), milliseconds(p50));
    if let Some(why) = answers.failures.first() {
        measured = format!("{} of {} failed, {why}; the others: {measured}", answers.failures.len(), answers.asked());
    }
    Ok(Goal::new(what, "under 25 ms", measured, p99 < P99 && answers.failures.is_empty()))
}

/// One request of every flow to an api that tells everything.
async fn told(crowd: &Crowd) -> Result<Vec<Goal>> {
    let url = crowd.world.sink.http_url();
    let replica = crowd.replica("told", Some(&url)).await?;
    let mut goals = Vec::new();
    for flow in [Flow::Get, Flow::List, Flow::Join] {
        let (spans, statements) = spans(crowd, &replica, flow).await?;
        let (what, measured) =
            (format!("{}: spans and statements", flow.name()), format!("{spans} spans, {statements} statements"));
        goals.push(if flow == Flow::List {
            let wanted = format!("at most {} spans and {} statements", LIST.0, LIST.1);
            Goal::new(what, wanted, measured, spans <= LIST.0 && statements <= LIST.1)
        } else {
            Goal { what, wanted: "-".to_owned(), measured, met: Some(true) }
        });
    }
    crowd.forget().await;
    Ok(goals)
}

async fn spans(crowd: &Crowd, replica: &Replica, flow: Flow) -> Result<(usize, usize)> {
    let (wires, requests) = (Wires::to(replica.address), crowd.requests());
    // The session is copied by the first of the two.
    for number in [8, 8 + crate::crowd::SESSIONS] {
        crowd.world.sink.clear();
        wires.ask(&requests(flow, number)).await.map_err(|why| anyhow::anyhow!(why))?;
        let done = |received: &Received| received.spans.iter().any(|span| span.kind == Kind::Server);
        crowd.world.sink.wait("the span of a request", Duration::from_secs(10), done).await?;
    }
    let spans = crowd.world.sink.spans();
    let root = spans.iter().find(|span| span.kind == Kind::Server).context("it arrived")?;
    // What follows from the request later, such as publishing, is not the request's.
    let of_it: Vec<_> = spans
        .iter()
        .filter(|span| span.trace_id == root.trace_id && !matches!(span.kind, Kind::Producer | Kind::Consumer))
        .collect();
    let sql = of_it.iter().filter(|span| span.attribute("db.system.name").as_deref() == Some("postgresql"));
    Ok((of_it.len(), sql.count()))
}
