//! Traces as text: `service kind name answer {chosen attributes} !error.type ~X(span)`.
//!
//! The text is the same for every run of the same story: siblings stand by start time, except
//! that producers come last, by name, and the consumers of one message by service and name.
use std::collections::HashMap;
use std::time::Duration;

use super::{Node, Trace, gather};
use crate::otlp::{Kind, Link, Received, Span, Value};

/// Lines of a story told with durations are folded here, to fit a terminal.
const WIDTH: usize = 108;

/// How to tell a set of traces.
#[derive(Clone, Debug, Default)]
pub struct Story {
    traces: Vec<Trace>,
    shown: Vec<Shown>,
    names: HashMap<String, String>,
    stripped: Vec<String>,
    durations: bool,
    /// The ids of the traces that are printed; all are, when there are none.
    printed: Vec<String>,
}

#[derive(Clone, Debug)]
struct Shown {
    key: String,
    below: Option<f64>,
}

struct Line {
    text: String,
    took: Option<Duration>,
}

impl Story {
    /// All traces that have arrived, by start.
    pub fn new(received: &Received) -> Story {
        Story { traces: gather(&received.spans), ..Story::default() }
    }

    /// These traces, in this order.
    pub fn of<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Story {
        Story { traces: traces.into_iter().cloned().collect(), ..Story::default() }
    }

    /// Only the traces for which `chosen` holds; links to the others show `~?`.
    pub fn only(mut self, chosen: impl Fn(&Trace) -> bool) -> Story {
        self.traces.retain(|trace| chosen(trace));
        self
    }

    /// Prints only the traces for which `chosen` holds; the others keep their labels, and links name them.
    pub fn printing(mut self, chosen: impl Fn(&Trace) -> bool) -> Story {
        self.printed = self.traces.iter().filter(|trace| chosen(trace)).map(|trace| trace.id.clone()).collect();
        self
    }

    /// Shows these attributes, in this order, where a span has them.
    pub fn show(mut self, keys: &[&str]) -> Story {
        self.shown.extend(keys.iter().map(|key| Shown { key: (*key).to_owned(), below: None }));
        self
    }

    /// Shows a number that differs from run to run as `key<limit` while it is below the limit.
    pub fn below(mut self, key: &str, limit: f64) -> Story {
        self.shown.push(Shown { key: key.to_owned(), below: Some(limit) });
        self
    }

    /// Shows `name` for an attribute whose value is `value`, an id.
    pub fn name(mut self, value: impl ToString, name: &str) -> Story {
        self.names.insert(value.to_string(), name.to_owned());
        self
    }

    /// Removes `prefix` from names and values wherever it stands: a test's namespace.
    pub fn strip(mut self, prefix: &str) -> Story {
        self.stripped.push(prefix.to_owned());
        self
    }

    /// For people: durations at the right, lateness, long lines folded.
    pub fn durations(mut self, durations: bool) -> Story {
        self.durations = durations;
        self
    }

    /// The story.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for (index, trace) in self.traces.iter().enumerate() {
            if !self.printed.is_empty() && !self.printed.contains(&trace.id) {
                continue;
            }
            let mut of_trace = self.siblings(trace.roots.iter().collect(), 0, true);
            if let Some(first) = of_trace.first_mut() {
                let rest = first.text.trim_start().to_owned();
                first.text = format!("{:<3}{rest}", label(index));
            }
            lines.append(&mut of_trace);
        }
        self.aligned(lines)
    }

    /// Durations in one column, or none.
    fn aligned(&self, lines: Vec<Line>) -> String {
        let width = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for line in lines {
            match line.took.filter(|_| self.durations) {
                None => text.push_str(&line.text),
                Some(took) => {
                    let took = format!("{:.1} ms", took.as_secs_f64() * 1000.0);
                    text.push_str(&format!("{:<width$}  {took:>11}", line.text));
                }
            }
            text.push('\n');
        }
        text
    }

    /// The lines of nodes in order, those that may share a line joined.
    fn siblings(&self, nodes: Vec<&Node>, depth: usize, roots: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut rest = &nodes[..];
        while let Some(first) = rest.first() {
            let together = 1 + rest[1..].iter().take_while(|next| !roots && share_a_line(first, next)).count();
            let (joined, after) = rest.split_at(together);
            lines.append(&mut self.run(joined, depth));
            lines.append(&mut self.siblings(self.ordered(first, depth + 1), depth + 1, false));
            rest = after;
        }
        lines
    }

    /// Children in the canonical order.
    fn ordered<'a>(&self, parent: &'a Node, depth: usize) -> Vec<&'a Node> {
        // Equals are told apart by what they look like, never by which came first.
        let look = |node: &Node| {
            let lines = self.siblings(vec![node], depth, true);
            lines.into_iter().map(|line| line.text + "\n").collect::<String>()
        };
        let (mut producers, mut ordered): (Vec<_>, Vec<_>) =
            parent.children.iter().partition(|child| child.span.kind == Kind::Producer);
        producers.sort_by_cached_key(|node| (node.span.name.clone(), look(node)));
        if parent.span.kind == Kind::Producer {
            ordered.sort_by_cached_key(|node| {
                let consumer = node.span.kind == Kind::Consumer;
                consumer.then(|| (node.span.service(), node.span.name.clone(), look(node)))
            });
        }
        ordered.append(&mut producers);
        ordered
    }

    /// One line for spans that share it; more where it is folded.
    fn run(&self, nodes: &[&Node], depth: usize) -> Vec<Line> {
        let Some(first) = nodes.first() else {
            return Vec::new();
        };
        let orphan = if first.orphan { "(orphan) " } else { "" };
        let indent = 3 + 2 * depth;
        let mut lines = vec![Line {
            text: format!(
                "{:indent$}{orphan}{} {} {}",
                "",
                first.span.service(),
                first.span.kind,
                self.told(&first.span)
            ),
            took: extent(nodes),
        }];
        for node in &nodes[1..] {
            let told = format!(" · {}", self.told(&node.span));
            match lines.last_mut() {
                Some(line) if !self.durations || chars(&line.text) + chars(&told) <= WIDTH => {
                    line.text.push_str(&told);
                }
                Some(_) | None => {
                    lines.push(Line { text: format!("{:indent$}   {told}", ""), took: None });
                }
            }
        }
        lines
    }

    /// `name answer {chosen attributes} !error.type ~X(span)`.
    fn told(&self, span: &Span) -> String {
        let mut told = self.plain(&span.name);
        if let Some(answer) = span.attribute("http.response.status_code") {
            told.push_str(&format!(" {answer}"));
        }
        let shown: Vec<String> = self.shown.iter().filter_map(|shown| self.chosen(span, shown)).collect();
        if !shown.is_empty() {
            told.push_str(&format!(" {{{}}}", shown.join(", ")));
        }
        if let Some(error) = span.error() {
            told.push_str(&format!(" !{}", self.plain(&error)));
        }
        for link in &span.links {
            told.push_str(&format!(" ~{}", self.target(link)));
        }
        if let Some(late) = span.attribute("gamesched.job.lateness").filter(|_| self.durations) {
            let late = late.parse().map_or(late, |late: f64| format!("{late:.3}"));
            told.push_str(&format!(" ({late} s late)"));
        }
        told
    }

    fn chosen(&self, span: &Span, shown: &Shown) -> Option<String> {
        let key = &shown.key;
        let value = span.attributes.get(key)?;
        let number = match value {
            Value::Int(number) => Some(*number as f64),
            Value::Double(number) => Some(*number),
            Value::Text(_) | Value::Bool(_) | Value::Bytes(_) | Value::Empty => None,
            Value::List(_) | Value::Map(_) => None,
        };
        match (number, shown.below) {
            (Some(number), Some(limit)) if number < limit => Some(format!("{key}<{limit}")),
            (_, _) => Some(format!("{key}={}", self.value(value))),
        }
    }

    fn value(&self, value: &Value) -> String {
        let value = value.to_string();
        self.names.get(&value).cloned().unwrap_or_else(|| self.plain(&value))
    }

    fn plain(&self, text: &str) -> String {
        self.stripped.iter().fold(text.to_owned(), |text, prefix| text.replace(prefix, ""))
    }

    /// `A(publish)`: the label of the linked trace and what the linked span does.
    fn target(&self, link: &Link) -> String {
        let Some(index) = self.traces.iter().position(|trace| trace.id == link.trace_id) else {
            return "?".to_owned();
        };
        let spans = self.traces[index].spans();
        let linked = spans.into_iter().find(|span| span.span_id == link.span_id);
        let name = linked.map_or_else(|| "?".to_owned(), |span| self.plain(&short(span)));
        format!("{}({name})", label(index))
    }
}

/// Childless siblings of one service and kind, both of which succeeded.
fn share_a_line(first: &Node, next: &Node) -> bool {
    let alone = |node: &Node| node.children.is_empty() && node.span.error().is_none();
    alone(first) && alone(next) && first.span.kind == next.span.kind && first.span.service() == next.span.service()
}

/// A server span is its whole name, of others the first word says what they do.
fn short(span: &Span) -> String {
    let name = &span.name;
    if span.kind == Kind::Server {
        return name.clone();
    }
    name.split_whitespace().next().unwrap_or(name).to_owned()
}

/// From the first start to the last end.
fn extent(nodes: &[&Node]) -> Option<Duration> {
    let start = nodes.iter().map(|node| node.span.start).min()?;
    let end = nodes.iter().map(|node| node.span.end).max()?;
    Some(Duration::from_nanos(end.saturating_sub(start)))
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A to Z, then A1 to Z1 and so on.
pub(crate) fn label(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or_default());
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}
