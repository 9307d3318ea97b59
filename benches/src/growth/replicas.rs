//! More and more apis on one machine: together they must not answer less than one.

use std::sync::Arc;
use std::time::Duration;

use ::tests::world::Replica;
use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::Options;
use super::asked::FAILED;
use super::busy::{Part, Used};
use super::curve::{Curve, Series, Unit};
use super::fit::Work;
use crate::crowd::{Crowd, Flow};
use crate::wire::{self, Made, Wires};

/// Clients that each wait for their answer, in all.
pub(super) const CLIENTS: usize = 16;
/// Pools fill and plans are made before anything counts.
const WARM: Duration = Duration::from_secs(1);
/// The numbers of replicas that are tried.
pub(super) const REPLICAS: [usize; 4] = [1, 2, 4, 8];

pub(super) async fn measure(options: &Options) -> Result<Vec<Curve>> {
    let crowd = Crowd::gather().await?;
    let series = vec![
        Series::new("time a request, all together", Work::Constant),
        Series::new("apis on a processor, a request", Work::Constant),
        Series::new("Postgres on a processor, a request", Work::Constant),
    ];
    let notes = "Looking at one game, 16 clients in all, everything on this machine: more replicas bring no more \
                 processors, so the best is a level line.";
    let mut curve = Curve::new("replicas of the api", "apis", Unit::Seconds, series, notes);
    let mut apis: Vec<Replica> = Vec::new();
    for size in options.sizes(&REPLICAS) {
        while apis.len() < size {
            apis.push(crowd.replica(&format!("api-{}", apis.len()), None).await?);
        }
        saturate(&crowd, &apis, WARM).await?;
        let before = Used::so_far()?;
        let made = saturate(&crowd, &apis, options.lasts()).await?;
        let used = Used::so_far()?.since(&before);
        let each = |part| used.get(&part).copied().unwrap_or_default().as_secs_f64() / made.answered as f64;
        curve.note(&format!("{size}: {:.0} requests a second{}.", made.rate(), failures(&made.failures)));
        if few(&made) {
            curve.add(size, &[1.0 / made.rate(), each(Part::Api), each(Part::Postgres)]);
        } else {
            curve.note("That says nothing, and is left out.");
        }
    }
    Ok(vec![curve])
}

/// As many requests as the clients can make, who share the apis.
async fn saturate(crowd: &Crowd, apis: &[Replica], lasts: Duration) -> Result<Made> {
    let mut asking = JoinSet::new();
    for api in apis {
        let (wires, requests) = (Arc::new(Wires::to(api.address)), crowd.requests());
        let next = move |number| requests(Flow::Get, number);
        let clients = (CLIENTS / apis.len()).max(1);
        asking.spawn(async move { wire::saturate(&wires, clients, lasts, next).await });
    }
    let mut all = Made { answered: 0, failures: Vec::new(), within: Duration::ZERO };
    while let Some(made) = asking.join_next().await {
        let made = made.context("a load panicked")??;
        all.answered += made.answered;
        all.failures.extend(made.failures);
        all.within = all.within.max(made.within);
    }
    ensure!(all.answered > 0, "no request was answered{}", failures(&all.failures));
    Ok(all)
}

/// Whether so few requests failed that the others say something.
pub(super) fn few(made: &Made) -> bool {
    made.failures.len() as f64 <= FAILED * made.answered as f64
}

/// Refusing is no answer, but an overloaded api may.
pub(super) fn failures(failures: &[String]) -> String {
    failures.first().map_or_else(String::new, |why| format!(", and {} failed, first {why}", failures.len()))
}
