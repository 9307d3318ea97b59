//! One client that waits for each answer, and what its requests took.

use std::time::{Duration, Instant};

use ::tests::load::quantile;
use ::tests::world::Replica;
use anyhow::{Result, ensure};

use super::busy::{Part, Used};
use super::curve::Series;
use super::fit::Work;
use crate::wire::Wires;

/// Sessions that share the requests, since each may only ask so often.
pub(super) const SESSIONS: usize = 128;
/// Fewer answers have no median.
const LEAST: usize = 5;
/// The part that may fail, as somewhere on a machine that is not quiet; with more, the others say nothing.
pub(super) const FAILED: f64 = 0.02;

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
        // What fails here fails below, too.
        let _ = wires.ask(&next(number)).await;
        number += 1;
    }
    let (before, since, mut taken, mut failures) = (Used::so_far()?, Instant::now(), Vec::new(), Vec::new());
    while number < most && since.elapsed() < lasts {
        let asked = Instant::now();
        match wires.ask(&next(number)).await {
            Ok(()) => taken.push(asked.elapsed()),
            Err(why) => failures.push(why),
        }
        number += 1;
    }
    let used = Used::so_far()?.since(&before);
    ensure!(
        failures.len() as f64 <= FAILED * taken.len() as f64,
        "{} requests failed, first {:?}",
        failures.len(),
        failures[0]
    );
    ensure!(taken.len() >= LEAST, "{} answers within {lasts:?} have no median", taken.len());
    let each = |part| used.get(&part).copied().unwrap_or_default().as_secs_f64() / taken.len() as f64;
    Ok([quantile(&taken, 0.5).as_secs_f64(), each(Part::Api), each(Part::Postgres)])
}
