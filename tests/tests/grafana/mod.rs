//! Dashboards, rules and runbooks keep to what is emitted, to each other, and to what they are written from.

mod fields;
mod played;
mod promtool;
mod runbooks;

use std::collections::BTreeSet;

use tests::grafana::{Board, Expression, Known, Panel, Rules, Show, boards, stale, write};

/// Where the worlds of a whole run wrote down what they saw.
const SEEN: &str = "TELEMETRY_SEEN";

/// What not even a whole run shows, and why.
const UNPROVOKED: [(&str, &str); 2] = [
    ("gamesched.telemetry.attributes.dropped", "a world in which it rises fails; `sdk::t_14` makes it rise"),
    ("gamesched.fence.lost", "only when a process stalled for longer than its lease"),
];

#[test]
fn dashboards_and_slo_rules_are_what_their_sources_say() {
    if std::env::var_os("UPDATE_DASHBOARDS").is_some() {
        write().expect("dashboards and rules can be written");
    }
    assert_eq!(stale().expect("there are sources"), Vec::<String>::new(), "run this with UPDATE_DASHBOARDS=1");
}

#[test]
fn t_17_panels_and_rules_ask_only_for_series_labels_and_values_that_there_are() {
    let known = Known::load().expect("what is known can be read");
    let asked = asked();
    assert!(asked.len() > 150, "{} expressions", asked.len());
    let wrong: Vec<_> = asked.iter().flat_map(|(place, text)| wrong(&known, place, text)).collect();
    assert!(wrong.is_empty(), "a panel or rule that shows nothing:\n{}", wrong.join("\n"));

    for (planted, fault) in [
        ("sum(gamesched_parked_item)", "nothing emits gamesched_parked_item"),
        ("gamesched_parked_items_total", "nothing emits gamesched_parked_items_total"),
        ("sum by (game) (gamesched_parked_items)", "gamesched_parked_items has no label game"),
        (
            r#"gamesched_parked_items{gamesched_source="letter"}"#,
            "gamesched_parked_items: gamesched_source is never letter",
        ),
        (r#"gamesched_parked_items{gamesched_source=~"letter|message"}"#, "gamesched_source is never letter|message"),
        ("rabbitmq_up", "nothing emits rabbitmq_up"),
        ("slo:error_ratio:rate4d", "nothing emits slo:error_ratio:rate4d"),
    ] {
        let found = wrong_in(&known, planted);
        assert!(matches!(found.as_slice(), [only] if only.ends_with(fault)), "{planted}: {found:?}");
    }
}

#[test]
fn t_17_legends_and_links_name_labels_that_their_series_have() {
    let known = Known::load().expect("what is known can be read");
    let mut wrong = Vec::new();
    for (name, board) in boards().expect("sources") {
        for panel in board.panels() {
            for (legend, query) in &panel.queries {
                let parsed = Expression::parse(&board.as_sent(query)).expect("it was parsed before");
                let recorded = parsed.uses.iter().filter(|_| parsed.by.is_empty());
                let labels: BTreeSet<_> = recorded.flat_map(|each| known.labels(&each.metric)).collect();
                let labels = if parsed.by.is_empty() { &labels } else { &parsed.by };
                let named = placeholders(legend).chain(panel.traces.iter().flat_map(|traces| placeholders(traces)));
                let missing = named.filter(|label| !labels.contains(*label));
                wrong.extend(missing.map(|label| format!("{name}: {}: {label}", panel.title)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "a label that the query does not keep");
}

#[test]
fn a_panel_says_what_it_shows_in_which_unit_and_what_to_do() {
    let boards = boards().expect("sources");
    assert_eq!(boards.len(), 10, "a new one goes into docs/dashboards.md, too");
    let wrong: Vec<_> = boards.iter().flat_map(|(name, board)| untidy(name, board)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let titles: BTreeSet<_> = boards.iter().map(|(_, board)| &board.title).collect();
    assert_eq!(titles.len(), boards.len(), "a title is there twice");
}

fn untidy(name: &str, board: &Board) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut titles = BTreeSet::new();
    let mut say = |panel: &Panel, what: &str| wrong.push(format!("{name}: {}: {what}", panel.title));
    for panel in board.panels() {
        let numbers = !panel.queries.is_empty();
        let shown = [numbers, panel.logs.is_some(), panel.search.is_some(), panel.graph];
        if shown.into_iter().filter(|each| *each).count() != 1 {
            say(panel, "has not exactly one of queries, logs, search, graph");
        }
        if panel.title.trim().is_empty() || panel.about.len() < 12 {
            say(panel, "lacks a title, or what it means");
        }
        if numbers && panel.unit.as_deref().is_none_or(str::is_empty) {
            say(panel, "has no unit");
        }
        if panel.show == Show::Stat && panel.queries.keys().any(String::is_empty) {
            say(panel, "has a number without a name");
        }
        if !titles.insert(&panel.title) {
            say(panel, "is there twice");
        }
        if panel.queries.values().any(|query| query.contains("$__")) {
            say(panel, "has a window that is not fixed");
        }
    }
    wrong
}

#[test]
#[ignore = "script/test asks this after all other specs, of what they saw"]
fn t_17_what_panels_and_rules_ask_for_was_emitted_somewhere_in_the_suite() {
    let path = std::env::var_os(SEEN).expect("TELEMETRY_SEEN names what a whole run has seen");
    let text = std::fs::read_to_string(path).expect("a whole run came before");
    let seen: BTreeSet<&str> = text.lines().collect();
    let known = Known::load().expect("what is known can be read");
    let mut missing = BTreeSet::new();
    let mut all = BTreeSet::new();
    for (place, expression) in asked() {
        for asked in Expression::parse(&expression).expect("it was parsed before").uses {
            let evidence = known.evidence(&asked);
            let unseen = evidence.iter().filter(|line| !seen.contains(line.as_str()));
            let unseen = unseen.filter(|line| UNPROVOKED.iter().all(|(metric, _)| !line.contains(metric)));
            missing.extend(unseen.map(|line| format!("{line}, for {place}")));
            all.extend(evidence);
        }
    }
    eprintln!("{} metrics, labels and values that panels and rules ask for", all.len());
    assert!(all.len() > 100, "something is asked for");
    assert_eq!(missing, BTreeSet::new(), "nothing in the whole run emits it");
}

/// Every expression, as it is sent to Prometheus, and where it stands.
fn asked() -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for (name, board) in boards().expect("sources") {
        for panel in board.panels() {
            let queries = panel.queries.values().map(|query| board.as_sent(query));
            asked.extend(queries.map(|query| (format!("{name}: {}", panel.title), query)));
        }
    }
    let rules = Rules::load().expect("rules");
    asked.extend(rules.alerts.into_iter().map(|alert| (alert.alert, alert.expr)));
    asked.extend(rules.records);
    asked
}

fn wrong(known: &Known, place: &str, text: &str) -> Vec<String> {
    wrong_in(known, text).into_iter().map(|fault| format!("{place}: {fault}")).collect()
}

fn wrong_in(known: &Known, text: &str) -> Vec<String> {
    match Expression::parse(text) {
        Ok(expression) => expression.uses.iter().flat_map(|each| known.faults(each)).collect(),
        Err(fault) => vec![format!("{fault:#}")],
    }
}

/// The labels between double braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0))
}
