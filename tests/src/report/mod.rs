//! A session as one HTML file: what people saw, and every trace as a waterfall.
//!
//! Self-contained: styles and script are inline, nothing is loaded, it works from a disk.
mod page;
#[cfg(test)]
mod tests;
mod waterfall;

use crate::trace::Trace;

/// What the file tells.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// Facts at a glance: what, and how much.
    pub summary: Vec<(String, String)>,
    /// The session, step by step.
    pub steps: Vec<Step>,
}

/// One step of the session.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was done.
    pub title: String,
    /// What there is to say about it, a line each.
    pub told: Vec<String>,
    /// What appeared in Discord: where, and the text.
    pub discord: Vec<(String, String)>,
    /// The traces it caused.
    pub traces: Vec<Trace>,
}

/// The report as an HTML document.
pub fn html(report: &Report) -> String {
    page::html(report)
}
