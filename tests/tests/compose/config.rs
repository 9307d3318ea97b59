//! Compose itself reads the files. Where there is none these specs say so and prove nothing; `script/stack` brings one.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::model::root;

/// Compose v2: Docker's plugin, or what `script/stack` put beside what was built.
fn compose() -> Option<Command> {
    let answers = |command: &mut Command| {
        let version = command.args(["version", "--short"]).output();
        version.is_ok_and(|said| said.status.success() && said.stdout.trim_ascii_start().first() != Some(&b'1'))
    };
    if answers(Command::new("docker").arg("compose")) {
        let mut command = Command::new("docker");
        command.arg("compose");
        return Some(command);
    }
    let test = std::env::current_exe().expect("this runs");
    // Beside the profile's directory, in which this lies below `deps`.
    let tool: Option<PathBuf> = test.ancestors().nth(3).map(|target| target.join("tools/docker-compose"));
    let tool = tool.filter(|tool| answers(&mut Command::new(tool)));
    if tool.is_none() {
        eprintln!("NOT VERIFIED: there is no Docker Compose v2 on this machine");
    }
    tool.map(Command::new)
}

fn config(mut compose: Command, variables: &str, profiles: &[&str], form: &[&str]) -> Output {
    compose.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir(root());
    compose.args(["--env-file", variables, "-f", "compose/compose.yaml"]);
    compose.args(profiles.iter().flat_map(|profile| ["--profile", profile]));
    compose.arg("config").args(form).output().expect("it runs")
}

#[test]
fn compose_understands_every_profile_and_hands_on_what_has_no_value() {
    for profiles in [vec![], vec!["simulator"], vec!["local"], vec!["simulator", "local"]] {
        let Some(compose) = compose() else { return };
        let output = config(compose, "compose/simulator.env", &profiles, &["--format", "json"]);
        assert!(output.status.success(), "{profiles:?}: {}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let names = told["services"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(names, 9 + profiles.len(), "{profiles:?}");
        let bot = &told["services"]["bot"]["environment"];
        assert_eq!(bot["DISCORD_API_URL"], "http://discord-simulator:9820");
        assert_eq!(bot["OTEL_METRIC_EXPORT_INTERVAL"], "15000");
        // What is set nowhere is not in the container either, so that the services' own defaults count.
        assert!(bot.get("COMMANDS_GUILD").is_none_or(Value::is_null), "{bot}");
        let mounts = |name: &str| told["services"][name]["secrets"].as_array().map_or(0, Vec::len);
        assert_eq!((mounts("api"), mounts("bot"), mounts("status-daemon")), (2, 1, 0));
    }
}

#[test]
fn compose_names_what_is_missing() {
    let Some(compose) = compose() else { return };
    let output = config(compose, "/dev/null", &[], &["--quiet"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("see compose/env.example"), "{said}");
}
