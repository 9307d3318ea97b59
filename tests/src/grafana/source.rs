//! A dashboard as people write it: what each panel asks, what it means, and what to do about it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// Fields to fill in, by the name that queries use, beside environment and service.
    #[serde(default)]
    pub variables: BTreeMap<String, Field>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// A field above a dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What stands before it.
    pub label: String,
    /// What is in it at first.
    pub default: String,
}

/// Panels with a heading.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The heading.
    pub title: String,
    /// From left to right, as many in a line as fit.
    pub panels: Vec<Panel>,
}

/// A panel: it has queries, or logs, or a search, or is the graph of services.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// What that means and what to do.
    pub about: String,
    /// How numbers are shown.
    #[serde(default)]
    pub show: Show,
    /// Grafana's id of the unit.
    pub unit: Option<String>,
    /// Where the axis begins.
    pub min: Option<f64>,
    /// Where it ends.
    pub max: Option<f64>,
    /// In 24ths of the page.
    pub width: Option<u64>,
    /// A colour, from where the next one counts, that colour, and so on.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The dashboard that says more.
    pub board: Option<String>,
    /// TraceQL for the traces of a series; `{{label}}` is the series' label.
    pub traces: Option<String>,
    /// Whether to show examples that lead to traces.
    #[serde(default)]
    pub examples: bool,
    /// PromQL by legend. `@own` are the matchers of our series, `@env` those of others, `@or_zero(label)` a zero where
    /// there is nothing, called `none`.
    #[serde(default)]
    pub queries: BTreeMap<String, String>,
    /// LogQL.
    pub logs: Option<String>,
    /// TraceQL.
    pub search: Option<String>,
    /// Whether it is the graph of services.
    #[serde(default)]
    pub graph: bool,
}

/// How numbers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// Over time.
    #[default]
    Lines,
    /// As they are now.
    Stat,
}

/// A part of `steps`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A colour.
    Colour(String),
    /// From here on the next colour counts.
    From(f64),
}

impl Board {
    /// All its panels.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    /// A query as Grafana sends it when nothing is chosen.
    #[must_use]
    pub fn as_sent(&self, query: &str) -> String {
        let query = expanded(query).replace("$service", ".+").replace("$environment", ".*");
        self.variables.iter().fold(query, |query, (name, field)| query.replace(&format!("${name}"), &field.default))
    }
}

/// A query with its short forms written out.
#[must_use]
pub fn expanded(query: &str) -> String {
    let mut text = query.trim().to_owned();
    if let Some((before, rest)) = text.split_once("@or_zero(")
        && let Some((label, after)) = rest.split_once(')')
    {
        text = format!(r#"{before}or on () label_replace(vector(0), "{label}", "none", "", ""){after}"#);
    }
    let environment = r#"deployment_environment_name=~"$environment""#;
    text.replace("@own", &format!(r#"job=~"gamesched/$service",{environment}"#)).replace("@env", environment)
}
