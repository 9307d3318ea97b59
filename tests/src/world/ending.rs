//! The end of a world: all that its services told is as declared, and is remembered for the whole suite.

use std::fs::File;
use std::io::Write as _;
use std::sync::OnceLock;

use super::World;
use crate::registry::{Finding, Registry};

/// Names the file that every world adds to; who sets it asks later what no world has shown.
const SEEN: &str = "TELEMETRY_SEEN";

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
        let findings: Vec<_> = registry.check_what_came(&told).iter().map(Finding::to_string).collect();
        assert!(findings.is_empty(), "not as declared:\n{}", findings.join("\n"));
    }
}
