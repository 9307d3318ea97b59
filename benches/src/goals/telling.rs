//! What telling of one request costs: time and allocations, everything sampled less telemetry off.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Goal;
use crate::arm::{Arm, without_telemetry};
use crate::edges::{EDGES, SEVEN};
use crate::receiver::{self, Receiver};
use crate::stage::Stage;
use crate::{gate, output};

/// Requests of one measurement, and measurements, of which the median counts.
const TIMES: u64 = 2_000;
const AGAIN: usize = 31;
/// Microseconds and allocations that a request of seven spans may cost.
const MOST: (f64, f64) = (10.0, 15.0);

pub(super) fn measure() -> Result<Vec<Goal>> {
    let (off, on) = (timed(Arm::Off)?, timed(Arm::Sampled)?);
    let more = (on - off) / 1e3;
    let what = "telling of a request of seven spans";
    let measured = format!("{more:.1} µs ({} with, {} without)", output::time(on), output::time(off));
    let time = Goal::new(what, format!("at most {} µs", MOST.0), measured, more <= MOST.0);
    let wanted = format!("at most {} allocations", MOST.1);
    let Ok(figures) = gate::count() else {
        return Ok(vec![time, Goal::unmeasured(what, wanted, "valgrind, which counts them, is missing or failed")]);
    };
    let of = |arm: Arm| figures.get(&(SEVEN.to_owned(), arm.name().to_owned())).map(|figure| figure.allocations);
    let (off, on) = (of(Arm::Off).context("it was counted")?, of(Arm::Sampled).context("it was counted")?);
    let measured = format!("{:.1} ({on:.1} with, {off:.1} without)", on - off);
    Ok(vec![time, Goal::new(what, wanted, measured, on - off <= MOST.1)])
}

/// Nanoseconds of a request, in a process of the arm.
fn timed(arm: Arm) -> Result<f64> {
    let receiver = Receiver::start()?;
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.args(["repeat", arm.name()]).stderr(Stdio::null());
    without_telemetry(&mut command);
    let output = command.envs(arm.settings(&receiver)).output().context("starting an arm")?;
    ensure!(output.status.success(), "the arm {} ended with {}", arm.name(), output.status);
    String::from_utf8_lossy(&output.stdout).trim().parse().context("reading what an arm measured")
}

/// Does it and answers nanoseconds: what `bench repeat` prints.
///
/// # Errors
/// When the stage cannot be set.
pub fn repeat(arm: Arm) -> Result<f64> {
    let stage = Stage::set(arm)?;
    let edge = EDGES.iter().find(|edge| edge.name == SEVEN).context("it is among the edges")?;
    let mut taken = Vec::new();
    for _ in 0..AGAIN {
        let since = Instant::now();
        (edge.run)(&stage, TIMES);
        taken.push(since.elapsed().as_nanos() as f64 / TIMES as f64);
        receiver::drained()?;
    }
    stage.end()?;
    taken.sort_unstable_by(f64::total_cmp);
    Ok(taken[AGAIN / 2])
}
