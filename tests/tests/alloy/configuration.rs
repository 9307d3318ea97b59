//! What can be said of the configuration without running it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tests::alloy::shipped;
use tests::alloy::syntax::{Block, parse, texts};
use yaml_serde::Value;

/// What everybody gets, with what may be put beside it.
const FILES: [&str; 2] = ["config.alloy", "logs.alloy"];

/// Components that nobody refers to: they act by themselves.
const SELF_ACTING: [&str; 4] = ["logging", "otelcol.receiver.otlp", "prometheus.scrape", "loki.source.docker"];

/// Every component in use with what it must be given. All are generally available: another may be so too, but look at
/// its page before it is put here, since one that is not needs a flag that changes others.
const COMPONENTS: [(&str, &[&str]); 22] = [
    ("logging", &["level", "format", "write_to"]),
    ("otelcol.receiver.otlp", &["grpc", "http", "output"]),
    ("otelcol.receiver.prometheus", &["output"]),
    ("otelcol.receiver.loki", &["output"]),
    ("otelcol.processor.memory_limiter", &["check_interval", "limit", "output"]),
    ("otelcol.processor.transform", &["error_mode", "output"]),
    ("otelcol.processor.filter", &["error_mode", "trace_conditions", "output"]),
    ("otelcol.processor.tail_sampling", &["policy", "decision_cache", "output"]),
    ("otelcol.processor.batch", &["timeout", "output"]),
    ("otelcol.connector.spanmetrics", &["histogram", "aggregation_cardinality_limit", "output"]),
    ("otelcol.connector.servicegraph", &["store", "output"]),
    ("otelcol.exporter.otlphttp", &["client", "sending_queue", "retry_on_failure"]),
    ("otelcol.auth.basic", &["client_auth", "htpasswd"]),
    ("prometheus.exporter.postgres", &["data_source_names", "enabled_collectors"]),
    ("prometheus.exporter.redis", &["redis_addr", "redis_user", "redis_password", "config_command"]),
    ("prometheus.exporter.self", &[]),
    ("prometheus.scrape", &["targets", "forward_to", "scrape_interval", "scrape_timeout"]),
    ("prometheus.relabel", &["rule", "forward_to"]),
    ("discovery.relabel", &["targets", "rule"]),
    ("discovery.docker", &["host", "filter"]),
    ("loki.process", &["stage.static_labels", "forward_to"]),
    ("loki.source.docker", &["host", "targets", "labels", "forward_to"]),
];

/// Functions that have had a name of their own since 1.4 and will go.
const DEPRECATED: [&str; 16] = [
    "env",
    "nonsensitive",
    "concat",
    "json_decode",
    "yaml_decode",
    "base64_decode",
    "format",
    "join",
    "replace",
    "split",
    "to_lower",
    "to_upper",
    "trim",
    "trim_prefix",
    "trim_suffix",
    "trim_space",
];

/// Where the language's own names begin, others than components.
const LANGUAGE: [&str; 9] = ["sys", "string", "array", "encoding", "coalesce", "constants", "convert", "true", "false"];

/// What the defaults get wrong for telemetry of today, and what keeps secrets and series where they belong.
const SETTINGS: [(&str, &str, &[&str]); 14] = [
    ("otelcol.connector.servicegraph.services", "database_name_attributes", &["db.system.name"]),
    ("otelcol.connector.servicegraph.services", "virtual_node_peer_attributes", &["server.address"]),
    ("otelcol.connector.servicegraph.services/store", "ttl", &["10s"]),
    ("otelcol.connector.spanmetrics.entries/histogram", "unit", &["s"]),
    (
        "otelcol.connector.spanmetrics.entries/histogram/explicit",
        "buckets",
        &["50ms", "250ms", "1s", "2500ms", "10s", "60s"],
    ),
    (
        "otelcol.connector.spanmetrics.entries",
        "resource_metrics_key_attributes",
        &["service.namespace", "service.name", "deployment.environment.name"],
    ),
    ("otelcol.exporter.otlphttp.cloud/sending_queue", "sizer", &["items"]),
    ("otelcol.exporter.otlphttp.local/sending_queue", "sizer", &["items"]),
    ("otelcol.exporter.otlphttp.cloud/retry_on_failure", "max_elapsed_time", &["30m"]),
    ("otelcol.exporter.otlphttp.local/retry_on_failure", "max_elapsed_time", &["30m"]),
    ("prometheus.exporter.redis.main", "config_command", &["-"]),
    ("prometheus.exporter.redis.main", "redis_addr", &["redis:6379"]),
    ("discovery.docker.infra/filter", "values", &["gamesched.logs=infra"]),
    ("otelcol.processor.batch.out", "timeout", &["1s"]),
];

fn all() -> Vec<Block> {
    let files = FILES.map(|name| parse(&shipped(name).expect("it is shipped")).expect("it is well-formed"));
    files.into_iter().flatten().collect()
}

/// Which declared component a dotted name begins with.
fn refers<'a>(name: &str, ids: &'a BTreeSet<String>) -> Option<&'a String> {
    ids.iter()
        .find(|id| name == id.as_str() || name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('.')))
}

/// Everything that is wrong with the components, a line each.
fn wrong(blocks: &[Block]) -> Vec<String> {
    let ids: BTreeSet<_> = blocks.iter().map(Block::id).collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for block in blocks {
        let id = block.id();
        for name in block.names() {
            let first = name.split('.').next().unwrap_or_default();
            if DEPRECATED.contains(&name.as_str()) {
                wrong.push(format!("{id}: {name} is deprecated"));
            } else if let Some(other) = refers(&name, &ids) {
                used.insert(other.clone());
            } else if name.contains('.') && !LANGUAGE.contains(&first) {
                wrong.push(format!("{id}: {name} is not declared"));
            }
        }
        let Some((_, required)) = COMPONENTS.iter().find(|(name, _)| *name == block.name) else {
            wrong.push(format!("{id}: not a component that is known here"));
            continue;
        };
        let missing = required.iter().filter(|name| block.attribute(name).is_none() && block.block(name).is_none());
        wrong.extend(missing.map(|name| format!("{id}: no {name}")));
    }
    let idle = blocks.iter().filter(|block| !SELF_ACTING.contains(&block.name.as_str()) && !used.contains(&block.id()));
    wrong.extend(idle.map(|block| format!("{}: nobody uses it", block.id())));
    wrong.extend(blocks.iter().filter_map(addressed));
    wrong
}

/// Redis's address becomes a label as it stands.
fn addressed(block: &Block) -> Option<String> {
    let address = texts(block.attribute("redis_addr")?);
    let plain = address.len() == 1 && !address[0].contains(['@', '/']);
    (!plain).then(|| format!("{}: redis_addr holds more than host and port", block.id()))
}

#[test]
fn every_component_is_declared_used_and_told_what_it_must_be() {
    assert_eq!(wrong(&all()), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_configuration_is_seen() {
    let text = shipped("config.alloy").expect("it is shipped") + &shipped("logs.alloy").expect("it is shipped");
    let broken = [
        (
            "traces = [otelcol.connector.spanmetrics.entries.input]",
            "traces = [otelcol.connector.spanmetrics.x.input]",
            2,
        ),
        ("sys.env(\"ALLOY_LOG_LEVEL\")", "env(\"ALLOY_LOG_LEVEL\")", 1),
        ("redis_addr         = \"redis:6379\"", "redis_addr         = \"redis://u:p@redis:6379\"", 1),
        ("otelcol.processor.filter \"entries\"", "otelcol.processor.resource \"entries\"", 3),
        ("\tscrape_timeout  = \"10s\"\n", "", 2),
        ("prometheus.exporter.self \"alloy\" { }", "", 1),
        ("discovery.relabel.infra.output", "[]", 1),
    ];
    for (from, to, findings) in broken {
        assert!(text.contains(from), "{from} is there to be broken");
        let found = wrong(&parse(&text.replace(from, to)).expect("it is well-formed"));
        assert_eq!(found.len(), findings, "{from} became {to}: {found:?}");
    }
}

#[test]
fn the_defaults_that_do_not_fit_are_overridden() {
    let blocks = all();
    for (path, name, expected) in SETTINGS {
        let mut parts = path.split('/');
        let id = parts.next().unwrap_or_default();
        let component = blocks.iter().find(|block| block.id() == id).unwrap_or_else(|| panic!("no {id}"));
        let block = parts.try_fold(component, |block, part| block.block(part)).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(texts(block.attribute(name).unwrap_or_default()), expected, "{path}: {name}");
    }
}

/// The variables that Alloy reads.
fn variables() -> BTreeSet<String> {
    all().iter().flat_map(|block| block.given_to("sys.env")).collect()
}

fn compose(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The service `alloy` of the stack.
fn service() -> Value {
    let stack: Value = yaml_serde::from_str(&compose("compose.yaml")).expect("compose.yaml is YAML");
    stack["services"]["alloy"].clone()
}

#[test]
fn every_variable_that_alloy_reads_is_passed_to_it_and_explained_and_no_other() {
    let environment: BTreeMap<String, Value> =
        yaml_serde::from_value(service()["environment"].clone()).expect("alloy has an environment");
    assert_eq!(environment.into_keys().collect::<BTreeSet<_>>(), variables(), "compose.yaml passes these to alloy");
    let example = compose("env.example");
    let explained = |name: &&String| {
        let line = |line: &str| {
            line.trim_start_matches(['#', ' ']).strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('='))
        };
        !example.lines().any(line)
    };
    let read = variables();
    assert_eq!(read.iter().filter(explained).collect::<Vec<_>>(), Vec::<&String>::new(), "not in compose/env.example");
}

#[test]
fn the_image_is_one_version_and_its_flags_are_the_ones_that_were_tried() {
    let service = service();
    let image = service["image"].as_str().expect("alloy has an image").to_owned();
    assert!(image.contains(":v1.18.1"), "{image}: another version is read up on, tried and then written here");
    let flags: Vec<String> = yaml_serde::from_value(service["command"].clone()).expect("alloy has a command");
    assert_eq!(
        flags,
        [
            "run",
            "--server.http.listen-addr=0.0.0.0:12345",
            "--storage.path=/var/lib/alloy/data",
            "--server.http.enable-pprof=false",
            "--disable-reporting",
            "/etc/alloy"
        ]
    );
}

#[test]
fn only_the_queue_on_disk_is_below_general_availability() {
    let queue = parse(&shipped("queue.alloy").expect("it is shipped")).expect("it is well-formed");
    assert_eq!(queue.iter().map(Block::id).collect::<Vec<_>>(), ["otelcol.storage.file.queue"]);
    let known = COMPONENTS.iter().any(|(name, _)| *name == "otelcol.storage.file");
    assert!(!known, "what is not generally available is in no other file");
}
