//! Every alert says how bad it is and what it means, has a runbook and a unit test; every runbook has its alert.

use std::collections::{BTreeMap, BTreeSet};

use tests::grafana::{Alert, Rules, place};

/// What stands in each section of the runbooks, in this order.
const PARTS: [&str; 5] = ["**People**", "**First look**", "**Likely**", "**Do**", "**Over**"];

/// The alert that Grafana itself computes, from log lines.
const OF_GRAFANA: &str = "ErrorLogged";

#[test]
fn t_17_every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts = Rules::load().expect("rules").alerts;
    let names = alerts.iter().map(|alert| alert.alert.clone()).chain([OF_GRAFANA.to_owned()]);
    let names: BTreeSet<String> = names.collect();
    let sections = sections();
    assert_eq!(names, sections.keys().cloned().collect(), "alerts, and sections of docs/runbooks.md");
    let incomplete = sections.iter().filter(|(_, text)| {
        let places: Vec<_> = PARTS.iter().map(|part| text.find(part)).collect();
        places.contains(&None) || !places.is_sorted()
    });
    assert_eq!(incomplete.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new(), "each has {PARTS:?}");
}

#[test]
fn t_17_every_alert_says_how_bad_it_is_what_it_means_and_where_its_runbook_is() {
    let alerts = Rules::load().expect("rules").alerts;
    let wrong: Vec<_> = alerts.iter().flat_map(silent_about).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let alerting = std::fs::read_to_string(place("compose/grafana/provisioning/alerting.yaml")).expect("it is there");
    for part in ["title: ErrorLogged", "severity: ticket", "summary: ", "description: ", "docs/runbooks.md#errorlogged"]
    {
        assert!(alerting.contains(part), "{part}");
    }
}

fn silent_about(alert: &Alert) -> Vec<String> {
    let told = |key: &str| alert.annotations.get(key).map_or("", String::as_str);
    let runbook = format!("docs/runbooks.md#{}", alert.alert.to_lowercase());
    // What is absent has no value: its labels say what it is.
    let concrete = told("description").contains("$value") || alert.expr.starts_with("absent(");
    let promises = [
        ("a severity", matches!(alert.labels.get("severity").map(String::as_str), Some("page" | "ticket"))),
        ("a summary", told("summary").len() > 10 && !told("summary").contains("{{")),
        ("a description with the value", concrete),
        ("its runbook", told("runbook") == runbook),
    ];
    let broken = promises.into_iter().filter(|(_, kept)| !kept);
    broken.map(|(what, _)| format!("{} lacks {what}", alert.alert)).collect()
}

#[test]
fn t_17_every_alert_is_seen_firing_and_silent_in_a_unit_test() {
    let rules = Rules::load().expect("rules");
    let mut wrong = Vec::new();
    for alert in &rules.alerts {
        let severity = alert.labels.get("severity");
        let cases: Vec<_> = rules.cases.iter().filter(|case| case.alertname == alert.alert).collect();
        let fires = |case: &&&tests::grafana::Case| {
            case.exp_alerts.iter().any(|expected| {
                let labels = &expected.exp_labels;
                labels.get("severity") == severity && labels.get("signal") == alert.labels.get("signal")
            })
        };
        if cases.iter().filter(fires).count() == 0 {
            wrong.push(format!("{} {severity:?} {:?} never fires", alert.alert, alert.labels.get("signal")));
        }
        // Silent before, and silent again: it ends when its reason does.
        if cases.iter().filter(|case| case.exp_alerts.is_empty()).count() < 2 {
            wrong.push(format!("{} is not seen silent before and after", alert.alert));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The runbooks by the names of their alerts.
fn sections() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(place("docs/runbooks.md")).expect("there are runbooks");
    let sections = page.split("\n### ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.map(|(name, text)| (name.trim().to_owned(), text.to_owned())).collect()
}
