//! What arrived, compared with the registry.

use std::collections::BTreeSet;
use std::fmt;

use crate::otlp::{
    Attributes, LogRecord, Metric, MetricKind, Received, Resource, Scope, Span, Status, Temporality, Value,
};

use super::Registry;
use super::model::{Level, Moment, Plain, Reference, SpanType, Type};

/// Something that arrived and is not as declared, or did not arrive and should have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What it is about, `span job notice.reminder of notification-daemon`.
    pub subject: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

/// Findings, each once however often it occurs.
type Findings = BTreeSet<Finding>;

impl Registry {
    /// What is wrong with `received`, each once; a signal of which nothing arrived is a finding, too.
    #[must_use]
    pub fn check(&self, received: &Received) -> Vec<Finding> {
        let mut findings: Findings = self.check_what_came(received).into_iter().collect();
        let counts =
            [("spans", received.spans.len()), ("metrics", received.metrics.len()), ("logs", received.logs.len())];
        for (signal, _) in counts.into_iter().filter(|(_, count)| *count == 0) {
            add(&mut findings, signal, "none arrived");
        }
        findings.into_iter().collect()
    }

    /// The same where nothing has to arrive, because nothing may have run.
    #[must_use]
    pub fn check_what_came(&self, received: &Received) -> Vec<Finding> {
        let mut findings = Findings::new();
        for unreadable in &received.unreadable {
            add(&mut findings, "export", unreadable);
        }
        received.spans.iter().for_each(|span| self.span(span, &mut findings));
        received.metrics.iter().for_each(|metric| self.metric(metric, &mut findings));
        received.logs.iter().for_each(|log| self.log(log, &mut findings));
        findings.into_iter().collect()
    }

    /// The kinds of span with a template that gives this span's name, whatever their SpanKind.
    pub(super) fn kinds_named<'a>(&'a self, span: &'a Span) -> impl Iterator<Item = &'a SpanType> {
        self.spans.iter().filter(|kind| templates(&kind.name.note).any(|template| gives(template, span)))
    }

    fn span(&self, span: &Span, findings: &mut Findings) {
        let subject = format!("span {} of {}", span.name, span.service());
        self.resource(&span.resource, findings);
        self.scope(&subject, &span.scope, findings);
        let mut named: Vec<_> = self.kinds_named(span).collect();
        named.sort_by_key(|kind| kind.kind != span.kind.to_string());
        let Some(kind) = named.first() else {
            let keys: Vec<_> = span.attributes.keys().collect();
            return add(findings, &subject, format!("no declared name fits, with {keys:?}"));
        };
        if kind.kind != span.kind.to_string() {
            add(findings, &subject, format!("is {}, not {}", span.kind, kind.kind));
        }
        let cancelled = span.attribute("error.type").as_deref() == Some("cancelled");
        self.attributes(&subject, &kind.attributes, &span.attributes, cancelled, findings);
        for link in &span.links {
            let subject = format!("{subject}, link");
            self.attributes(&subject, &self.links.attributes, &link.attributes, false, findings);
        }
        match &span.status {
            Status::Unset => {}
            Status::Ok => add(findings, &subject, "says that it went well; success is silent"),
            Status::Error(text) if text.is_empty() && span.attributes.contains_key("error.type") => {}
            Status::Error(_) => add(findings, &subject, "failed with a description, or without error.type"),
        }
        if !span.events.is_empty() || span.dropped != Default::default() {
            add(findings, &subject, "has events, or lost a part of itself");
        }
    }

    fn metric(&self, metric: &Metric, findings: &mut Findings) {
        let subject = format!("metric {} of {}", metric.name, metric.service());
        self.resource(&metric.resource, findings);
        // The SDK tells about itself in a scope of its own.
        if metric.scope.name != "otel.sdk" || !metric.name.starts_with("otel.sdk.") {
            self.scope(&subject, &metric.scope, findings);
        }
        let Some(declared) = self.metrics.get(&metric.name) else {
            return add(findings, &subject, "is not declared");
        };
        if declared.unit != metric.unit {
            add(findings, &subject, format!("is in {:?}, not {:?}", metric.unit, declared.unit));
        }
        let instrument = instrument(metric.kind);
        if instrument != Some(&declared.instrument) {
            add(findings, &subject, format!("is {:?}, not a cumulative {}", metric.kind, declared.instrument));
        }
        for point in &metric.points {
            self.attributes(&subject, &declared.attributes, &point.attributes, false, findings);
        }
    }

    fn log(&self, log: &LogRecord, findings: &mut Findings) {
        self.resource(&log.resource, findings);
        let subject = format!("log {} of {}", log.target(), log.service());
        if !log.event_name.is_empty() {
            add(findings, &subject, format!("is the event {}, which nobody declared", log.event_name));
        }
        self.attributes(&subject, &self.logs.attributes, &log.attributes, false, findings);
    }

    fn resource(&self, resource: &Resource, findings: &mut Findings) {
        let subject = format!("resource of {}", resource.service());
        self.attributes(&subject, &self.resource, &resource.attributes, false, findings);
    }

    fn scope(&self, subject: &str, scope: &Scope, findings: &mut Findings) {
        let told = (scope.name.as_str(), scope.version.as_str(), scope.schema_url.as_str());
        if told != ("gamesched", env!("CARGO_PKG_VERSION"), self.conventions.as_str()) || !scope.attributes.is_empty() {
            add(findings, subject, format!("is in the scope {told:?}"));
        }
    }

    fn attributes(
        &self,
        subject: &str,
        declared: &[Reference],
        given: &Attributes,
        cancelled: bool,
        findings: &mut Findings,
    ) {
        for (key, value) in given {
            match declared.iter().find(|reference| reference.r#ref == *key) {
                None => add(findings, subject, undeclared(key)),
                Some(reference) if !self.allows(reference, value) => {
                    add(findings, subject, format!("{key} is {value:?}"));
                }
                Some(_) => {}
            }
        }
        let missing = declared.iter().filter(|reference| reference.requirement_level == Level::Required);
        let missing = missing.filter(|reference| !given.contains_key(&reference.r#ref));
        // What is known only at the end, a cancelled span never came to know.
        let missing = missing.filter(|reference| !(cancelled && reference.annotations.set == Some(Moment::End)));
        for reference in missing {
            add(findings, subject, format!("{} is missing", reference.r#ref));
        }
    }

    fn allows(&self, reference: &Reference, value: &Value) -> bool {
        let Some(attribute) = self.attributes.get(&reference.r#ref) else { return false };
        let narrowed = &reference.annotations.values;
        let here = narrowed.is_empty() || narrowed.contains(&value.to_string());
        here && match (&attribute.r#type, value) {
            (Type::Plain(Plain::String), Value::Text(text)) => !text.is_empty(),
            (Type::Plain(Plain::Int), Value::Int(_))
            | (Type::Plain(Plain::Double), Value::Double(_))
            | (Type::Plain(Plain::Boolean), Value::Bool(_)) => true,
            (Type::Members { members }, Value::Text(text)) => match members.as_slice() {
                // The conventions close no set that knows only the others.
                [only] if only.value == "_OTHER" => !text.is_empty(),
                members => members.iter().any(|member| member.value == *text),
            },
            _ => false,
        }
    }
}

fn add(findings: &mut Findings, subject: &str, problem: impl Into<String>) {
    findings.insert(Finding { subject: subject.to_owned(), problem: problem.into() });
}

/// A key that a sender repeats arrives as `key#2`.
fn undeclared(key: &str) -> String {
    match key.split_once('#') {
        Some((key, _)) => format!("{key} is given more than once"),
        None => format!("{key} is not declared here"),
    }
}

fn instrument(kind: MetricKind) -> Option<&'static str> {
    match kind {
        MetricKind::Gauge => Some("gauge"),
        MetricKind::Sum { monotonic: true, temporality: Temporality::Cumulative } => Some("counter"),
        MetricKind::Sum { monotonic: false, temporality: Temporality::Cumulative } => Some("updowncounter"),
        MetricKind::Histogram(Temporality::Cumulative) => Some("histogram"),
        _ => None,
    }
}

/// What stands in back quotes.
pub(super) fn templates(note: &str) -> impl Iterator<Item = &str> {
    note.split('`').skip(1).step_by(2)
}

/// Whether the template, with the span's attributes put in, is its name.
fn gives(template: &str, span: &Span) -> bool {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((key, after)) = after.split_once('}') else { return false };
        let Some(value) = span.attribute(key) else { return false };
        name.push_str(before);
        name.push_str(&value);
        rest = after;
    }
    name.push_str(rest);
    name == span.name
}
