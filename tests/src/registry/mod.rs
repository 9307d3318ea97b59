//! The convention registry: what the services may emit, compared with what they do emit.

mod check;
mod model;
mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;

use crate::otlp::{Attributes, Received, Span};
use model::{ByName, Definition, Group, Manifest};

pub use check::Finding;
pub use model::{Annotations, Attribute, Level, Member, MetricType, Moment, Name, Plain, Reference, SpanType, Type};

/// Our own definitions.
const OURS: [&str; 5] = ["attributes.yaml", "groups.yaml", "metrics.yaml", "resource.yaml", "spans.yaml"];
/// Where they lie.
const REGISTRY: &str = "shared/telemetry-registry";
/// The excerpt of the conventions that they refer to.
const IMPORTED: &str = "shared/telemetry-conventions/imported.yaml";

/// All that may be emitted.
#[derive(Debug)]
pub struct Registry {
    /// Of the semantic conventions; the services name it as theirs.
    conventions: String,
    attributes: ByName<Attribute>,
    resource: Vec<model::Reference>,
    logs: Group,
    links: Group,
    /// Kinds of span, in the order of the file.
    pub spans: Vec<SpanType>,
    /// Metrics, by name.
    pub metrics: ByName<MetricType>,
}

/// How much of what is declared a capture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Kinds of span and metrics that occur.
    pub seen: usize,
    /// All of them.
    pub declared: usize,
    /// Those that do not occur.
    pub unseen: Vec<String>,
}

impl Registry {
    /// Where the files lie, for Weaver.
    #[must_use]
    pub fn directory() -> PathBuf {
        place(REGISTRY)
    }

    /// Reads the files and checks that they fit together.
    ///
    /// # Errors
    /// When one cannot be read, refers to what is nowhere, declares something twice or something that nothing uses.
    pub fn load() -> Result<Self> {
        let manifest: Manifest = read(&format!("{REGISTRY}/manifest.yaml"))?;
        let conventions = manifest.dependencies.first().context("the manifest names no conventions")?;
        let excerpt: Manifest = read("shared/telemetry-conventions/manifest.yaml")?;
        ensure!(conventions.schema_url == excerpt.schema_url, "the excerpt is of another release");
        ensure!(manifest.schema_url.starts_with("https://"), "the registry needs a schema_url of its own");
        let mut all = definition(IMPORTED)?;
        for file in OURS {
            let one = definition(&format!("{REGISTRY}/{file}"))?;
            all.attributes.extend(one.attributes);
            all.attribute_groups.extend(one.attribute_groups);
            all.entities.extend(one.entities);
            all.spans.extend(one.spans);
            all.metrics.extend(one.metrics);
        }
        let registry = Self::of(conventions.schema_url.clone(), all)?;
        registry.fits()?;
        Ok(registry)
    }

    fn of(conventions: String, all: Definition) -> Result<Self> {
        let groups = all.attribute_groups;
        let group =
            |id: &str| groups.iter().find(|group| group.id == id).cloned().with_context(|| format!("no group {id}"));
        let (logs, links) = (group("gamesched.log")?, group("gamesched.link")?);
        let entities = all.entities.into_iter();
        Ok(Self {
            conventions,
            attributes: by_name(all.attributes, |attribute| &attribute.key)?,
            resource: entities.flat_map(|entity| entity.identity.into_iter().chain(entity.description)).collect(),
            logs,
            links,
            spans: all.spans,
            metrics: by_name(all.metrics, |metric| &metric.name)?,
        })
    }

    /// Everything that is used is declared, and the other way round.
    fn fits(&self) -> Result<()> {
        let lists = [&self.resource, &self.logs.attributes, &self.links.attributes];
        let of_spans = self.spans.iter().map(|span| &span.attributes);
        let of_metrics = self.metrics.values().map(|metric| &metric.attributes);
        let lists = lists.into_iter().chain(of_spans).chain(of_metrics);
        let used: BTreeSet<&str> = lists.flatten().map(|reference| reference.r#ref.as_str()).collect();
        let declared: BTreeSet<&str> = self.attributes.keys().map(String::as_str).collect();
        let unknown: Vec<_> = used.difference(&declared).collect();
        ensure!(unknown.is_empty(), "used and not declared: {unknown:?}");
        let idle: Vec<_> = declared.difference(&used).collect();
        ensure!(idle.is_empty(), "declared and not used: {idle:?}");
        let types: BTreeSet<&str> = self.spans.iter().map(|span| span.r#type.as_str()).collect();
        ensure!(types.len() == self.spans.len(), "a kind of span is declared twice");
        Ok(())
    }

    /// How much of what is declared occurs in `received`.
    #[must_use]
    pub fn coverage(&self, received: &Received) -> Coverage {
        let spans: BTreeSet<&str> = received.spans.iter().flat_map(|span| self.types(span)).collect();
        let metrics: BTreeSet<&str> = received.metrics.iter().map(|metric| metric.name.as_str()).collect();
        let names = self.spans.iter().map(|span| span.r#type.as_str()).filter(|name| !spans.contains(name));
        let unmeasured = self.metrics.keys().map(String::as_str).filter(|name| !metrics.contains(name));
        let unseen: Vec<String> = names.chain(unmeasured).map(str::to_owned).collect();
        let declared = self.spans.len() + self.metrics.len();
        Coverage { seen: declared - unseen.len(), declared, unseen }
    }

    /// Everything that is declared: kinds of span, metrics, attributes.
    #[must_use]
    pub fn declared(&self) -> BTreeSet<String> {
        let spans = self.spans.iter().map(|span| format!("span {}", span.r#type));
        let metrics = self.metrics.keys().map(|name| format!("metric {name}"));
        let attributes = self.attributes.keys().map(|key| format!("attribute {key}"));
        spans.chain(metrics).chain(attributes).collect()
    }

    /// What of it occurs in `received`.
    #[must_use]
    pub fn seen(&self, received: &Received) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut keys = |given: &Attributes| {
            let keys = given.keys().filter(|key| self.attributes.contains_key(*key));
            seen.extend(keys.map(|key| format!("attribute {key}")));
        };
        for span in &received.spans {
            keys(&span.attributes);
            keys(&span.resource.attributes);
            span.links.iter().for_each(|link| keys(&link.attributes));
        }
        received.logs.iter().for_each(|log| keys(&log.attributes));
        received.metrics.iter().flat_map(|metric| &metric.points).for_each(|point| keys(&point.attributes));
        let unseen: BTreeSet<String> = self.coverage(received).unseen.into_iter().collect();
        let spans = self.spans.iter().filter(|span| !unseen.contains(&span.r#type));
        seen.extend(spans.map(|span| format!("span {}", span.r#type)));
        let metrics = self.metrics.keys().filter(|name| !unseen.contains(*name));
        seen.extend(metrics.map(|name| format!("metric {name}")));
        seen.extend(self.series_seen(received));
        seen
    }

    /// The labels of metrics in `received`, and those values of them that are from a closed set.
    fn series_seen(&self, received: &Received) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        for metric in &received.metrics {
            for (key, value) in metric.points.iter().flat_map(|point| &point.attributes) {
                seen.insert(format!("label {} {key}", metric.name));
                if self.members(key).is_some() {
                    seen.insert(format!("value {} {key} {value}", metric.name));
                }
            }
        }
        seen
    }

    /// The names of all attributes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }

    /// The values that a declared attribute may have; none for one whose set is open.
    #[must_use]
    pub fn members(&self, key: &str) -> Option<Vec<&str>> {
        match &self.attributes.get(key)?.r#type {
            Type::Members { members } => Some(members.iter().map(|member| member.value.as_str()).collect()),
            Type::Plain(_) => None,
        }
    }

    fn types<'a>(&'a self, span: &'a Span) -> impl Iterator<Item = &'a str> {
        self.kinds_named(span).filter(|kind| kind.kind == span.kind.to_string()).map(|kind| kind.r#type.as_str())
    }
}

fn by_name<T>(all: Vec<T>, name: impl Fn(&T) -> &String) -> Result<ByName<T>> {
    let mut named = ByName::new();
    for one in all {
        let name = name(&one).clone();
        ensure!(named.insert(name.clone(), one).is_none(), "{name} is declared twice");
    }
    Ok(named)
}

fn definition(path: &str) -> Result<Definition> {
    let definition: Definition = read(path)?;
    ensure!(definition.file_format == "definition/2", "{path} is in another format");
    Ok(definition)
}

fn read<T: DeserializeOwned>(path: &str) -> Result<T> {
    let text = fs::read_to_string(place(path)).with_context(|| format!("reading {path}"))?;
    yaml_serde::from_str(&text).with_context(|| format!("reading {path}"))
}

/// A path from the root of the project.
fn place(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}
