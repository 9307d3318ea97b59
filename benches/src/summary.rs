//! One table of what criterion measured: every group with its arms side by side.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::output::{self, machine, table, time};

/// The arms that a group may have; the first of them that is there is what the others are compared with.
const ARMS: [&str; 4] = ["off", "unsampled", "sampled", "on"];

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
}

#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
}

#[derive(Clone, Copy, Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Clone, Copy, Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Groups, and in them what was measured by arm.
type Measured = BTreeMap<String, BTreeMap<String, Estimate>>;

/// Writes it from what lies in criterion's directory, and shows it.
///
/// # Errors
/// When nothing was measured yet.
pub fn write() -> Result<()> {
    let mut measured = Measured::new();
    collect(&output::target()?.join("criterion"), &mut measured).context("run cargo bench first")?;
    let text = format!("# What things cost\n\n{}.\n\n{}\n{}", machine(), compared(&measured), alone(&measured));
    eprintln!("\n{text}");
    output::report("summary", &text).map(drop)
}

/// Every directory that holds a result, at whatever depth.
fn collect(directory: &Path, measured: &mut Measured) -> Result<()> {
    let new = directory.join("new");
    if let (Ok(benchmark), Ok(estimates)) = (fs::read(new.join("benchmark.json")), fs::read(new.join("estimates.json")))
    {
        let benchmark: Benchmark = serde_json::from_slice(&benchmark).context("reading a benchmark's name")?;
        let estimates: Estimates = serde_json::from_slice(&estimates).context("reading a result")?;
        let arm = benchmark.function_id.unwrap_or_default();
        measured.entry(benchmark.group_id).or_default().insert(arm, estimates.mean);
        return Ok(());
    }
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, measured)?;
        }
    }
    Ok(())
}

fn told(estimate: Estimate) -> String {
    let Interval { lower_bound, upper_bound } = estimate.confidence_interval;
    let spread = 50.0 * (upper_bound - lower_bound) / estimate.point_estimate;
    format!("{} ± {spread:.1} %", time(estimate.point_estimate))
}

/// What was measured in arms, with the difference to the first of them.
fn compared(measured: &Measured) -> String {
    let mut rows = Vec::new();
    for (group, arms) in measured.iter().filter(|(_, arms)| arms.keys().any(|arm| ARMS.contains(&&**arm))) {
        let Some(base) = ARMS.iter().find_map(|arm| arms.get(*arm)) else { continue };
        for arm in ARMS.iter().filter(|arm| arms.contains_key(**arm)) {
            let estimate = arms[*arm];
            let (more, times) = (
                estimate.point_estimate - base.point_estimate,
                estimate.point_estimate / base.point_estimate.max(f64::EPSILON),
            );
            rows.push(vec![group.clone(), (*arm).to_owned(), told(estimate), time(more), format!("{times:.3}")]);
        }
    }
    table(&["what", "telemetry", "mean", "more than off", "ratio"], &rows)
}

/// What knows nothing of telemetry.
fn alone(measured: &Measured) -> String {
    let others = measured.iter().flat_map(|(group, arms)| {
        let alone = arms.iter().filter(|(arm, _)| !ARMS.contains(&&***arm));
        alone.map(move |(arm, estimate)| vec![format!("{group} {arm}").trim().to_owned(), told(*estimate)])
    });
    table(&["what", "mean"], &others.collect::<Vec<_>>())
}
