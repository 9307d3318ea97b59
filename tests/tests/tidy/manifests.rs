//! Nothing is configured twice: versions, lints, bans.

use super::project::{File, absent, files, read};

#[test]
fn versions_stand_in_the_workspace_only() {
    let findings = members().into_iter().flat_map(|manifest| own_versions(&manifest));
    absent(findings, "put the version into [workspace.dependencies] and write `name.workspace = true` here");
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    let without = members().into_iter().filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"));
    absent(without.map(|manifest| manifest.path), "add [lints] with workspace = true");
}

#[test]
fn there_is_one_opentelemetry() {
    let lock = read("Cargo.lock");
    for name in ["opentelemetry", "opentelemetry_sdk", "tracing-opentelemetry"] {
        let versions = lock.text.matches(&format!("\nname = \"{name}\"\n")).count();
        assert_eq!(
            versions, 1,
            "Cargo.lock has {versions} versions of {name}: spans of one are invisible to the other"
        );
    }
}

#[test]
fn every_ban_and_every_lint_says_why() {
    let bans = read("clippy.toml");
    let mute =
        bans.text.lines().enumerate().filter(|(_, line)| line.contains("path = ") && !line.contains("reason = \""));
    absent(mute.map(|(index, _)| format!("clippy.toml:{}", index + 1)), "give the ban a reason");

    let workspace = read("Cargo.toml");
    let from = workspace.text.find("[workspace.lints").expect("the workspace has lints");
    let lints = workspace.text[from..].lines().filter(|line| line.contains(" = \"") && !line.contains('#'));
    absent(lints.map(str::to_owned), "end the lint's line in Cargo.toml with a comment: the reason");
}

fn members() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml")).collect()
}

/// Lines of a dependency table, or of the package, that hold a version of their own.
fn own_versions(manifest: &File) -> Vec<String> {
    let mut dependencies = false;
    let mut findings = Vec::new();
    for (index, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            dependencies = line.contains("dependencies");
        }
        let states = line.contains('=') && !line.starts_with('#');
        let own = if dependencies { !line.contains("workspace = true") } else { line.starts_with("version =") };
        if states && own {
            findings.push(format!("{}:{}: {line}", manifest.path, index + 1));
        }
    }
    findings
}
