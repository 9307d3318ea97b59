//! The registry as a page for people, and as names for the services' own check of what they send.

use std::fs;

use anyhow::{Context as _, Result};

use super::model::{Attribute, Level, MetricType, Reference, SpanType, Type};
use super::{Registry, place};

/// Where the page lies.
const PAGE: &str = "docs/telemetry.md";

/// Where the names lie.
const NAMES: &str = "shared/src/telemetry/names.rs";

const HEAD: &str = "# What the services emit

Written by the spec `docs_telemetry_md_is_what_the_registry_says` from the files in `shared/telemetry-registry/`; \
change those and run it with `UPDATE_REGISTRY=1`. Every span, metric and log record that the specs provoke is compared \
with them in `tests/tests/conformance.rs`. Names that do not begin with `gamesched.` are OpenTelemetry's, as its \
semantic conventions 1.44.0 define them.
";

impl Registry {
    /// The page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let parts = [
            HEAD.to_owned(),
            table(
                "Spans",
                "A span that fails has the status ERROR without a description; one that is dropped under way has \
                 `error.type` = `cancelled` and lacks what is known only at the end.",
                &["span", "kind", "name", "always", "when"],
                self.spans.iter().map(span),
            ),
            table("Links", &self.links.brief, &["attribute", "when"], self.links.attributes.iter().map(reference)),
            table(
                "Metrics",
                "Histograms count successes and failures; `error.type` is there only for failures.",
                &["metric", "instrument", "unit", "what", "always", "when"],
                self.metrics.values().map(metric),
            ),
            table("Logs", &self.logs.brief, &["attribute", "when"], self.logs.attributes.iter().map(reference)),
            table("Resource", "Who speaks.", &["attribute", "when"], self.resource.iter().map(reference)),
            table(
                "Attributes",
                "All of them.",
                &["attribute", "values", "what"],
                self.attributes.values().map(attribute),
            ),
        ];
        parts.join("\n")
    }

    /// The names, as a module of the library.
    #[must_use]
    pub fn names(&self) -> String {
        let keys = self.attributes.keys().map(|key| format!("    {key:?},\n"));
        let labels = self.metrics.values().map(|metric| {
            let labels: Vec<_> = metric.attributes.iter().map(|label| format!("{:?}", label.r#ref)).collect();
            format!("    ({:?}, &[{}]),\n", metric.name, labels.join(", "))
        });
        format!(
            "//! What may be sent, as `shared/telemetry-registry` says; written by the spec that writes \
             `docs/telemetry.md`.\n\n\
             /// Keys of attributes, in order.\n#[rustfmt::skip]\n\
             pub(super) const ATTRIBUTES: [&str; {}] = [\n{}];\n\n\
             /// Metrics in order, each with the keys of its labels.\n#[rustfmt::skip]\n\
             pub(super) const LABELS: [(&str, &[&str]); {}] = [\n{}];\n",
            self.attributes.len(),
            keys.collect::<String>(),
            self.metrics.len(),
            labels.collect::<String>(),
        )
    }

    /// The files that are written from the registry and are not what it says.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn stale(&self) -> Result<Vec<&'static str>> {
        let mut stale = Vec::new();
        for (path, text) in [(PAGE, self.markdown()), (NAMES, self.names())] {
            if fs::read_to_string(place(path)).with_context(|| format!("reading {path}"))? != text {
                stale.push(path);
            }
        }
        Ok(stale)
    }

    /// Writes those files.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self) -> Result<()> {
        fs::write(place(PAGE), self.markdown()).with_context(|| format!("writing {PAGE}"))?;
        fs::write(place(NAMES), self.names()).with_context(|| format!("writing {NAMES}"))
    }
}

fn table(title: &str, about: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rule: String = heads.iter().map(|_| "---|").collect();
    let rows: String = rows.map(|cells| line(&cells)).collect();
    format!("## {title}\n\n{about}\n\n{}|{rule}\n{rows}", line(&heads))
}

fn span(span: &SpanType) -> Vec<String> {
    let what = [Some(span.brief.as_str()), span.note.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let title = format!("`{}`: {what}", span.r#type);
    vec![title, span.kind.clone(), span.name.note.clone(), always(&span.attributes), when(&span.attributes)]
}

fn metric(metric: &MetricType) -> Vec<String> {
    vec![
        format!("`{}`", metric.name),
        metric.instrument.clone(),
        format!("`{}`", metric.unit),
        metric.brief.clone(),
        always(&metric.attributes),
        when(&metric.attributes),
    ]
}

fn always(references: &[Reference]) -> String {
    let required = references.iter().filter(|reference| reference.requirement_level == Level::Required);
    required.map(|reference| format!("`{}`", reference.r#ref)).collect::<Vec<_>>().join(" ")
}

fn when(references: &[Reference]) -> String {
    let told = references.iter().filter_map(|reference| match &reference.requirement_level {
        Level::ConditionallyRequired(condition) => Some(format!("`{}`: {condition}", reference.r#ref)),
        Level::Required | Level::Recommended => None,
    });
    told.collect::<Vec<_>>().join("; ")
}

fn reference(reference: &Reference) -> Vec<String> {
    let narrowed = &reference.annotations.values;
    let values: Vec<_> = narrowed.iter().map(|value| format!("`{value}`")).collect();
    let when = match &reference.requirement_level {
        Level::Required => "always".to_owned(),
        Level::ConditionallyRequired(condition) => condition.clone(),
        Level::Recommended => "where it is known".to_owned(),
    };
    let when = if values.is_empty() { when } else { format!("{when}: {}", values.join(" ")) };
    vec![format!("`{}`", reference.r#ref), when]
}

fn attribute(attribute: &Attribute) -> Vec<String> {
    let values = match &attribute.r#type {
        Type::Plain(plain) => {
            let examples = attribute.examples.iter().map(|example| format!("`{example}`")).collect::<Vec<_>>();
            let kind = format!("{plain:?}").to_lowercase();
            if examples.is_empty() { kind } else { format!("{kind}, {}", examples.join(", ")) }
        }
        Type::Members { members } => {
            members.iter().map(|member| format!("`{}`", member.value)).collect::<Vec<_>>().join(" ")
        }
    };
    let note = attribute.note.as_deref().map(|note| format!(" {note}")).unwrap_or_default();
    vec![format!("`{}`", attribute.key), values, format!("{}{note}", attribute.brief)]
}
