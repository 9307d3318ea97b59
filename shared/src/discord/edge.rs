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

    /// Host and port for a client that is not to ask Discord itself, and whether it asks in clear.
    pub(super) fn proxy(&self) -> Option<(String, bool)> {
        let real = self.address == "discord.com" && self.port == 443;
        (!real).then(|| (format!("{}:{}", self.address, self.port), self.url.scheme() == "http"))
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
    /// How often Discord said 429, and how long we waited for its permit.
    pub(super) resends: u32,
    pub(super) waited: Duration,
}

/// A call that is under way.
pub(super) struct Told {
    span: Span,
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
        Self { span, labels, template, since: Instant::now() }
    }

    /// The span, to run the call in.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Ends the span and measures.
    pub(super) fn end(self, ended: &Ended) {
        let Self { span, mut labels, template, since } = self;
        let status = ended.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status)));
        let failed = ended.status.filter(|status| *status >= 400).map(|status| status.to_string());
        let error = failed.or_else(|| ended.error.map(str::to_owned));
        labels.extend(status.clone());
        labels.extend(error.clone().map(|error| KeyValue::new("error.type", error)));
        instruments::get().http_client_duration.record(seconds(since), &labels);
        let template = [KeyValue::new("url.template", template)];
        instruments::get().ratelimit_hits.add(u64::from(ended.resends), &template);

        status.into_iter().for_each(|status| span.set(status));
        if ended.resends > 0 {
            span.set(KeyValue::new("http.request.resend_count", i64::from(ended.resends)));
        }
        if ended.waited >= Duration::from_millis(1) {
            span.set(KeyValue::new("gamesched.discord.ratelimit.wait", ended.waited.as_secs_f64()));
            instruments::get().ratelimit_wait.record(ended.waited.as_secs_f64(), &template);
        }
        if let Some(code) = ended.code {
            span.set(KeyValue::new("gamesched.discord.error_code", i64::try_from(code).unwrap_or_default()));
        }
        if let Some(error) = error {
            span.fail(error);
        }
        span.end();
    }
}
