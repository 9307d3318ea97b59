//! What Prometheus' own tool says of rules, of their unit tests, and of every query of a dashboard. Where there is no
//! `promtool` (it comes with a distribution's package `prometheus`) these specs say so and prove nothing.

use std::path::Path;
use std::process::Command;

use tests::grafana::{boards, place};

const FOLDER: &str = "compose/prometheus/rules";

/// What `promtool` says, and whether it is content; nothing where there is none.
fn promtool(arguments: &[&str], files: &[String], folder: &Path) -> Option<(bool, String)> {
    let output = Command::new("promtool").args(arguments).args(files).current_dir(folder).output();
    let Ok(output) = output else {
        eprintln!("NOT VERIFIED: there is no promtool on this machine");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The files of rules, or those of their tests.
fn files(tests: bool) -> Vec<String> {
    let all = std::fs::read_dir(place(FOLDER)).expect("there are rules").flatten();
    let names = all.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut files: Vec<_> = names.filter(|name| name.ends_with(".test.yaml") == tests).collect();
    files.sort();
    files
}

#[test]
fn t_17_prometheus_accepts_the_rules() {
    let Some((content, said)) = promtool(&["check", "rules"], &files(false), &place(FOLDER)) else { return };
    assert!(content, "{said}");
    let folder = tempfile::tempdir().expect("a directory");
    let broken = "groups: [{ name: a, rules: [{ alert: A, expr: sum by (a b }] }]";
    std::fs::write(folder.path().join("broken.yaml"), broken).expect("it is written");
    let (content, _) = promtool(&["check", "rules"], &["broken.yaml".to_owned()], folder.path()).expect("it was there");
    assert!(!content, "it reads what it accepts");
}

#[test]
fn t_17_every_alert_fires_and_ends_when_it_should() {
    let Some((content, said)) = promtool(&["test", "rules"], &files(true), &place(FOLDER)) else { return };
    assert!(content, "{said}");
    assert_eq!(said.matches("SUCCESS").count(), files(true).len(), "{said}");
}

#[test]
fn t_17_prometheus_accepts_every_query_of_the_dashboards() {
    let boards = boards().expect("sources");
    let mut rules = String::from("groups:\n  - name: queries\n    rules:\n");
    let queries = boards
        .iter()
        .flat_map(|(_, board)| board.panels().flat_map(|panel| &panel.queries).map(|(_, query)| board.as_sent(query)));
    for (number, query) in queries.enumerate() {
        let query = serde_json::to_string(&query).expect("a text");
        rules.push_str(&format!("      - {{ record: query{number}, expr: {query} }}\n"));
    }
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("queries.yaml"), &rules).expect("it is written");
    let file = ["queries.yaml".to_owned()];
    let Some((content, said)) = promtool(&["check", "rules"], &file, folder.path()) else { return };
    assert!(content, "{said}");
}
