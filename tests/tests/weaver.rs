//! OpenTelemetry Weaver agrees with the registry, and with what a whole session sends it. Where `weaver` is not
//! installed (0.25.1 or newer; it comes as a release or an image) these specs say so and prove nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::registry::Registry;
use tests::world::{Service, World, free_address};
use tokio::process::{Child, Command};

use super::conformance::play;

/// What a session shows at least of all attributes and metrics that are ours.
const COVERAGE: f64 = 0.9;

/// The registry with its dependency beside it: the release of `SEMCONV`, a directory `model` of the conventions'
/// repository, or else our excerpt, which needs no network.
struct Copied {
    directory: TempDir,
}

impl Copied {
    fn new() -> Self {
        // Weaver reads nothing below a hidden directory, and is content with nothing.
        let directory = tempfile::Builder::new().prefix("registry-").tempdir().expect("a directory");
        let ours = Registry::directory();
        #[expect(clippy::disallowed_methods, reason = "where the release is, is said from outside")]
        let conventions = std::env::var("SEMCONV").map(PathBuf::from);
        let conventions = conventions.unwrap_or_else(|_| ours.with_file_name("telemetry-conventions"));
        for file in std::fs::read_dir(&ours).expect("the registry").flatten() {
            let text = std::fs::read_to_string(file.path()).expect("a file of the registry");
            let here = |line: &str| match line.trim_start().starts_with("registry_path:") {
                true => format!("    registry_path: {}\n", conventions.display()),
                false => format!("{line}\n"),
            };
            let text: String = text.lines().map(here).collect();
            std::fs::write(directory.path().join(file.file_name()), text).expect("it can be copied");
        }
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// `weaver registry` with these arguments, unless there is no weaver here.
fn weaver(arguments: &[&str], registry: &Copied) -> Option<Command> {
    if std::process::Command::new("weaver").arg("--version").output().is_err() {
        // Past the capture of specs that pass, since nobody would see it there.
        let said = writeln!(std::io::stderr(), "NOT VERIFIED: there is no weaver on this machine");
        said.expect("there is a stderr");
        return None;
    }
    let mut command = Command::new("weaver");
    command.args(["registry"]).args(arguments).args(["--v2", "-r"]).arg(registry.path());
    command.stdin(Stdio::null()).kill_on_drop(true);
    Some(command)
}

#[tokio::test]
async fn t_15_weaver_accepts_the_registry() {
    let registry = Copied::new();
    let Some(mut check) = weaver(&["check"], &registry) else { return };
    let output = check.output().await.expect("weaver runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let spans = registry.path().join("spans.yaml");
    let text = std::fs::read_to_string(&spans).expect("spans.yaml");
    std::fs::write(&spans, text.replace("ref: gamesched.refusal", "ref: gamesched.refusals")).expect("it is broken");
    let output = check.output().await.expect("weaver runs");
    assert!(!output.status.success(), "it reads what it accepts: {}", String::from_utf8_lossy(&output.stderr));
}

/// A live check that listens, and what it has found when it is stopped.
struct LiveCheck {
    running: Child,
    receiver: String,
    admin: String,
    output: TempDir,
}

impl LiveCheck {
    fn start(registry: &Copied) -> Option<Self> {
        let (receiver, admin) = (free_address().expect("a port"), free_address().expect("a port"));
        let output = tempfile::tempdir().expect("a directory");
        let mut command = weaver(&["live-check", "--include-unreferenced", "--no-stream"], registry)?;
        command.args(["--format", "json", "--inactivity-timeout", "120"]).arg("--output").arg(output.path());
        command.args(["--otlp-grpc-address", "127.0.0.1", "--otlp-grpc-port", &receiver.port().to_string()]);
        command.args(["--admin-port", &admin.port().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let running = command.spawn().expect("weaver starts");
        Some(Self { running, receiver: format!("http://{receiver}"), admin: format!("http://{admin}/stop"), output })
    }

    async fn listens(&self) {
        let address = self.receiver.trim_start_matches("http://");
        let listening = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listening).await.expect("weaver listens");
    }

    /// Whether it is content, and its report.
    async fn stop(mut self) -> (bool, Value) {
        reqwest::Client::new().post(&self.admin).send().await.expect("weaver can be stopped");
        let ended = tokio::time::timeout(Duration::from_secs(60), self.running.wait()).await;
        let content = ended.expect("weaver ends").expect("it can be waited for").success();
        let report = std::fs::read(self.output.path().join("live_check.json")).expect("there is a report");
        (content, serde_json::from_slice(&report).expect("the report is JSON"))
    }
}

/// How many of the declared names occurred, and which did not.
fn seen<'a>(names: &'a Value, prefix: &str) -> (usize, Vec<&'a str>) {
    let names = names.as_object().expect("names with their counts");
    let ours = names.iter().filter(|(name, _)| name.starts_with(prefix));
    let (seen, unseen): (Vec<_>, Vec<_>) = ours.partition(|(_, count)| count.as_u64() > Some(0));
    (seen.len(), unseen.into_iter().map(|(name, _)| name.as_str()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn t_15_weaver_finds_no_violation_in_what_a_whole_session_sends() {
    let registry = Copied::new();
    let Some(check) = LiveCheck::start(&registry) else { return };
    check.listens().await;
    let world = World::empty().await.expect("a world can be made");
    world.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &check.receiver);
    world.start_all().await.expect("the services start");
    play(&world).await;
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well");
    }

    let (content, report) = check.stop().await;
    let statistics = &report["statistics"];
    assert!(content, "{:#}", statistics["advice_message_counts"]);
    assert!(statistics["total_entities_by_type"]["span"].as_u64() > Some(100), "{statistics:#}");
    for (kind, prefix) in [("attributes", "gamesched."), ("metrics", "")] {
        let (seen, unseen) = seen(&statistics[format!("seen_registry_{kind}")], prefix);
        eprintln!("{seen} {kind} seen, not {unseen:?}");
        assert!(seen as f64 / (seen + unseen.len()) as f64 >= COVERAGE, "{seen} {kind} seen, not {unseen:?}");
    }
}

#[tokio::test]
async fn t_15_weaver_finds_an_attribute_that_nobody_declared() {
    let registry = Copied::new();
    let sample = registry.path().join("sample.json");
    let planted = json!([{ "span": { "name": "GET /planted", "kind": "server", "attributes": [
        { "name": "http.request.method", "value": "GET" }, { "name": "gamesched.planted", "value": "x" } ] } }]);
    std::fs::write(&sample, planted.to_string()).expect("the sample can be written");
    let sample = sample.to_str().expect("a path");
    let live = ["live-check", "--include-unreferenced", "--input-source", sample, "--format", "json", "--no-stream"];
    let Some(mut check) = weaver(&live, &registry) else { return };
    let output = check.output().await.expect("weaver runs");
    assert!(!output.status.success(), "it fails on a violation");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("'gamesched.planted' does not exist in the registry"), "{told}");
    assert!(!told.contains("'http.request.method' does not exist"), "{told}");
}
