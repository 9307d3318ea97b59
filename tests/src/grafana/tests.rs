//! PromQL is taken apart as it is meant, and dashboards come out as Grafana wants them.

use std::collections::BTreeSet;

use super::*;

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn uses(expression: &str) -> Vec<(String, BTreeSet<String>)> {
    let parsed = Expression::parse(expression).expect("it can be read");
    parsed.uses.into_iter().map(|each| (each.metric, each.labels)).collect()
}

#[test]
fn labels_belong_to_the_series_that_they_are_asked_of() {
    let found = uses(r#"histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{job="x",code=~"5.."}[5m])))"#);
    assert_eq!(found, [("a_bucket".to_owned(), words("le route job code"))]);
    let found = uses("sum(a) by (x) / on (y) group(b offset 5m) or topk(3, max by (z) (c))");
    assert_eq!(found[0], ("a".to_owned(), words("x y")));
    assert_eq!(found[1], ("b".to_owned(), words("y")));
    assert_eq!(found[2], ("c".to_owned(), words("z y")));
    assert_eq!(uses(r#"count by (job) ({job=~"a,b{c}"})"#), [(String::new(), words("job"))]);
}

#[test]
fn what_cannot_be_followed_is_no_promql_here() {
    for wrong in [
        "sum without (a) (b)",
        "a / ignoring (b) c",
        "sum by (a (b)",
        "a)",
        r#"a{b="c}"#,
        "a{b}",
        "histogram_quantile(0.9, sum(rate(a_bucket[5m])))",
    ] {
        assert!(Expression::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn short_forms_are_written_out() {
    let long = expanded("sum by (a) (b{@own}) @or_zero(a)");
    let own = r#"job=~"gamesched/$service",deployment_environment_name=~"$environment""#;
    assert_eq!(long, format!(r#"sum by (a) (b{{{own}}}) or on () label_replace(vector(0), "a", "none", "", "")"#));
}

#[test]
fn a_dashboard_is_as_grafana_wants_it() {
    let source = r#"
title: Trial
about: For this test.
rows:
  - title: First
    panels:
      - title: One
        about: Look at it.
        unit: s
        steps: [green, 0.5, red]
        traces: '{ span.a.b = "{{a_b}}" }'
        queries: { "{{a_b}}": "sum by (a_b) (c{@env})" }
      - { title: Two, about: Read it., logs: '{a="b"}' }
"#;
    let board: Board = yaml_serde::from_str(source).expect("a dashboard");
    let json = board.json("trial");
    assert_eq!(json["uid"], "gamesched-trial");
    let places: Vec<_> = json["panels"].as_array().expect("panels").iter().map(|each| &each["gridPos"]).collect();
    assert_eq!(places[1], &serde_json::json!({ "h": 8, "w": 12, "x": 0, "y": 1 }));
    assert_eq!(places[2], &serde_json::json!({ "h": 9, "w": 24, "x": 0, "y": 9 }));
    let first = &json["panels"][1];
    let steps = serde_json::json!([{ "color": "green", "value": null }, { "color": "red", "value": 0.5 }]);
    assert_eq!(first["fieldConfig"]["defaults"]["thresholds"]["steps"], steps);
    assert_eq!(first["targets"][0]["expr"], r#"sum by (a_b) (c{deployment_environment_name=~"$environment"})"#);
    let link = first["fieldConfig"]["defaults"]["links"][0]["url"].as_str().expect("a link");
    assert!(link.contains("%7B%20span.a.b%20%3D%20%5C%22${__field.labels.a_b:percentencode}%5C%22%20%7D"), "{link}");
    assert!(link.contains("%22from%22%3A%22${__from}%22"), "{link}");
}

#[test]
fn a_histogram_in_prometheus_has_three_parts() {
    let registry = crate::registry::Registry::load().expect("the registry");
    let names = |metric: &str| prometheus_names(&registry.metrics[metric]).into_iter().map(|(name, _)| name);
    let lateness: Vec<_> = names("gamesched.delivery.lateness").collect();
    assert_eq!(lateness, ["count", "sum", "bucket"].map(|part| format!("gamesched_delivery_lateness_seconds_{part}")));
    assert!(names("gamesched.sse.events").eq(["gamesched_sse_events_total"]));
    assert!(names("process.memory.usage").eq(["process_memory_usage_bytes"]));
    assert!(names("gamesched.gateway.session_starts.remaining").eq(["gamesched_gateway_session_starts_remaining"]));
}
