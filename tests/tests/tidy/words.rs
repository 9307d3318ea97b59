//! Words that may stand only where they belong: SQL, publishing, telemetry, I/O.

use super::project::{absent, production, rust};

/// Where bytes enter or leave a process, and so where spans are made.
const EDGES: [&str; 11] = [
    "shared/src/telemetry/",
    "shared/src/store/executor.rs",
    "shared/src/store/told.rs",
    "shared/src/amqp/",
    "shared/src/cache/",
    "shared/src/discord/",
    "shared/src/daemon.rs",
    "api/src/trace.rs",
    "bot/src/gateway.rs",
    "bot/src/gateway/",
    "bot/src/interactions/",
];

#[test]
fn only_the_store_knows_sql() {
    let words = [
        "sqlx::query",
        "query!(",
        "query_as!(",
        "query_scalar!(",
        "raw_sql",
        "\"/* SELECT",
        "\"/* INSERT",
        "\"/* UPDATE",
        "\"/* DELETE",
        "\"select ",
        "\"insert into ",
        "\"delete from ",
    ];
    let others = production().into_iter().filter(|file| !file.is_in(&["shared/src/store/"]));
    absent(others.flat_map(|file| file.mentions(&words)), "move the statement to the noun's file in shared/src/store");
}

#[test]
fn unchecked_sql_exists_only_where_tests_make_their_databases() {
    let others = rust().into_iter().filter(|file| !file.is_in(&["tests/src/", "tests/tests/tidy/words.rs"]));
    let advice =
        "use the checked macro in shared/src/store; a name that a parameter cannot carry belongs to the harness";
    absent(others.flat_map(|file| file.mentions(&["AssertSqlSafe"])), advice);
}

#[test]
fn the_rules_do_nothing_but_decide() {
    let words = [
        "tokio",
        "sqlx",
        "fred::",
        "lapin",
        "reqwest",
        "twilight_http",
        "twilight_gateway",
        "axum",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "opentelemetry",
        "tracing",
        "Utc::now",
        "SystemTime",
        "Instant::now",
        "async fn",
    ];
    let rules = rust().into_iter().filter(|file| file.is_in(&["shared/src/domain/"]));
    let advice = "a rule is pure: take what it needs as an argument and let an action fetch it";
    absent(rules.flat_map(|file| file.mentions(&words)), advice);
}

#[test]
fn only_edges_speak_opentelemetry() {
    let words = ["opentelemetry::", "opentelemetry_sdk::", "opentelemetry_otlp::", "tracing_opentelemetry::"];
    let others = production().into_iter().filter(|file| !file.is_in(&EDGES));
    let advice = "make the span at the edge with shared::telemetry; an action has its one span::action";
    absent(others.flat_map(|file| file.mentions(&words)), advice);
}

#[test]
fn only_the_relay_publishes() {
    let others = production().into_iter().filter(|file| !file.is_in(&["shared/src/amqp/publisher.rs"]));
    let advice = "write an outbox row with store::outbox::put in the transaction; the relay publishes it";
    absent(others.flat_map(|file| file.mentions(&["basic_publish"])), advice);
}

#[test]
fn only_the_cache_holds_a_client_of_redis() {
    let others = production().into_iter().filter(|file| !file.is_in(&["shared/src/cache/"]));
    absent(others.flat_map(|file| file.mentions(&["fred::"])), "add a named command to shared/src/cache");
}

#[test]
fn only_the_edge_to_discord_holds_an_http_client() {
    let others = production().into_iter().filter(|file| !file.is_in(&["shared/src/discord/"]));
    let words = ["reqwest::Client", "reqwest::get", "twilight_http::Client", "twilight_http::client"];
    absent(others.flat_map(|file| file.mentions(&words)), "add the call to shared/src/discord: one span, one time-out");
}

#[test]
fn the_product_does_not_know_its_simulator() {
    let mentions = production().into_iter().flat_map(|file| file.mentions(&["simulator", "Simulator"]));
    absent(mentions, "only base URLs differ between Discord and the simulator");
}
