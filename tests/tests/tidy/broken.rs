//! What is broken on purpose still fits the source: a mutation that is not applied proves nothing.

use std::process::Command;

#[test]
fn every_mutation_finds_its_place_once_and_names_a_spec() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../script/mutations");
    let output = Command::new(script).arg("--check").output().expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("fit the source"), "{said}");
}
