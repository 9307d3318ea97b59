//! Traps of the telemetry libraries that no compiler sees: what must not be switched on, and what must.

use super::project::{absent, files, production, read};

#[test]
fn no_trap_of_the_telemetry_libraries_is_open() {
    let words = [
        // Boxed, locked and allocating; spans come from the tracer that `span::install` keeps.
        "global::tracer",
        // A meter asked for before the provider is set makes no-ops for ever; `Instruments` hands them out.
        "meter(\"otel.sdk",
        // Prints.
        "with_counting_event_filter",
        // Around the bridge it loses spans.
        "reload::",
        // Drop what was told last.
        "process::exit",
        "process::abort",
    ];
    absent(production().iter().flat_map(|file| file.mentions(&words)), "tests/tests/tidy/traps.rs says why");
}

#[test]
fn an_action_is_told_with_no_more_than_its_ids() {
    let spans = production().into_iter().flat_map(|file| {
        let bad = |line: &str| {
            line.contains("#[instrument")
                || line.contains("span!(")
                    && line.split(", ").skip(1).any(|field| field.contains('=') && !field.contains(".id = %"))
        };
        let found: Vec<_> =
            file.code().filter(|(_, line)| bad(line)).map(|(n, _)| format!("{}:{n}", file.path)).collect();
        found
    });
    absent(
        spans,
        "span::action(info_span!(name, ids), ..): arguments are personal data, and what enters a span pays twice",
    );
}

#[test]
fn the_exporters_features_are_those_that_work_on_threads_of_the_sdk() {
    let manifests = files().into_iter().filter(|file| file.path.ends_with("Cargo.toml"));
    // Any of them wins over the blocking client in the whole tree, and waits for a reactor that is not there.
    let clients =
        ["\"reqwest-client\"", "\"hyper-client\"", "\"rt-tokio", "opentelemetry-stdout", "resource-detectors"];
    absent(manifests.flat_map(|file| file.says(&clients)), "exports run on the SDK's own threads, without a runtime");
    let workspace = read("Cargo.toml").text;
    for needed in ["reqwest-blocking-client", "experimental_metrics_bound_instruments", "panic = \"unwind\""] {
        assert!(
            workspace.contains(needed),
            "{needed}: exports, the SDK's drop counters, and the flush after a panic need it"
        );
    }
    assert!(!workspace.contains("panic = \"abort\""));
}
