//! A trace as a waterfall, a row a span, and the way along links between rows.
use std::collections::{BTreeMap, HashMap};

use super::Report;
use super::page::escape;
use crate::otlp::{Attributes, Event, Link, Span, Status, Value};
use crate::trace::{Node, Trace, label};

const COLOURS: usize = 6;
const SHOWN_FOLLOWERS: usize = 2;

/// Where every span of the report stands, and who links to it.
pub(super) struct Places {
    /// Of the first trace with the span: its number; and what its row shows.
    spans: HashMap<Id, Place>,
    /// The spans that link to a span.
    backlinks: HashMap<Id, Vec<(Id, String)>>,
    /// A colour a service.
    services: BTreeMap<String, usize>,
}

/// Trace id and span id.
type Id = (String, String);

struct Place {
    trace: usize,
    name: String,
}

/// The time a waterfall spans, in nanoseconds.
struct Lane {
    start: u64,
    end: u64,
}

impl Places {
    pub(super) fn of(report: &Report) -> Places {
        let traces = report.steps.iter().flat_map(|step| &step.traces).enumerate();
        let mut places = Places { spans: HashMap::new(), backlinks: HashMap::new(), services: BTreeMap::new() };
        for (trace, span) in traces.flat_map(|(index, trace)| trace.spans().into_iter().map(move |span| (index, span)))
        {
            let colour = places.services.len() % COLOURS;
            places.services.entry(span.service()).or_insert(colour);
            let Some(id) = places.add(trace, span) else {
                continue;
            };
            for link in &span.links {
                let linked = (link.trace_id.clone(), link.span_id.clone());
                places.backlinks.entry(linked).or_default().push((id.clone(), kind_of(link)));
            }
        }
        places
    }

    /// A trace that is shown in two steps is linked to where it stands first.
    fn add(&mut self, trace: usize, span: &Span) -> Option<Id> {
        let id = id_of(span);
        if self.spans.contains_key(&id) {
            return None;
        }
        self.spans.insert(id.clone(), Place { trace, name: span.name.clone() });
        Some(id)
    }

    pub(super) fn legend(&self) -> String {
        let entry = |(service, colour): (&String, &usize)| {
            let service = escape(service);
            format!("<span><i class=\"dot\" style=\"--c:var(--s{colour})\"></i>{service}</span>\n")
        };
        let entries: String = self.services.iter().map(entry).collect();
        format!("<div class=\"legend\">\n{entries}</div>\n")
    }

    pub(super) fn trace(&self, number: usize, trace: &Trace) -> String {
        let spans = trace.spans();
        let lane = Lane {
            start: spans.iter().map(|span| span.start).min().unwrap_or(0),
            end: spans.iter().map(|span| span.end).max().unwrap_or(0),
        };
        let rows: String = trace.roots.iter().map(|root| self.rows(number, root, 0, &lane)).collect();
        let name = trace.root().map_or_else(String::new, |root| escape(&root.name));
        format!(
            "<div class=\"trace\">\n<h3><span class=\"label\">{}</span><span>{name}</span>\
             <small>{} · {} · trace {}</small></h3>\n{rows}</div>\n",
            label(number),
            if spans.len() == 1 { "1 span".to_owned() } else { format!("{} spans", spans.len()) },
            millis(lane.end.saturating_sub(lane.start)),
            escape(&trace.id),
        )
    }

    fn rows(&self, number: usize, node: &Node, depth: usize, lane: &Lane) -> String {
        let mut rows = self.row(number, node, depth, lane);
        for child in &node.children {
            rows.push_str(&self.rows(number, child, depth + 1, lane));
        }
        rows
    }

    fn row(&self, number: usize, node: &Node, depth: usize, lane: &Lane) -> String {
        let span = &node.span;
        let place = self.spans.get(&id_of(span)).filter(|place| place.trace == number);
        let anchor = place.map_or_else(String::new, |_| format!(" id=\"{}\"", anchor(&id_of(span))));
        let failed = if span.error().is_some() { " failed" } else { "" };
        let colour = self.services.get(&span.service()).copied().unwrap_or(0);
        let (left, width) = lane.bar(span);
        format!(
            "<details class=\"row{failed}\"{anchor} style=\"--depth:{depth};--c:var(--s{colour})\">\
             <summary><span class=\"who\">{}</span><span class=\"lane\"><i class=\"bar\" \
             style=\"left:min({left:.3}%, 100% - 3px);width:{width:.3}%\"></i></span>\
             <span class=\"took\">{}</span></summary>\n<div class=\"detail\">{}</div></details>\n",
            self.who(node),
            millis(span.end.saturating_sub(span.start)),
            self.detail(span, lane),
        )
    }

    fn who(&self, node: &Node) -> String {
        let span = &node.span;
        let orphan = if node.orphan { "<span class=\"orphan\">orphan</span>" } else { "" };
        let (service, name) = (escape(&span.service()), escape(&span.name));
        let answer = span
            .attribute("http.response.status_code")
            .map_or_else(String::new, |code| format!("<span class=\"answer\">{}</span>", escape(&code)));
        let error =
            span.error().map_or_else(String::new, |error| format!("<span class=\"error\">! {}</span>", escape(&error)));
        let links: String = span.links.iter().map(|link| self.chip(link)).collect();
        format!(
            "<i class=\"dot\"></i>{orphan}<span class=\"service\">{service}</span>\
             <span class=\"kind\">{}</span><span class=\"name\" title=\"{name}\">{name}</span>\
             {answer}{error}{links}{}",
            span.kind,
            self.followers(span)
        )
    }

    fn chip(&self, link: &Link) -> String {
        let id = (link.trace_id.clone(), link.span_id.clone());
        let kind = escape(&kind_of(link));
        match self.spans.get(&id) {
            Some(place) => format!(
                "<a class=\"chip\" href=\"#{}\" title=\"{kind}: {}\">~ {} {}</a>",
                anchor(&id),
                escape(&place.name),
                label(place.trace),
                first_word(&place.name),
            ),
            None => format!("<span class=\"chip\" title=\"{kind}: not in this report\">~ ?</span>"),
        }
    }

    /// What other traces did because of this span; the rest of many is in its detail.
    fn followers(&self, span: &Span) -> String {
        let links = self.backlinks.get(&id_of(span)).into_iter().flatten();
        let others: Vec<&Id> = links.map(|(id, _)| id).filter(|(trace, _)| *trace != span.trace_id).collect();
        let mut chips = String::new();
        for id in others.iter().take(SHOWN_FOLLOWERS) {
            let Some(place) = self.spans.get(*id) else {
                continue;
            };
            let (name, first) = (escape(&place.name), first_word(&place.name));
            chips.push_str(&format!(
                "<a class=\"chip\" href=\"#{}\" title=\"linked from: {name}\">← {} {first}</a>",
                anchor(id),
                label(place.trace),
            ));
        }
        if others.len() > SHOWN_FOLLOWERS {
            let more = others.len() - SHOWN_FOLLOWERS;
            chips.push_str(&format!("<span class=\"chip\">← {more} more</span>"));
        }
        chips
    }

    fn detail(&self, span: &Span, lane: &Lane) -> String {
        let mut detail = table(&span.attributes);
        if let Status::Error(said) = &span.status
            && !said.is_empty()
        {
            detail.push_str(&format!("<p>status: {}</p>", escape(said)));
        }
        for event in &span.events {
            detail.push_str(&happened(event, span));
        }
        for link in &span.links {
            let id = (link.trace_id.clone(), link.span_id.clone());
            detail.push_str(&format!("<p>link: {}</p>", self.way(&id, &kind_of(link))));
            detail.push_str(&table(&link.attributes));
        }
        for (id, kind) in self.backlinks.get(&id_of(span)).into_iter().flatten() {
            detail.push_str(&format!("<p>linked from: {}</p>", self.way(id, kind)));
        }
        let after = millis(span.start.saturating_sub(lane.start));
        let (trace, id) = (escape(&span.trace_id), escape(&span.span_id));
        let parent = escape(span.parent_id.as_deref().unwrap_or("none"));
        detail.push_str(&format!(
            "<p class=\"ids\">starts after {after} · trace {trace} · span {id} · parent {parent}</p>"
        ));
        detail
    }

    fn way(&self, id: &Id, kind: &str) -> String {
        let kind = if kind.is_empty() { String::new() } else { format!(" ({})", escape(kind)) };
        match self.spans.get(id) {
            Some(place) => {
                let (trace, name) = (label(place.trace), escape(&place.name));
                format!("<a href=\"#{}\">~ {trace} {name}</a>{kind}", anchor(id))
            }
            None => {
                let (trace, span) = (escape(&id.0), escape(&id.1));
                format!("trace {trace}, span {span}, not in this report{kind}")
            }
        }
    }
}

impl Lane {
    /// Where a span's bar begins and how wide it is, in per cent.
    fn bar(&self, span: &Span) -> (f64, f64) {
        let whole = self.end.saturating_sub(self.start).max(1) as f64;
        let percent = |nanos: u64| nanos as f64 / whole * 100.0;
        let left = percent(span.start.saturating_sub(self.start));
        (left, percent(span.end.saturating_sub(span.start)))
    }
}

fn happened(event: &Event, span: &Span) -> String {
    let after = millis(event.time.saturating_sub(span.start));
    let name = escape(&event.name);
    format!("<p>event: {name} after {after}</p>{}", table(&event.attributes))
}

fn table(attributes: &Attributes) -> String {
    if attributes.is_empty() {
        return String::new();
    }
    let row = |(key, value): (&String, &Value)| {
        let (key, value) = (escape(key), escape(&value.to_string()));
        format!("<tr><td>{key}</td><td><code>{value}</code></td></tr>")
    };
    let rows: String = attributes.iter().map(row).collect();
    format!("<table>{rows}</table>")
}

fn first_word(name: &str) -> String {
    escape(name.split_whitespace().next().unwrap_or_default())
}

fn id_of(span: &Span) -> Id {
    (span.trace_id.clone(), span.span_id.clone())
}

/// Only letters and digits, so it is safe as an id and in a fragment.
fn anchor((trace, span): &Id) -> String {
    let safe = |id: &str| id.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("s-{}-{}", safe(trace), safe(span))
}

fn kind_of(link: &Link) -> String {
    link.attributes.get("gamesched.link.kind").map_or_else(String::new, ToString::to_string)
}

fn millis(nanos: u64) -> String {
    let millis = nanos as f64 / 1_000_000.0;
    if millis < 10.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}
