//! LogQL and TraceQL name attributes that are declared, labels that Loki has, and nothing else.

use tests::grafana::{Known, boards, place};

/// TraceQL's own words.
const TRACEQL: [&str; 12] = [
    "kind",
    "status",
    "duration",
    "name",
    "link:traceID",
    "error",
    "server",
    "client",
    "producer",
    "consumer",
    "internal",
    "true",
];
/// What Loki keeps of our records: labels, and metadata beside the attributes.
const LOKI: [&str; 5] =
    ["service_name", "service_namespace", "deployment_environment_name", "severity_text", "trace_id"];
/// LogQL's own words.
const LOGQL: [&str; 3] = ["sum", "by", "count_over_time"];

#[test]
fn t_17_searches_for_traces_name_attributes_that_are_declared() {
    let known = Known::load().expect("what is known can be read");
    let mut wrong = Vec::new();
    let mut searches = 0;
    for (name, board) in boards().expect("sources") {
        let panels = board.panels().flat_map(|panel| panel.search.iter().chain(&panel.traces));
        for search in panels {
            searches += 1;
            wrong.extend(strange(&known, search).into_iter().map(|word| format!("{name}: {word} in {search}")));
        }
    }
    assert!(searches > 20, "{searches} searches");
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(
        strange(&known, r#"{ span.gamesched.game = "x" && resource.service.name = "y" }"#),
        ["span.gamesched.game"]
    );
    assert_eq!(strange(&known, "{ knd = server }"), ["knd"]);
}

#[test]
fn t_17_searches_for_log_lines_name_what_loki_has() {
    let alerting = std::fs::read_to_string(place("compose/grafana/provisioning/alerting.yaml")).expect("it is there");
    let alerts = alerting.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    let boards = boards().expect("sources");
    let panels = boards.iter().flat_map(|(_, board)| board.panels()).filter_map(|panel| panel.logs.clone());
    let all: Vec<_> = alerts.chain(panels).collect();
    assert!(all.len() >= 5, "{} searches", all.len());
    let known = |word: &str| LOKI.contains(&word) || LOGQL.contains(&word);
    let wrong = all.iter().flat_map(|query| words(query).into_iter().filter(|word| !known(word)));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new(), "not in Loki");
    assert!(words(r#"{service="x"} |= "y""#).iter().any(|word| !known(word)), "a planted one is seen");
}

/// The words of a search that mean nothing here.
fn strange(known: &Known, search: &str) -> Vec<String> {
    let mine = |word: &str| match word.split_once('.') {
        Some(("span" | "resource", key)) => known.declares(key),
        _ => TRACEQL.contains(&word),
    };
    words(search).into_iter().filter(|word| !mine(word)).collect()
}

/// Words outside of quotes; numbers, durations and variables are none.
fn words(query: &str) -> Vec<String> {
    let query = query.replace("\\\"", "");
    let bare: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let bare = bare.split("{{").enumerate().map(|(at, part)| match at {
        0 => part,
        _ => part.split_once("}}").map_or(part, |(_, rest)| rest),
    });
    let bare: String = bare.collect();
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && !"_.:".contains(c));
    let words = words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
    words.map(str::to_owned).collect()
}
