//! The end of a world: all that its services told is as declared, and is remembered for the whole suite.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use super::World;
use crate::otlp::{Point, Received};
use crate::registry::{Finding, Registry};

/// Names the file that every world adds to; who sets it asks later what no world has shown.
const SEEN: &str = "TELEMETRY_SEEN";
/// Measures every statement, those included that no span tells.
const STATEMENTS: &str = "db.client.operation.duration";
/// What Postgres answers to a role without the right.
const FORBIDDEN: &str = "42501";
/// Counts what the export wrapper had to take away: an undeclared attribute does not arrive, but it was there.
const DROPPED: &str = "gamesched.telemetry.attributes.dropped";

/// A spec that is red already keeps its own message.
impl Drop for World {
    fn drop(&mut self) {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        let registry = REGISTRY.get_or_init(|| Registry::load().expect("the registry can be read"));
        let told = self.sink.everything();
        if let Some(path) = std::env::var_os(SEEN) {
            let mut seen: String = registry.seen(&told).into_iter().collect::<Vec<_>>().join("\n");
            seen.push('\n');
            let file = File::options().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(seen.as_bytes())).expect("what was seen can be written down");
        }
        // Whoever brought a simulator of their own is no spec, but a person who watches the demonstration.
        if std::thread::panicking() || self.simulator.is_none() {
            return;
        }
        let mut findings: Vec<_> = registry.check_what_came(&told).iter().map(Finding::to_string).collect();
        findings.extend(dropped(&told));
        findings.extend(forbidden(&told));
        findings.extend(written_at_run_time(&told).into_iter().map(|text| format!("not in the source: {text}")));
        assert!(findings.is_empty(), "not as declared:\n{}", findings.join("\n"));
    }
}

/// The services that had an attribute taken away.
fn dropped(told: &Received) -> BTreeSet<String> {
    let metrics = told.metrics.iter().filter(|metric| metric.name == DROPPED);
    let some = metrics.filter(|metric| metric.points.iter().any(|point| point.reading.number() > 0.0));
    some.map(|metric| format!("{} had undeclared attributes taken away", metric.service())).collect()
}

/// Statements that a service has no right to.
fn forbidden(told: &Received) -> BTreeSet<String> {
    let measured = told.metrics.iter().filter(|metric| metric.name == STATEMENTS);
    let points = measured.flat_map(|metric| metric.points.iter().map(move |point| (metric.service(), point)));
    let label = |point: &Point, key| point.attributes.get(key).map(ToString::to_string).unwrap_or_default();
    let refused = points.filter(|(_, point)| label(point, "error.type") == FORBIDDEN);
    refused.map(|(service, point)| format!("{service} has no right to {}", label(point, "db.query.summary"))).collect()
}

/// The texts of statements that do not stand in the store's source as they are, so that something was put into them.
fn written_at_run_time(told: &Received) -> BTreeSet<String> {
    static SOURCE: OnceLock<String> = OnceLock::new();
    let source = SOURCE.get_or_init(|| {
        let store = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src/store"));
        let files = fs::read_dir(store).expect("the store is there").map(|file| file.expect("a file").path());
        let files = files.filter(|path| path.is_file());
        files.map(|path| one_line(&fs::read_to_string(path).expect("it can be read"))).collect()
    });
    let texts = told.spans.iter().filter_map(|span| span.attribute("db.query.text"));
    let texts: BTreeSet<String> = texts.map(|text| one_line(&text)).collect();
    texts.into_iter().filter(|text| !source.contains(text)).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
