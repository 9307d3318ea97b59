//! The rules for Prometheus and their unit tests, as far as specs ask about them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{files, text};

const FOLDER: &str = "compose/prometheus/rules";

/// All rules and the cases of their tests.
#[derive(Debug)]
pub struct Rules {
    /// Alerts, in the order of the files.
    pub alerts: Vec<Alert>,
    /// Names of recorded series and their expressions.
    pub records: Vec<(String, String)>,
    /// What unit tests ask.
    pub cases: Vec<Case>,
}

/// An alert.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// Its name; several expressions may share one.
    pub alert: String,
    /// When it fires.
    pub expr: String,
    /// For how long before.
    #[serde(default)]
    pub r#for: String,
    /// `severity` and others.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it tells people.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A look at an alert in a unit test.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// The alert's name.
    pub alertname: String,
    /// Where it fires at that time; nowhere if empty.
    #[serde(default)]
    pub exp_alerts: Vec<Expected>,
}

/// An alert that fires in a unit test.
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    /// Its labels.
    #[serde(default)]
    pub exp_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Rule {
    Alert(Alert),
    Record { record: String, expr: String },
}

#[derive(Deserialize)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    alert_rule_test: Vec<Case>,
}

impl Rules {
    /// Reads all files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn load() -> Result<Self> {
        let (mut alerts, mut records, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        for path in files(FOLDER, ".yaml")? {
            let text = text(&path)?;
            let context = || format!("reading {}", path.display());
            if path.to_string_lossy().ends_with(".test.yaml") {
                let tests: Tests = parsed(&text).with_context(context)?;
                cases.extend(tests.tests.into_iter().flat_map(|test| test.alert_rule_test));
                continue;
            }
            let file: File = parsed(&text).with_context(context)?;
            for rule in file.groups.into_iter().flat_map(|group| group.rules) {
                match rule {
                    Rule::Alert(alert) => alerts.push(alert),
                    Rule::Record { record, expr } => records.push((record, expr)),
                }
            }
        }
        Ok(Self { alerts, records, cases })
    }
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(yaml_serde::from_str(text)?)
}
