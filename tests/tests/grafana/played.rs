//! A played session in a real Prometheus: every panel and every rule is asked, none fails, and none that is about us
//! says nothing. Where there is no `prometheus` (a distribution's package) this says so and proves nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tests::grafana::{Expression, Known, boards, open_metrics, place};
use tests::registry::Registry;
use tests::world::{World, free_address};

use crate::conformance::play;

/// How long Prometheus may take to start, and to look at all rules twice.
const PATIENCE: Duration = Duration::from_secs(60);

/// Panels about us that are empty in a session in which nothing breaks.
const EMPTY: [(&str, &str); 0] = [];

/// A Prometheus that is ended when it is dropped.
struct Prometheus {
    process: std::process::Child,
    address: SocketAddr,
    client: Client,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).ok();
    }
}

impl Prometheus {
    /// With these samples, and with our rules, looked at every second.
    async fn with(samples: &str, folder: &Path) -> Self {
        std::fs::write(folder.join("samples"), samples).expect("it is written");
        let rules = place("compose/prometheus/rules").canonicalize().expect("there are rules");
        let files = std::fs::read_dir(&rules).expect("rules").flatten().map(|file| file.path());
        let files = files.filter(|file| !file.to_string_lossy().ends_with(".test.yaml"));
        let files: Vec<_> = files.map(|file| format!("  - {}\n", file.display())).collect();
        let configuration = format!("global: {{ evaluation_interval: 1s }}\nrule_files:\n{}", files.concat());
        std::fs::write(folder.join("prometheus.yaml"), configuration).expect("it is written");
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "samples", "data"])
            .current_dir(folder)
            .output()
            .expect("promtool is where prometheus is");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let address = free_address().expect("a free port");
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let process = Command::new("prometheus")
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it was there");
        Self { process, address, client: Client::new() }
    }

    async fn asks(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let url = reqwest::Url::parse_with_params(&url, query).expect("a URL");
        let answer = self.client.get(url).send().await.ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    /// All rules, once each has been looked at.
    async fn rules(&self) -> Vec<Value> {
        let looked = async {
            loop {
                let answer = self.asks("rules", &[]).await.unwrap_or_default();
                let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
                let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
                let rules: Vec<Value> = rules.collect();
                if rules.len() > 50 && rules.iter().all(|rule| rule["health"] != "unknown") {
                    return rules;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.expect("Prometheus looks at all rules")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_17_every_panel_and_rule_answers_after_a_played_session() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        eprintln!("NOT VERIFIED: there is no prometheus on this machine");
        return;
    }
    let world = World::new().await;
    play(&world).await;
    let registry = Registry::load().expect("the registry");
    let samples = open_metrics(&world.sink.everything(), &registry);
    let folder = tempfile::tempdir().expect("a directory");
    let prometheus = Prometheus::with(&samples, folder.path()).await;

    let rules = prometheus.rules().await;
    let failed = rules.iter().filter(|rule| rule["health"] != "ok");
    let failed: Vec<_> = failed.map(|rule| format!("{}: {}", rule["name"], rule["lastError"])).collect();
    assert_eq!(failed, Vec::<String>::new(), "rules that fail");

    let known = Known::load().expect("what is known");
    let (mut wrong, mut asked, mut answered) = (Vec::new(), 0, 0);
    for (name, board) in boards().expect("sources") {
        for (panel, query) in board.panels().flat_map(|panel| panel.queries.values().map(move |query| (panel, query))) {
            let query = board.as_sent(query);
            let answer = prometheus.asks("query", &[("query", query.as_str())]).await.expect("it answers");
            let found = answer["data"]["result"].as_array().map_or(0, Vec::len);
            let uses = Expression::parse(&query).expect("it was parsed before").uses;
            let ours = uses.iter().all(|each| known.is_ours(&each.metric) || each.metric.starts_with("slo:"));
            let place = format!("{name}: {}", panel.title);
            asked += 1;
            answered += usize::from(found > 0);
            if answer["status"] != "success" {
                wrong.push(format!("{place}: {}", answer["error"]));
            } else if ours && found == 0 && EMPTY.iter().all(|(empty, _)| *empty != place) {
                wrong.push(format!("{place} is empty: {query}"));
            }
        }
    }
    eprintln!(
        "{answered} of {asked} queries show something of the services alone, {} rules were looked at",
        rules.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(answered > 70, "{answered} panels show something");
}
