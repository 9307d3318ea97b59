//! A session in the stores of the local backend, by way of a real Alloy: no panel is blank, searches find what they are
//! for, and examples lead to traces (T-15, T-17).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::alloy::available;
use tests::backend::{self, Backend};
use tests::grafana::{Board, Panel, boards, place};
use tests::servers::Servers;
use tests::world::World;
use tokio::time::Instant;

use super::infrastructure::{monitors, redis, stage};
use super::stage::Stage;
use crate::conformance::play;
use crate::ends::dies;

/// How soon after the session everything is to be seen.
const SOON: Duration = Duration::from_secs(90);

/// What is blank when nothing is wrong, and why that is right.
const BLANK: [(&str, &str); 5] = [
    ("deliveries: Messages that failed", "none did"),
    ("http: Slow requests", "none took a second"),
    ("schedule: Late work", "nothing was 5 s late"),
    ("telemetry: What Alloy says", "it has nothing to warn of"),
    ("infrastructure: What Postgres, RabbitMQ and Redis say", "their lines are opt-in"),
];

/// What was asked of the backend, by board and panel, and how much it had to say.
type Told = BTreeMap<String, usize>;

#[tokio::test(flavor = "multi_thread")]
async fn t_17_ninety_seconds_after_a_session_no_panel_of_the_local_backend_is_blank() {
    let (Some(binary), Some(programs)) = (available("the local backend"), backend::available("the local backend"))
    else {
        return;
    };
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    monitors(&world).await;
    redis(&world, "CONFIG SET maxmemory 200mb"); // as the stack's has one
    let backend = Backend::start(&programs).await.expect("the stores start");
    let stage = before(&binary, &world, &backend);
    let alloy = stage.start().await;
    for (name, value) in
        [("OTEL_EXPORTER_OTLP_ENDPOINT", alloy.url().as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "15000")]
    {
        world.set(name, value);
    }
    world.start_all().await.expect("the services start");
    play(&world).await;
    // What is for errors shows one.
    dies(&[("WAY", "error"), ("OTEL_EXPORTER_OTLP_ENDPOINT", alloy.url().as_str())]).await;

    let game = world.ask("select id::text from games where title = 'Arrakis'").await;
    let blank = blank(&backend, &game).await;
    let expected: BTreeSet<_> = BLANK.map(|(place, _)| place.to_owned()).into();
    assert_eq!(blank, expected, "blank:\n{}", alloy.tail());
    examples(&backend).await;
    links(&backend).await;
    let alerting = std::fs::read_to_string(place("compose/grafana/provisioning/alerting.yaml")).expect("it is there");
    let alert = alerting.lines().find_map(|line| line.trim().strip_prefix("expr: ")).expect("an alert on lines");
    assert!(!backend.lines(alert).await.expect("it is accepted").is_empty(), "an error was told: {alert}");
}

/// An Alloy that hands on to the backend, in no more of a hurry than the stack's.
fn before(binary: &Path, world: &World, backend: &Backend) -> Stage {
    let mut stage = stage(binary, world);
    stage.configuration.set("OTLP_BACKEND", "local");
    let exporter = "otelcol.exporter.otlphttp \"local\" {\n";
    let takes = backend.takes().map(|(name, url)| format!("\t{name} = \"{url}\"\n")).concat();
    for (from, to) in
        [(exporter, format!("{exporter}{takes}").as_str()), (r#"{"local" = "2s"}"#, r#"{"local" = "15s"}"#)]
    {
        stage.configuration.replace(from, to).expect("it stands there");
    }
    stage
}

/// The panels that show nothing: what is wrong with them after so long, or what is right as soon as it is.
async fn blank(backend: &Backend, game: &str) -> BTreeSet<String> {
    let since = Instant::now();
    loop {
        let told = look(backend, game).await;
        let blank: BTreeSet<_> =
            told.iter().filter(|(_, found)| **found == 0).map(|(place, _)| place.clone()).collect();
        if blank.len() == BLANK.len() || since.elapsed() > SOON {
            eprintln!("{} panels, {} blank, after {:.0?}", told.len(), blank.len(), since.elapsed());
            return blank;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What somebody who looks would put into the fields.
struct Fields {
    game: String,
    /// A request that something happened for later.
    cause: String,
    /// A trace with a line.
    told: String,
}

impl Fields {
    async fn new(backend: &Backend, game: &str) -> Self {
        let created = format!("{{ name = \"POST /api/v1/games\" && span.gamesched.game.id = \"{game}\" }}");
        let told = r#"{service_namespace="gamesched"} | trace_id != """#;
        let text = |found: anyhow::Result<Vec<Value>>, path: &str| {
            let found = found.expect("it is accepted");
            found.first().and_then(|first| first.pointer(path)?.as_str()).unwrap_or_default().to_owned()
        };
        let cause = text(backend.traces(&created).await, "/traceID");
        let told = text(backend.lines(told).await, "/stream/trace_id");
        Self { game: game.to_owned(), cause, told }
    }
}

/// What every panel shows.
async fn look(backend: &Backend, game: &str) -> Told {
    let mut told = Told::new();
    let fields = Fields::new(backend, game).await;
    for (name, board) in boards().expect("sources") {
        for panel in board.panels() {
            told.insert(format!("{name}: {}", panel.title), shows(backend, &board, panel, &fields).await);
        }
    }
    told
}

/// How much a panel shows.
async fn shows(backend: &Backend, board: &Board, panel: &Panel, fields: &Fields) -> usize {
    let trace = if panel.logs.is_some() { &fields.told } else { &fields.cause };
    let filled = |text: &str| board.as_sent(&text.replace("$game", &fields.game).replace("$trace", trace));
    let accepted =
        |found: anyhow::Result<Vec<Value>>| found.unwrap_or_else(|fault| panic!("{}: {fault:#}", panel.title)).len();
    if let Some(logs) = &panel.logs {
        return accepted(backend.lines(&filled(logs)).await);
    }
    if let Some(search) = &panel.search {
        return accepted(backend.traces(&filled(search)).await);
    }
    if panel.graph {
        return accepted(backend.series("traces_service_graph_request_total").await);
    }
    let mut least = usize::MAX;
    for query in panel.queries.values() {
        least = least.min(accepted(backend.series(&filled(query)).await));
    }
    least
}

/// The diamonds of a panel are there, and each leads to a trace that Tempo has.
async fn examples(backend: &Backend) {
    let boards = boards().expect("sources");
    let panels = boards.iter().flat_map(|(name, board)| board.panels().map(move |panel| (name, board, panel)));
    for (name, board, panel) in panels.filter(|(.., panel)| panel.examples) {
        let mut found = Vec::new();
        for query in panel.queries.values() {
            found.extend(backend.examples(&board.as_sent(query)).await.expect("it is accepted"));
        }
        let ids = found.iter().map(|example| example["labels"]["trace_id"].as_str().unwrap_or_default());
        let ids: BTreeSet<_> = ids.collect();
        assert!(!ids.is_empty(), "{name}: {} has no examples", panel.title);
        for id in ids {
            assert!(backend.has(id).await.expect("it is accepted"), "{name}: {}: {id}", panel.title);
        }
    }
}

/// The searches behind a click on a series are accepted, and those that are for any span of it come to find some.
async fn links(backend: &Backend) {
    let since = Instant::now();
    loop {
        let found = clicked(backend).await;
        let in_vain: Vec<_> = found.iter().filter(|(search, found)| !picky(search) && **found == 0).collect();
        eprintln!("{} links, {} in vain, after {:.0?}", found.len(), in_vain.len(), since.elapsed());
        if in_vain.is_empty() {
            assert!(found.keys().any(|search| !picky(search)), "{found:#?}");
            return;
        }
        assert!(since.elapsed() < SOON, "{in_vain:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether a search is only for what was slow or failed.
fn picky(search: &str) -> bool {
    search.contains(" > ") || search.contains("status = error")
}

/// What a click on each series finds, by its search.
async fn clicked(backend: &Backend) -> Told {
    let mut told = Told::new();
    for (name, board) in boards().expect("sources") {
        for panel in board.panels() {
            let Some(search) = &panel.traces else { continue };
            for query in panel.queries.values() {
                for series in backend.series(&board.as_sent(query)).await.expect("it is accepted") {
                    let search = filled(search, &series);
                    let traces = backend.traces(&search).await;
                    let traces = traces.unwrap_or_else(|fault| panic!("{name}: {}: {search}: {fault:#}", panel.title));
                    told.insert(search, traces.len());
                }
            }
        }
    }
    told
}

/// A panel's search with the labels of a series in it, as Grafana fills them in.
fn filled(search: &str, series: &Value) -> String {
    series["metric"].as_object().into_iter().flatten().fold(search.to_owned(), |search, (label, value)| {
        search.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default())
    })
}
