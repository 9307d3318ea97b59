//! What the program itself says of the configuration: its form, its words, and whether it starts.

use std::path::Path;

use tests::alloy::{Configuration, available};
use tokio::process::Command;

fn configuration(binary: &Path) -> Configuration {
    Configuration::new(binary).expect("the configuration can be copied")
}

#[tokio::test]
async fn alloy_would_format_its_files_as_they_are() {
    let Some(binary) = available("alloy fmt") else { return };
    for name in ["config.alloy", "logs.alloy", "queue.alloy"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alloy").join(name);
        let output = Command::new(&binary).args(["fmt", "--test"]).arg(&file).output().await.expect("it runs");
        assert!(output.status.success(), "alloy fmt --write alloy/{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn alloy_finds_the_configuration_valid_and_a_planted_component_unknown() {
    let Some(binary) = available("alloy validate") else { return };
    let configuration = configuration(&binary);
    for name in ["", "logs.alloy"] {
        if !name.is_empty() {
            configuration.add(name, &tests::alloy::shipped(name).expect("it is shipped")).expect("it can be added");
        }
        let (valid, words) = configuration.validate().await.expect("it runs");
        assert!(valid, "with {name:?}: {words}");
    }
    configuration.add("planted.alloy", "otelcol.processor.resource \"planted\" { }\n").expect("it can be added");
    let (valid, words) = configuration.validate().await.expect("it runs");
    assert!(!valid && words.contains("otelcol.processor.resource"), "{words}");
}

#[tokio::test]
async fn the_queue_on_disk_is_valid_only_with_the_flag_that_it_says_it_needs() {
    let Some(binary) = available("alloy validate with the queue on disk") else { return };
    let mut configuration = configuration(&binary);
    configuration
        .add("queue.alloy", &tests::alloy::shipped("queue.alloy").expect("it is shipped"))
        .expect("it is added");
    let (valid, words) = configuration.validate().await.expect("it runs");
    assert!(!valid && words.contains("public-preview"), "{words}");
    configuration.argument("--stability.level=public-preview");
    let (valid, words) = configuration.validate().await.expect("it runs");
    assert!(valid, "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alloy_starts_with_nothing_set_and_not_with_words_that_it_does_not_know() {
    let Some(binary) = available("alloy run") else { return };
    let mut configuration = configuration(&binary);
    let alloy = configuration.start().await.expect("without any variable it starts, for the backend beside it");
    alloy.kill().await.expect("it can be killed");
    for (name, value) in [("OTLP_BACKEND", "clowd"), ("TAIL_SAMPLING", "yes")] {
        configuration.set(name, value);
        let fault = configuration.start().await.err().unwrap_or_else(|| panic!("it starts with {name}={value}"));
        let said = format!("{fault:#}");
        assert!(said.contains("should be array, got null"), "{name}={value}: {said}");
        configuration.set(name, "");
    }
    for backend in ["local", "cloud", "both"] {
        configuration.set("OTLP_BACKEND", backend);
        configuration.set("TAIL_SAMPLING", "on");
        let alloy = configuration.start().await.unwrap_or_else(|fault| panic!("{backend}: {fault:#}"));
        alloy.kill().await.expect("it can be killed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_does_not_parse_keeps_alloy_from_starting() {
    let Some(binary) = available("alloy run with a broken condition") else { return };
    let mut configuration = configuration(&binary);
    configuration.replace("not IsRootSpan()", "not IsRootSpam()").expect("it is there to be broken");
    assert!(configuration.start().await.is_err(), "it is compiled when it is loaded");
}
