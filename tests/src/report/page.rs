//! The document around the waterfalls.
use super::waterfall::Places;
use super::{Report, Step};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

pub(super) fn html(report: &Report) -> String {
    let places = Places::of(report);
    let mut first = 0;
    let mut steps = String::new();
    for (index, step) in report.steps.iter().enumerate() {
        steps.push_str(&section(index, step, first, &places));
        first += step.traces.len();
    }
    let title = escape(&report.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n{}{}{}</header>\n{steps}</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        facts(report),
        contents(report),
        places.legend(),
    )
}

fn facts(report: &Report) -> String {
    let fact = |(what, much): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(what), escape(much));
    let facts: String = report.summary.iter().map(fact).collect();
    format!("<dl class=\"facts\">\n{facts}</dl>\n")
}

fn contents(report: &Report) -> String {
    let entry = |(index, step): (usize, &Step)| {
        format!("<li><a href=\"#step-{}\">{}</a></li>\n", index + 1, escape(&step.title))
    };
    let entries: String = report.steps.iter().enumerate().map(entry).collect();
    format!("<nav><ol>\n{entries}</ol></nav>\n")
}

fn section(index: usize, step: &Step, first: usize, places: &Places) -> String {
    let number = index + 1;
    let told: String = step.told.iter().map(|line| format!("<p>{}</p>", escape(line))).collect();
    let said = |(place, text): &(String, String)| {
        let (place, text) = (escape(place), escape(text));
        format!("<div class=\"said\"><h3>{place}</h3><pre>{text}</pre></div>\n")
    };
    let discord: String = step.discord.iter().map(said).collect();
    let traces = step.traces.iter().enumerate();
    let traces: String = traces.map(|(offset, trace)| places.trace(first + offset, trace)).collect();
    format!(
        "<section id=\"step-{number}\">\n<h2>{number}. {}</h2>\n<div class=\"told\">{told}</div>\n\
         <div class=\"discord\">\n{discord}</div>\n{traces}</section>\n",
        escape(&step.title)
    )
}

/// Text that is safe between tags and inside a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
