//! Spans made by hand, for the tests of this crate.
use std::sync::Arc;

use super::{Kind, Link, Resource, Span, Status};

/// A span `id` of `trace`, from `start` for `took` milliseconds.
pub(crate) fn span(trace: &str, id: &str, service: &str, kind: Kind, name: &str) -> Span {
    let mut resource = Resource::default();
    resource.attributes.insert("service.name".to_owned(), service.into());
    Span {
        resource: Arc::new(resource),
        trace_id: trace.to_owned(),
        span_id: id.to_owned(),
        kind,
        name: name.to_owned(),
        ..Span::default()
    }
}

impl Span {
    pub(crate) fn under(mut self, parent: &str) -> Span {
        self.parent_id = Some(parent.to_owned());
        self
    }

    /// From `start` for `took`, in milliseconds.
    pub(crate) fn at(mut self, start: u64, took: u64) -> Span {
        self.start = start * 1_000_000;
        self.end = (start + took) * 1_000_000;
        self
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<super::Value>) -> Span {
        self.attributes.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn linked(mut self, trace: &str, span: &str, kind: &str) -> Span {
        let mut link = Link { trace_id: trace.to_owned(), span_id: span.to_owned(), ..Link::default() };
        link.attributes.insert("gamesched.link.kind".to_owned(), kind.into());
        self.links.push(link);
        self
    }

    pub(crate) fn failed(self, error: &str) -> Span {
        Span { status: Status::Error(String::new()), ..self.with("error.type", error) }
    }
}
