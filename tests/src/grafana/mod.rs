//! Dashboards, rules and promises as data: read, rendered for Grafana and Prometheus, and taken apart for checks.

mod exposition;
mod known;
mod promql;
mod render;
mod rules;
mod scraped;
mod slo;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

pub use exposition::open_metrics;
pub use known::{Known, prometheus_names};
pub use promql::{Expression, Match, Use};
pub use rules::{Alert, Case, Rules};
pub use scraped::{Series, listed, scraped};
pub use slo::Slo;
pub use source::{Board, Panel, Show, expanded};

/// Where the dashboards' sources lie, and where Grafana's JSON does.
const SOURCES: &str = "compose/grafana/source";
const DASHBOARDS: &str = "compose/grafana/dashboards";
/// The promises, and the rules that are written from them.
const SLOS: &str = "compose/prometheus/slos.yaml";
const SLO_RULES: &str = "compose/prometheus/rules/slo.yaml";

/// Everything that Grafana shows, by the name of its source.
///
/// # Errors
/// When a source cannot be read.
pub fn boards() -> Result<Vec<(String, Board)>> {
    let mut boards = Vec::new();
    for path in files(SOURCES, ".yaml")? {
        let board = yaml_serde::from_str(&text(&path)?).with_context(|| format!("reading {}", path.display()))?;
        boards.push((stem(&path), board));
    }
    Ok(boards)
}

/// What is written from a source and differs from it, by path.
///
/// # Errors
/// When a source cannot be read.
pub fn stale() -> Result<Vec<String>> {
    let mut stale = Vec::new();
    let boards = boards()?;
    for (name, board) in &boards {
        let path = format!("{DASHBOARDS}/{name}.json");
        // Compared as data: the order of keys is no difference.
        let written = fs::read_to_string(place(&path)).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if written.as_ref() != Some(&board.json(name)) {
            stale.push(path);
        }
    }
    let names: Vec<_> = boards.iter().map(|(name, _)| name.as_str()).collect();
    let left = files(DASHBOARDS, ".json")?.into_iter().filter(|path| !names.contains(&stem(path).as_str()));
    stale.extend(left.map(|path| format!("{} has no source", path.display())));
    if fs::read_to_string(place(SLO_RULES)).ok() != Some(slo::rules(&slos()?)) {
        stale.push(SLO_RULES.to_owned());
    }
    Ok(stale)
}

/// Writes what is written from sources.
///
/// # Errors
/// When something cannot be read or written.
pub fn write() -> Result<()> {
    for (name, board) in boards()? {
        let path = place(&format!("{DASHBOARDS}/{name}.json"));
        let mut text = serde_json::to_string_pretty(&board.json(&name)).context("a dashboard as JSON")?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    fs::write(place(SLO_RULES), slo::rules(&slos()?)).with_context(|| format!("writing {SLO_RULES}"))
}

/// What people are promised.
///
/// # Errors
/// When the file cannot be read.
pub fn slos() -> Result<Vec<Slo>> {
    yaml_serde::from_str(&text(&place(SLOS))?).with_context(|| format!("reading {SLOS}"))
}

/// A path from the root of the project.
#[must_use]
pub fn place(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn files(folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(place(folder)).with_context(|| format!("listing {folder}"))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut paths: Vec<_> = paths.into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
