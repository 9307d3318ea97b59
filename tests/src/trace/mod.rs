//! Spans grouped into trees, and what can be asked of them.
mod story;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::otlp::Span;

pub use story::Story;
pub(crate) use story::label;

/// A trace: its spans as trees, earliest first.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The trace id.
    pub id: String,
    /// One root, unless something is missing.
    pub roots: Vec<Node>,
}

/// A span with its children, earliest first.
#[derive(Clone, Debug)]
pub struct Node {
    /// The span.
    pub span: Span,
    /// Names a parent that has not arrived.
    pub orphan: bool,
    /// The spans that name this one as their parent.
    pub children: Vec<Node>,
}

/// The traces of `spans`, by the start of their first root. No span is left out.
pub fn gather(spans: &[Span]) -> Vec<Trace> {
    let mut by_trace: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        by_trace.entry(&span.trace_id).or_default().push(span);
    }
    let mut traces: Vec<Trace> = by_trace.into_iter().map(|(id, spans)| Trace::of(id, spans)).collect();
    traces.sort_by_key(Trace::start);
    traces
}

/// The first trace whose root has this name.
pub fn rooted<'a>(traces: &'a [Trace], name: &str) -> Option<&'a Trace> {
    traces.iter().find(|trace| trace.root().is_some_and(|root| root.name == name))
}

/// The traces in which some span has this attribute with this value.
pub fn with<'a>(traces: &'a [Trace], key: &str, value: &str) -> Vec<&'a Trace> {
    let has = |span: &Span| span.attribute(key).as_deref() == Some(value);
    traces.iter().filter(|trace| trace.spans().into_iter().any(has)).collect()
}

/// All spans that name a parent which has not arrived.
pub fn orphans(traces: &[Trace]) -> Vec<&Span> {
    traces.iter().flat_map(Trace::orphans).collect()
}

/// How many spans each service made.
pub fn spans_per_service(spans: &[Span]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for span in spans {
        *counts.entry(span.service()).or_default() += 1;
    }
    counts
}

impl Trace {
    fn of(id: &str, mut spans: Vec<&Span>) -> Trace {
        spans.sort_by_key(|span| (span.start, span.end));
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (index, span) in spans.iter().enumerate() {
            by_id.entry(&span.span_id).or_insert(index);
        }
        let parents: Vec<Option<usize>> =
            spans.iter().map(|span| span.parent_id.as_deref().and_then(|id| by_id.get(id).copied())).collect();
        let mut waiting: Vec<Option<&Span>> = spans.into_iter().map(Some).collect();
        let mut roots = Vec::new();
        let parentless = (0..parents.len()).filter(|index| parents[*index].is_none());
        // Spans in a circle of parents hang on no root: after the roots, each still waiting is one.
        for index in parentless.chain(0..parents.len()) {
            roots.extend(grow(index, &parents, &mut waiting));
        }
        for root in &mut roots {
            root.orphan = root.span.parent_id.is_some();
        }
        roots.sort_by_key(|node| (node.orphan, node.span.start));
        Trace { id: id.to_owned(), roots }
    }

    /// The first root, an orphan only when there is nothing else.
    pub fn root(&self) -> Option<&Span> {
        self.roots.first().map(|node| &node.span)
    }

    /// The spans without a parent; a whole trace has exactly one.
    pub fn roots(&self) -> Vec<&Span> {
        self.roots.iter().filter(|node| !node.orphan).map(|node| &node.span).collect()
    }

    /// The spans that name a parent which has not arrived.
    pub fn orphans(&self) -> Vec<&Span> {
        self.roots.iter().filter(|node| node.orphan).map(|node| &node.span).collect()
    }

    /// One root, and every parent is here.
    pub fn whole(&self) -> bool {
        self.roots.len() == 1 && self.orphans().is_empty()
    }

    /// All spans, parents before children.
    pub fn spans(&self) -> Vec<&Span> {
        let mut spans = Vec::new();
        let mut rest: Vec<&Node> = self.roots.iter().rev().collect();
        while let Some(node) = rest.pop() {
            spans.push(&node.span);
            rest.extend(node.children.iter().rev());
        }
        spans
    }

    /// The span with this name, the first in the tree.
    pub fn span(&self, name: &str) -> Option<&Span> {
        self.spans().into_iter().find(|span| span.name == name)
    }

    /// When it began: the start of its root, in nanoseconds since 1970.
    pub fn start(&self) -> u64 {
        self.root().map_or(0, |root| root.start)
    }
}

fn grow(index: usize, parents: &[Option<usize>], waiting: &mut [Option<&Span>]) -> Option<Node> {
    let span = waiting[index].take()?.clone();
    let children = (0..parents.len())
        .filter(|child| parents[*child] == Some(index))
        .filter_map(|child| grow(child, parents, waiting))
        .collect();
    Some(Node { span, orphan: false, children })
}
