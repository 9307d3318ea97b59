//! Which series there are once telemetry has become Prometheus' data, and with which labels.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::registry::{MetricType, Registry};

use super::promql::{Match, Use};
use super::{Rules, files, stem, text};

/// Names and labels of what is scraped and derived, as a real Alloy handed it on.
const RECORDED: &str = "tests/tests/grafana/recorded";
/// What a store adds to every series of a service, or takes from its resource.
const RESOURCE: [&str; 5] = ["job", "instance", "service_name", "service_namespace", "deployment_environment_name"];

/// All series that there are.
#[derive(Debug)]
pub struct Known {
    registry: Registry,
    /// Labels by name.
    series: BTreeMap<String, BTreeSet<String>>,
    /// The registry's name of each of our series.
    ours: BTreeMap<String, String>,
}

impl Known {
    /// Reads the registry, what was recorded of others, and what rules record.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn load() -> Result<Self> {
        let registry = Registry::load()?;
        let mut known = Self { registry, series: BTreeMap::new(), ours: BTreeMap::new() };
        let metrics = known.registry.metrics.values().cloned().collect::<Vec<_>>();
        for metric in &metrics {
            for (name, labels) in prometheus_names(metric) {
                known.ours.insert(name.clone(), metric.name.clone());
                known.series.insert(name, labels);
            }
        }
        for path in files(RECORDED, ".txt")? {
            let lines = text(&path)?;
            for line in lines.lines().filter(|line| !line.starts_with('#')) {
                let (name, labels) = recorded(line).with_context(|| format!("{}: {line}", stem(&path)))?;
                known.series.entry(name).or_default().extend(labels);
            }
        }
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        for (name, _) in Rules::load()?.records {
            known.series.insert(name, words("slo"));
        }
        known.series.insert("ALERTS".to_owned(), words("alertname alertstate severity slo"));
        let info = "job instance service_version deployment_environment_name";
        known.series.insert("target_info".to_owned(), words(info));
        Ok(known)
    }

    /// What is wrong with a use of series.
    #[must_use]
    pub fn faults(&self, asked: &Use) -> Vec<String> {
        let metric = &asked.metric;
        let every = RESOURCE.map(str::to_owned).into();
        let Some(labels) = self.series.get(metric).or_else(|| metric.is_empty().then_some(&every)) else {
            return vec![format!("nothing emits {metric}")];
        };
        let unknown = asked.labels.iter().filter(|label| !labels.contains(*label));
        let mut faults: Vec<_> = unknown.map(|label| format!("{metric} has no label {label}")).collect();
        let values = asked.matches.iter().filter(|each| !self.may_be(each));
        faults.extend(values.map(|each| format!("{metric}: {} is never {}", each.label, each.value)));
        faults
    }

    /// Whether a series is one that the services emit.
    #[must_use]
    pub fn is_ours(&self, metric: &str) -> bool {
        self.ours.contains_key(metric) || metric == "target_info"
    }

    /// The labels of a series.
    #[must_use]
    pub fn labels(&self, metric: &str) -> BTreeSet<String> {
        self.series.get(metric).cloned().unwrap_or_default()
    }

    /// What a capture must show for this use to find something, as [`Registry::seen`] writes it.
    #[must_use]
    pub fn evidence(&self, asked: &Use) -> BTreeSet<String> {
        let Some(metric) = self.ours.get(&asked.metric) else { return BTreeSet::new() };
        let keys = asked.labels.iter().filter_map(|label| self.key(label)).map(|key| format!("label {metric} {key}"));
        let exact = asked.matches.iter().filter(|each| each.operator == "=" && !each.value.is_empty());
        let values = exact.filter_map(|each| {
            let key = self.key(&each.label).filter(|key| self.registry.members(key).is_some())?;
            Some(format!("value {metric} {key} {}", each.value))
        });
        [format!("metric {metric}")].into_iter().chain(keys).chain(values).collect()
    }

    /// The attribute that became a label.
    #[must_use]
    pub fn key(&self, label: &str) -> Option<&str> {
        self.registry.keys().find(|key| underscored(key) == label && !RESOURCE.contains(&label))
    }

    /// Whether an attribute is declared.
    #[must_use]
    pub fn declares(&self, key: &str) -> bool {
        self.registry.keys().any(|declared| declared == key)
    }

    /// Whether a label with a closed set of values can be as demanded.
    fn may_be(&self, demanded: &Match) -> bool {
        let members = self.key(&demanded.label).and_then(|key| self.registry.members(key));
        let Some(members) = members.filter(|members| *members != ["_OTHER"]) else { return true };
        // A pattern is looked at if it is nothing but alternatives.
        let alternatives = demanded.value.split('|');
        let plain = |value: &str| value.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c));
        let values: Vec<_> = match demanded.operator.as_str() {
            "=~" | "!~" if !demanded.value.split('|').all(plain) => return true,
            "=~" | "!~" => alternatives.collect(),
            _ => vec![demanded.value.as_str()],
        };
        values.into_iter().all(|value| value.is_empty() || members.contains(&value))
    }
}

/// A metric's series in Prometheus, each with its labels: dots become underscores, the unit and `_total` are added.
#[must_use]
pub fn prometheus_names(metric: &MetricType) -> Vec<(String, BTreeSet<String>)> {
    let name = base(metric);
    let own = metric.attributes.iter().map(|attribute| underscored(&attribute.r#ref));
    let labels: BTreeSet<String> = own.chain(RESOURCE.map(str::to_owned)).collect();
    match metric.instrument.as_str() {
        "histogram" => {
            let bucket = labels.iter().cloned().chain(["le".to_owned()]).collect();
            let parts = ["_count", "_sum"].map(|part| (format!("{name}{part}"), labels.clone()));
            parts.into_iter().chain([(format!("{name}_bucket"), bucket)]).collect()
        }
        "counter" => vec![(format!("{name}_total"), labels)],
        _ => vec![(name, labels)],
    }
}

/// A metric's name in Prometheus without what its kind adds.
pub(super) fn base(metric: &MetricType) -> String {
    let unit = match metric.unit.as_str() {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    };
    format!("{}{unit}", underscored(&metric.name))
}

pub(super) fn underscored(name: &str) -> String {
    name.replace('.', "_")
}

/// `name{label label}`, and what a store adds.
fn recorded(line: &str) -> Option<(String, BTreeSet<String>)> {
    let (name, labels) = line.strip_suffix('}')?.split_once('{')?;
    let labels = labels.split_whitespace().chain(RESOURCE).map(str::to_owned);
    Some((name.to_owned(), labels.collect()))
}
