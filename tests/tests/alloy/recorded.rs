//! The series of servers and of Alloy that panels and rules ask for are those that a real Alloy hands on (T-17). Their
//! names lie in `tests/tests/grafana/recorded`, for where there is no Alloy; UPDATE_RECORDED=1 records them again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tests::alloy::available;
use tests::grafana::{Expression, Rules, Series, boards, listed, place, scraped};
use tests::otlp::{Received, Tee};
use tests::servers::Servers;
use tests::world::{World, free_address};

use super::infrastructure::{monitors, stage};
use super::stage::{Stage, TOKEN, USER};

const ARRIVAL: Duration = Duration::from_secs(60);
const FOLDER: &str = "tests/tests/grafana/recorded";

/// What only a fault shows: one is made, but not of each kind.
const UNPROVOKED: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn t_17_panels_and_rules_ask_for_what_a_real_alloy_hands_on() {
    let Some(binary) = available("the names of what is scraped") else { return };
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    monitors(&world).await;
    let stage = stage(&binary, &world);
    // What Alloy counts of exports that fail is there once some have.
    stage.gateway.knows("somebody", "else");
    let alloy = stage.start().await;
    let address = free_address().expect("a free port");
    let tee = Tee::start(address, &[world.sink.http_url(), alloy.url()]).expect("a tee");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &tee.url());
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    for signal in ["traces", "metrics", "logs"] {
        refused(&stage, signal).await;
    }
    stage.gateway.knows(USER, TOKEN);
    assert_eq!(host.gets("/api/v1/games").await.status, 200);

    let asked = asked();
    let missing = |received: &Received| {
        let scraped = scraped(received);
        let told: BTreeSet<_> = scraped.values().flat_map(|series| series.keys().cloned()).collect();
        asked.difference(&told).cloned().collect::<BTreeSet<_>>()
    };
    let expected: BTreeSet<String> = UNPROVOKED.map(str::to_owned).into();
    stage.sink.wait("what panels ask for", ARRIVAL, |received| missing(received) == expected).await.ok();
    let received = stage.sink.received();
    let recorded = scraped(&received);
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        write(&recorded);
    }
    assert_eq!(missing(&received), expected, "asked for and not there:\n{}", alloy.tail());
    let fewer = fewer(&recorded);
    assert_eq!(fewer, Vec::<String>::new(), "recorded once, asked for, and with other labels now");
}

async fn refused(stage: &Stage, signal: &str) {
    let until = tokio::time::Instant::now() + ARRIVAL;
    while stage.gateway.answered(signal, 401) == 0 {
        assert!(tokio::time::Instant::now() < until, "{signal}: {:?}", stage.gateway.refusals());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The series that are asked for and are not ours.
fn asked() -> BTreeSet<String> {
    let prefixes = ["pg_", "redis_", "rabbitmq_", "otelcol_", "alloy_", "traces_", "up"];
    let boards = boards().expect("sources");
    let panels = boards.iter().flat_map(|(_, board)| {
        let queries = board.panels().flat_map(|panel| panel.queries.values());
        queries.map(|query| board.as_sent(query))
    });
    let rules = Rules::load().expect("rules").alerts.into_iter().map(|alert| alert.expr);
    let uses = panels.chain(rules).flat_map(|text| Expression::parse(&text).expect("it can be read").uses);
    let names = uses.map(|each| each.metric).filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    names.collect()
}

/// Series that are asked for, with labels that were recorded and are there no more.
fn fewer(now: &BTreeMap<String, Series>) -> Vec<String> {
    let asked = asked();
    let mut fewer = Vec::new();
    for (about, series) in now {
        let text = std::fs::read_to_string(place(&format!("{FOLDER}/{about}.txt"))).unwrap_or_default();
        for line in text.lines().filter_map(|line| line.strip_suffix('}')) {
            let Some((name, labels)) = line.split_once('{') else { continue };
            let Some(here) = series.get(name).filter(|_| asked.contains(name)) else { continue };
            let gone = labels.split_whitespace().filter(|label| !here.contains(*label));
            fewer.extend(gone.map(|label| format!("{name}{{{label}}}")));
        }
    }
    fewer
}

fn write(recorded: &BTreeMap<String, Series>) {
    for (about, series) in recorded {
        let head = format!(
            "# Series about {about} as they come out of Alloy, by the names that a store gives them: name{{labels}}.\n\
             # Recorded by `alloy::recorded` with UPDATE_RECORDED=1 and ALLOY, from the servers of the test run.\n"
        );
        let path = place(&format!("{FOLDER}/{about}.txt"));
        std::fs::write(path, format!("{head}{}", listed(series))).expect("it can be written");
    }
}
