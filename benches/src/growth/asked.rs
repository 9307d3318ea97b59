//! One client that waits for each answer, and what its requests took.

use std::time::{Duration, Instant};

use ::tests::load::quantile;
use ::tests::world::Replica;
use anyhow::{Result, anyhow, ensure};

use super::busy::{Part, Used};
use super::curve::Series;
use super::fit::Work;
use crate::wire::Wires;

/// Sessions that share the requests, since each may only ask so often.
pub(super) const SESSIONS: usize = 128;
/// Fewer answers have no median.
const LEAST: usize = 5;

/// The series that a request has.
pub(super) fn series(work: Work) -> Vec<Series> {
    vec![
        Series::new("time to the answer, median", work),
        Series::new("api on a processor", work),
        Series::new("Postgres on a processor", work),
    ]
}

/// What came of requests one after the other: the costs of a request, as in `series`. At most `most` are made, each of
/// another number; those in the first half of the time that is given are not counted, until every session was met.
pub(super) async fn one_by_one(
    api: &Replica,
    lasts: Duration,
    most: usize,
    next: impl Fn(usize) -> Vec<u8>,
) -> Result<[f64; 3]> {
    let wires = Wires::to(api.address);
    let (since, mut number) = (Instant::now(), 0);
    while number < SESSIONS.min(most / 4) && since.elapsed() < lasts / 2 {
        ask(&wires, &next(number)).await?;
        number += 1;
    }
    let (before, since, mut taken) = (Used::so_far()?, Instant::now(), Vec::new());
    while number < most && since.elapsed() < lasts {
        taken.push(ask(&wires, &next(number)).await?);
        number += 1;
    }
    let used = Used::so_far()?.since(&before);
    ensure!(taken.len() >= LEAST, "{} answers within {lasts:?} have no median", taken.len());
    let each = |part| used.get(&part).copied().unwrap_or_default().as_secs_f64() / taken.len() as f64;
    Ok([quantile(&taken, 0.5).as_secs_f64(), each(Part::Api), each(Part::Postgres)])
}

async fn ask(wires: &Wires, request: &[u8]) -> Result<Duration> {
    let since = Instant::now();
    wires.ask(request).await.map_err(|why| anyhow!("a request failed: {why}"))?;
    Ok(since.elapsed())
}
