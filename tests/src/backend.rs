//! Prometheus, Loki and Tempo as they are in the local backend, where somebody has the programs.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::alloy::named;
use crate::grafana::place;
use crate::servers::ports;

/// How long each may take until it is ready.
const READY: Duration = Duration::from_secs(60);

/// The folder with `prometheus`, `loki` and `tempo` that `BACKEND` names. Without it nothing is proved, and that is said;
/// with `REQUIRE_BACKEND` its absence is a failure.
#[must_use]
pub fn available(spec: &str) -> Option<PathBuf> {
    let folder = named("BACKEND", spec)?;
    for program in ["prometheus", "loki", "tempo"] {
        assert!(folder.join(program).is_file(), "BACKEND={} has no {program}", folder.display());
    }
    Some(folder)
}

/// Three stores, and nothing in them. They end when this is dropped.
pub struct Backend {
    metrics: SocketAddr,
    lines: SocketAddr,
    traces: SocketAddr,
    /// Where Tempo takes OTLP.
    spans: SocketAddr,
    client: Client,
    directory: TempDir,
    running: Vec<Child>,
}

impl Backend {
    /// Starts `prometheus`, `loki` and `tempo` of a folder, set up as in `grafana/otel-lgtm` 0.31.0; Prometheus with
    /// the configuration and the rules that are shipped for it.
    ///
    /// # Errors
    /// When one does not get ready; the message shows its last lines.
    pub async fn start(programs: &Path) -> Result<Self> {
        let local = || Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], ports::free()?)));
        let directory = tempfile::Builder::new().prefix("backend-").tempdir()?;
        let (metrics, lines, traces, spans) = (local()?, local()?, local()?, local()?);
        let mut backend = Self { metrics, lines, traces, spans, client: Client::new(), directory, running: Vec::new() };
        let rules = place("compose/prometheus/rules").canonicalize()?.display().to_string();
        let shipped = fs::read_to_string(place("compose/prometheus/prometheus.yaml"))?;
        let listens = format!("--web.listen-address={metrics}");
        let flags = ["--web.enable-otlp-receiver", "--enable-feature=exemplar-storage", &listens];
        let configuration = shipped.replace("/otel-lgtm/game-scheduler/rules", &rules);
        backend.run(programs, "prometheus", &configuration, &flags)?;
        backend.run(programs, "loki", &loki(lines, local()?), &[])?;
        backend.run(programs, "tempo", &tempo([traces, spans, local()?, local()?]), &[])?;
        backend.ready("prometheus", metrics, "-/ready").await?;
        backend.ready("loki", lines, "ready").await?;
        backend.ready("tempo", traces, "ready").await?;
        Ok(backend)
    }

    fn run(&mut self, programs: &Path, name: &str, configuration: &str, arguments: &[&str]) -> Result<()> {
        let home = self.directory.path().join(name);
        fs::create_dir(&home)?;
        let file = home.join("configuration.yaml");
        fs::write(&file, configuration)?;
        let lines = File::create(home.join("log"))?;
        let mut command = Command::new(programs.join(name));
        command.arg(format!("--config.file={}", file.display())).args(arguments).current_dir(home);
        command.stdin(Stdio::null()).stdout(lines.try_clone()?).stderr(lines).kill_on_drop(true);
        self.running.push(command.spawn().with_context(|| format!("starting {name}"))?);
        Ok(())
    }

    async fn ready(&self, name: &str, at: SocketAddr, path: &str) -> Result<()> {
        let until = Instant::now() + READY;
        loop {
            let answer = self.client.get(format!("http://{at}/{path}")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > until {
                let log = fs::read_to_string(self.directory.path().join(name).join("log")).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(10).collect();
                bail!("{name} is not ready after {READY:?}:\n{}", last.join("\n"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Where each takes OTLP over HTTP, as Alloy's exporter names it. The image has a collector before them.
    #[must_use]
    pub fn takes(&self) -> [(&'static str, String); 3] {
        [
            ("metrics_endpoint", format!("http://{}/api/v1/otlp/v1/metrics", self.metrics)),
            ("logs_endpoint", format!("http://{}/otlp/v1/logs", self.lines)),
            ("traces_endpoint", format!("http://{}/v1/traces", self.spans)),
        ]
    }

    /// The series that a PromQL query finds now.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn series(&self, query: &str) -> Result<Vec<Value>> {
        let answer = self.asks(self.metrics, "api/v1/query", &[("query", query)]).await?;
        Ok(listed(&answer["data"]["result"]))
    }

    /// The examples, each with its labels, that the series of a PromQL query had in the last hour.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn examples(&self, query: &str) -> Result<Vec<Value>> {
        let [start, end] = last_hour();
        let query = [("query", query), ("start", &start), ("end", &end)];
        let answer = self.asks(self.metrics, "api/v1/query_exemplars", &query).await?;
        Ok(listed(&answer["data"]).iter().flat_map(|series| listed(&series["exemplars"])).collect())
    }

    /// The streams that a LogQL query finds in the last hour.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn lines(&self, query: &str) -> Result<Vec<Value>> {
        let query = [("query", query), ("since", "1h"), ("limit", "20")];
        let answer = self.asks(self.lines, "loki/api/v1/query_range", &query).await?;
        Ok(listed(&answer["data"]["result"]))
    }

    /// The traces that a TraceQL query finds in the last hour.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn traces(&self, query: &str) -> Result<Vec<Value>> {
        let [start, end] = last_hour();
        let query = [("q", query), ("limit", "20"), ("start", &start), ("end", &end)];
        let answer = self.asks(self.traces, "api/search", &query).await?;
        Ok(listed(&answer["traces"]))
    }

    /// Whether a trace is there.
    ///
    /// # Errors
    /// When the question is refused.
    pub async fn has(&self, trace: &str) -> Result<bool> {
        let answer = self.client.get(format!("http://{}/api/v2/traces/{trace}", self.traces)).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success() || status == StatusCode::NOT_FOUND, "{status}: {text}");
        Ok(status.is_success() && text.contains("spanId"))
    }

    async fn asks(&self, at: SocketAddr, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let url = Url::parse_with_params(&format!("http://{at}/{path}"), query)?;
        let answer = self.client.get(url).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("reading {text}"))
    }
}

/// Its beginning and its end, in seconds since 1970.
fn last_hour() -> [String; 2] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    [now - 3_600, now].map(|second| second.to_string())
}

fn listed(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Everything relative lies in the directory that it is started in.
fn loki(http: SocketAddr, grpc: SocketAddr) -> String {
    format!(
        r"auth_enabled: false
server: {{ http_listen_address: 127.0.0.1, http_listen_port: {}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {} }}
common:
  instance_addr: 127.0.0.1
  path_prefix: data
  storage: {{ filesystem: {{ chunks_directory: data/chunks, rules_directory: data/rules }} }}
  replication_factor: 1
  ring: {{ kvstore: {{ store: inmemory }} }}
schema_config:
  configs:
    - {{ from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {{ prefix: index_, period: 24h }} }}
pattern_ingester: {{ lifecycler: {{ min_ready_duration: 1s }} }}
ingester: {{ lifecycler: {{ min_ready_duration: 1s }} }}
frontend: {{ scheduler_dns_lookup_period: 1s, address: 127.0.0.1 }}
query_scheduler: {{ use_scheduler_ring: false }}
analytics: {{ reporting_enabled: false }}
",
        http.port(),
        grpc.port()
    )
}

/// As above. Its own metrics of spans go nowhere: the image writes them beside Alloy's.
fn tempo([http, otlp, grpc, members]: [SocketAddr; 4]) -> String {
    format!(
        r"server: {{ http_listen_address: 127.0.0.1, http_listen_port: {}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {} }}
distributor: {{ receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: '{otlp}' }} }} }} }} }}
memberlist: {{ bind_addr: [127.0.0.1], bind_port: {} }}
querier: {{ frontend_worker: {{ frontend_address: '{grpc}' }} }}
storage: {{ trace: {{ backend: local, wal: {{ path: data/wal }}, local: {{ path: data/blocks }} }} }}
usage_report: {{ reporting_enabled: false }}
",
        http.port(),
        grpc.port(),
        members.port()
    )
}
