//! The edge to Discord: one span and one measurement a call. No trace header leaves.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use opentelemetry::KeyValue;
use reqwest::Url;

use crate::telemetry::instruments::{self, seconds};
use crate::telemetry::span::{self, Span};

/// Where Discord is.
#[derive(Clone, Debug)]
pub(super) struct Base {
    url: Url,
    address: String,
    port: u16,
}

impl Base {
    /// `https://discord.com`, or where a simulator listens.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let url: Url = url.parse().ok().context("DISCORD_API_URL is not a URL")?;
        ensure!(matches!(url.scheme(), "http" | "https"), "DISCORD_API_URL is neither http nor https");
        let address = url.host_str().context("DISCORD_API_URL names no host")?.to_owned();
        let port = url.port_or_known_default().context("DISCORD_API_URL names no port")?;
        Ok(Self { url, address, port })
    }

    /// The address of a resource; `path` begins with a slash.
    pub(super) fn api(&self, path: &str) -> String {
        format!("{}/api/v10{path}", self.url.as_str().trim_end_matches('/'))
    }
}

/// How a call ended, as telemetry says it.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) status: Option<u16>,
    pub(super) code: Option<u64>,
    /// The class where the status is none or no error.
    pub(super) error: Option<&'static str>,
    /// How often it was sent again.
    pub(super) resends: usize,
    /// The scope of each 429 that was met.
    pub(super) limited: Vec<&'static str>,
    /// How long permits took; none where none are needed.
    pub(super) waited: Option<Duration>,
}

/// A call that is under way. Dropping it unfinished tells that it was cancelled.
pub(super) struct Told {
    span: Span,
    measured: Measured,
}

/// Measures a call at its end, whichever that is.
struct Measured {
    labels: Vec<KeyValue>,
    template: &'static str,
    since: Instant,
}

impl Told {
    /// Starts telling; `path` has its secrets taken out and no query.
    pub(super) fn start(base: &Base, method: &'static str, template: &'static str, path: &str) -> Self {
        let labels = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("server.address", base.address.clone()),
            KeyValue::new("server.port", i64::from(base.port)),
            KeyValue::new("url.template", template),
        ];
        let span = span::client(format!("{method} {template}"), || {
            let mut attributes = labels.clone();
            attributes.push(KeyValue::new("url.full", base.api(path)));
            attributes
        });
        Self { span, measured: Measured { labels, template, since: Instant::now() } }
    }

    /// The span, to run the call in.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Ends the span and measures.
    pub(super) fn end(self, ended: &Ended) {
        let Self { span, mut measured } = self;
        let failed = ended.status.filter(|status| *status >= 400).map(|status| status.to_string());
        let error = failed.or_else(|| ended.error.map(str::to_owned));
        measured.count(ended);
        measured.end(ended.status, error.clone());
        describe(&span, ended);
        if let Some(error) = error {
            span.fail(error);
        }
        span.end();
    }
}

impl Measured {
    fn end(&mut self, status: Option<u16>, error: Option<String>) {
        let mut labels = std::mem::take(&mut self.labels);
        labels.extend(status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        labels.extend(error.map(|error| KeyValue::new("error.type", error)));
        instruments::get().http_client_duration.record(seconds(self.since), &labels);
    }

    /// Every 429 by its scope, and the wait for permits.
    fn count(&self, ended: &Ended) {
        let template = KeyValue::new("url.template", self.template);
        for scope in &ended.limited {
            let labels = [template.clone(), KeyValue::new("gamesched.discord.ratelimit.scope", *scope)];
            instruments::get().ratelimit_hits.add(1, &labels);
        }
        if let Some(waited) = ended.waited {
            instruments::get().ratelimit_wait.record(waited.as_secs_f64(), &[template]);
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.labels.is_empty() {
            self.end(None, Some("cancelled".to_owned()));
        }
    }
}

/// What is known of a call at its end.
fn describe(span: &Span, ended: &Ended) {
    if let Some(status) = ended.status {
        span.set(KeyValue::new("http.response.status_code", i64::from(status)));
    }
    if let Ok(resends @ 1..) = i64::try_from(ended.resends) {
        span.set(KeyValue::new("http.request.resend_count", resends));
    }
    if let Some(waited) = ended.waited.filter(|waited| *waited >= Duration::from_millis(1)) {
        span.set(KeyValue::new("gamesched.discord.ratelimit.wait", waited.as_secs_f64()));
    }
    if let Some(code) = ended.code {
        span.set(KeyValue::new("gamesched.discord.error_code", i64::try_from(code).unwrap_or_default()));
    }
}
