//! The table of OpenTelemetry's variables in the operator's guide, row by row against a real process.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::otlp::{MetricKind, Received, Temporality};
use tests::world::{Service, World, command};

use crate::ends::{dies, hung, sink};

/// What is to be seen of a variable.
struct Case {
    variable: &'static str,
    /// A value that is refused.
    bad: Option<&'static str>,
    /// The variable as it is set, and what it needs.
    set: &'static [(&'static str, &'static str)],
    holds: fn(&Seen) -> bool,
}

/// A process that has ended.
struct Seen {
    told: Received,
    /// What another receiver was told.
    elsewhere: Received,
    stdout: String,
    took: Duration,
}

impl Seen {
    fn spans(&self) -> usize {
        self.told.spans.len()
    }

    fn requests(&self, path: &str) -> usize {
        self.told.requests.iter().filter(|request| request.path == path).count()
    }

    fn header(&self, path: &str, name: &str) -> Option<&str> {
        let request = self.told.requests.iter().find(|request| request.path == path)?;
        request.headers.get(name).map(String::as_str)
    }

    fn all_signals(&self) -> bool {
        self.spans() == 3 && !self.told.logs.is_empty() && !self.told.metrics.is_empty()
    }

    fn attribute(&self, key: &str) -> Option<String> {
        self.told.spans.first()?.attribute(key)
    }

    fn resource(&self, key: &str) -> Option<String> {
        Some(self.told.spans.first()?.resource.attributes.get(key)?.to_string())
    }
}

const fn case(
    variable: &'static str,
    bad: Option<&'static str>,
    set: &'static [(&'static str, &'static str)],
    holds: fn(&Seen) -> bool,
) -> Case {
    Case { variable, bad, set, holds }
}

/// Far below the 2 s after which an export is given up by itself.
const SOON: Duration = Duration::from_millis(1_800);
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HUNG: (&str, &str) = (ENDPOINT, "{hung}");
const NO: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");

const CASES: [Case; 31] = [
    case("OTEL_SDK_DISABLED", Some("1"), &[("OTEL_SDK_DISABLED", "true")], |seen| {
        seen.told.requests.is_empty() && seen.stdout.contains("dying ended")
    }),
    case("OTEL_TRACES_EXPORTER", Some("jaeger"), &[("OTEL_TRACES_EXPORTER", "none")], |seen| {
        seen.spans() == 0 && !seen.told.logs.is_empty() && !seen.told.metrics.is_empty()
    }),
    case("OTEL_METRICS_EXPORTER", Some("prometheus"), &[NO], |seen| seen.told.metrics.is_empty() && seen.spans() == 3),
    case("OTEL_LOGS_EXPORTER", Some("console"), &[("OTEL_LOGS_EXPORTER", "none")], |seen| {
        seen.told.logs.is_empty() && seen.spans() == 3
    }),
    case(ENDPOINT, Some("collector:4318"), &[], Seen::all_signals),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_ENDPOINT",
        Some("ftp://collector"),
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "{other}/v1/traces")],
        |seen| seen.spans() == 0 && !seen.told.logs.is_empty() && seen.elsewhere.spans.len() == 3,
    ),
    case(PROTOCOL, Some("http/json"), &[(PROTOCOL, "grpc"), (ENDPOINT, "{grpc}")], |seen| {
        seen.all_signals() && seen.requests("grpc:traces") > 0 && seen.requests("/v1/traces") == 0
    }),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_PROTOCOL",
        Some("http"),
        &[("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "{grpc}")],
        |seen| seen.all_signals() && seen.requests("grpc:logs") > 0 && seen.requests("/v1/traces") > 0,
    ),
    case(
        "OTEL_EXPORTER_OTLP_HEADERS",
        Some("no pair"),
        &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20YTpi,x-scope=1")],
        |seen| {
            let paths = ["/v1/traces", "/v1/logs", "/v1/metrics"];
            paths.iter().all(|path| {
                seen.header(path, "authorization") == Some("Basic YTpi") && seen.header(path, "x-scope") == Some("1")
            })
        },
    ),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_HEADERS",
        Some("a b=c"),
        &[("OTEL_EXPORTER_OTLP_HEADERS", "x-scope=1"), ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-scope=2")],
        |seen| seen.header("/v1/traces", "x-scope") == Some("1") && seen.header("/v1/logs", "x-scope") == Some("2"),
    ),
    case("OTEL_EXPORTER_OTLP_TIMEOUT", Some("2s"), &[HUNG, ("OTEL_EXPORTER_OTLP_TIMEOUT", "100")], |seen| {
        seen.took < SOON
    }),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_TIMEOUT",
        Some("0"),
        &[HUNG, NO, ("OTEL_LOGS_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "100")],
        |seen| seen.took < SOON,
    ),
    case("OTEL_EXPORTER_OTLP_COMPRESSION", Some("zstd"), &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")], |seen| {
        seen.all_signals() && seen.header("/v1/traces", "content-encoding") == Some("gzip")
    }),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_COMPRESSION",
        Some("GZIP!"),
        &[(PROTOCOL, "grpc"), (ENDPOINT, "{grpc}"), ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")],
        |seen| {
            seen.all_signals()
                && seen.header("grpc:traces", "grpc-encoding") == Some("gzip")
                && seen.header("grpc:logs", "grpc-encoding").is_none()
        },
    ),
    case(
        "OTEL_EXPORTER_OTLP_INSECURE",
        Some("yes"),
        &[(PROTOCOL, "grpc"), (ENDPOINT, "{bare}"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")],
        Seen::all_signals,
    ),
    case(
        "OTEL_EXPORTER_OTLP_{SIGNAL}_INSECURE",
        Some("no"),
        &[(PROTOCOL, "grpc"), (ENDPOINT, "{bare}"), ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true")],
        |seen| {
            // The other two try TLS with a receiver that has none.
            seen.spans() == 3 && seen.told.logs.is_empty()
        },
    ),
    case(
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        Some("both"),
        &[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")],
        |seen| {
            let delta = MetricKind::Sum { monotonic: true, temporality: Temporality::Delta };
            seen.told.metrics.iter().any(|metric| metric.name == "gamesched.projection.reads" && metric.kind == delta)
        },
    ),
    case("OTEL_TRACES_SAMPLER", Some("always"), &[("OTEL_TRACES_SAMPLER", "always_off")], |seen| {
        seen.spans() == 0 && !seen.told.metrics.is_empty()
    }),
    case(
        "OTEL_TRACES_SAMPLER_ARG",
        Some("2"),
        &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")],
        |seen| seen.spans() == 0,
    ),
    case("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Some("-1"), &[("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")], |seen| {
        seen.spans() == 3 && seen.attribute("url.full").is_none() && seen.told.spans[0].dropped.attributes == 2
    }),
    case("OTEL_SPAN_LINK_COUNT_LIMIT", Some("many"), &[("OTEL_SPAN_LINK_COUNT_LIMIT", "0")], |seen| {
        seen.told.spans.iter().all(|span| span.links.is_empty())
            && seen.told.spans.iter().any(|span| span.dropped.links == 1)
    }),
    case(
        "OTEL_{BSP,BLRP}_SCHEDULE_DELAY",
        Some("1s"),
        &[("PAUSE", "300"), ("OTEL_BSP_SCHEDULE_DELAY", "50"), ("OTEL_BLRP_SCHEDULE_DELAY", "60000")],
        |seen| seen.requests("/v1/traces") > 1 && seen.requests("/v1/logs") == 1,
    ),
    case(
        "OTEL_{BSP,BLRP}_MAX_QUEUE_SIZE",
        Some("0"),
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "{hung}"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("PAUSE", "200"),
        ],
        |seen| {
            // The first is on its way to nobody, the second waits, the third is one too many: it is dropped and counted.
            labels(&seen.told, "otel.sdk.processor.span.processed", "error.type").contains("queue_full")
        },
    ),
    case(
        "OTEL_{BSP,BLRP}_MAX_EXPORT_BATCH_SIZE",
        Some("0"),
        &[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"), ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1")],
        |seen| seen.requests("/v1/traces") == 3 && seen.requests("/v1/logs") == seen.told.logs.len(),
    ),
    case(
        "OTEL_{BSP,BLRP}_EXPORT_TIMEOUT",
        Some("0"),
        &[HUNG, NO, ("OTEL_BSP_EXPORT_TIMEOUT", "100"), ("OTEL_BLRP_EXPORT_TIMEOUT", "100")],
        |seen| seen.took < SOON,
    ),
    case(
        "OTEL_METRIC_EXPORT_INTERVAL",
        Some("0"),
        &[("OTEL_METRIC_EXPORT_INTERVAL", "50"), ("PAUSE", "200")],
        |seen| seen.requests("/v1/metrics") > 3,
    ),
    case(
        "OTEL_METRIC_EXPORT_TIMEOUT",
        Some("0"),
        &[
            HUNG,
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "100"),
        ],
        |seen| seen.took < SOON,
    ),
    case("OTEL_SERVICE_NAME", None, &[("OTEL_SERVICE_NAME", "another")], |seen| {
        seen.resource("service.name").as_deref() == Some("another")
    }),
    case(
        "OTEL_RESOURCE_ATTRIBUTES",
        Some("production"),
        &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=production,service.instance.id=i")],
        |seen| {
            let told = [seen.resource("deployment.environment.name"), seen.resource("service.instance.id")];
            told == [Some("production".to_owned()), Some("i".to_owned())]
        },
    ),
    case("OTEL_PROPAGATORS", None, &[("OTEL_PROPAGATORS", "none")], |seen| {
        seen.stdout.contains("carries 0") && seen.told.spans.iter().all(|span| span.links.is_empty())
    }),
    case("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Some("short"), &[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "11")], |seen| {
        seen.attribute("url.full").as_deref() == Some("https://dm:")
    }),
];

/// Values of a label that a metric ever had.
fn labels(told: &Received, metric: &str, label: &str) -> BTreeSet<String> {
    let points = told.metrics.iter().filter(|one| one.name == metric).flat_map(|one| &one.points);
    points.filter_map(|point| Some(point.attributes.get(label)?.to_string())).collect()
}

async fn seen(set: &[(&str, &str)]) -> Seen {
    let (here, elsewhere, (_held, hung)) = (sink(), sink(), hung());
    let grpc = here.grpc_url();
    let placed = |value: &str| {
        let value = value.replace("{grpc}", &grpc).replace("{bare}", grpc.trim_start_matches("http://"));
        value.replace("{hung}", &hung).replace("{other}", &elsewhere.http_url())
    };
    let mut settings = vec![(ENDPOINT.to_owned(), here.http_url()), ("LOG_LEVEL".to_owned(), "debug".to_owned())];
    settings.extend(set.iter().map(|(name, value)| ((*name).to_owned(), placed(value))));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (output, took) = dies(&settings).await;
    assert!(output.status.success(), "{set:?}: {output:?}");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Seen { told: here.received(), elsewhere: elsewhere.received(), stdout, took }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_every_variable_of_the_table_does_what_its_row_says() {
    let mut broken = Vec::new();
    for case in &CASES {
        let seen = seen(case.set).await;
        if !(case.holds)(&seen) {
            broken.push(format!("{}: {:?} after {:?}\n{}", case.variable, seen.told.requests, seen.took, seen.stdout));
        }
    }
    let level = seen(&[HUNG, ("OTEL_LOG_LEVEL", "none")]).await;
    assert!(!level.stdout.contains("opentelemetry"), "{}", level.stdout);
    assert!(seen(&[HUNG]).await.stdout.contains("opentelemetry"), "the SDK complains unless it is told not to");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `OTEL_{BSP,BLRP}_X` as `OTEL_BSP_X` and `OTEL_BLRP_X`.
fn each(name: &str) -> Vec<String> {
    let name = name.replace("{SIGNAL}", "{TRACES,METRICS,LOGS}");
    match name.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (list, after))) => list.split(',').map(|one| format!("{before}{one}{after}")).collect(),
        None => vec![name],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_a_value_that_cannot_be_honoured_ends_the_process_with_one_line_that_names_the_variable() {
    let world = World::empty().await.expect("a world can be made");
    let more = [("OTEL_LOG_LEVEL", "loud"), ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")];
    let bad = CASES.iter().filter_map(|case| Some((case.variable, case.bad?))).chain(more);
    for (name, value) in bad.flat_map(|(names, value)| each(names).into_iter().map(move |name| (name, value))) {
        let mut service = command(Service::StatusDaemon, &[]).expect("the services build");
        service.envs(world.settings(Service::StatusDaemon)).env(&name, value);
        let output = tokio::time::timeout(Duration::from_secs(10), service.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{name}={value} is not refused")).expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{name}: {said}");
        assert!(said.contains(&name) && output.stdout.is_empty(), "{name}: {said}");
    }
}

/// The names in the first cells of the table under a heading of the operator's guide.
fn table(heading: &str) -> BTreeSet<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = std::fs::read_to_string(root.join("docs/operator.md")).expect("there is a guide");
    let (_, below) = guide.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rows = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(1).map(str::to_owned));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).flat_map(each).collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_the_guide_lists_what_is_honoured_and_what_is_warned_about_and_nothing_else() {
    // What no span here has, and what is proved beside the others.
    let beside = ["OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_LOG_LEVEL"];
    let proved = CASES.iter().map(|case| case.variable).chain(beside).flat_map(each).collect::<BTreeSet<_>>();
    assert_eq!(table("## OpenTelemetry's own variables"), proved);

    let idle = table("### Set, and without effect");
    let mut set: Vec<_> = idle.iter().map(|name| (name.as_str(), "x")).collect();
    set.extend([("OTEL_EXPORTER_OTLP_ENPOINT", "x"), ("OTEL_PROPAGATORS", "tracecontext,baggage,b3")]);
    let seen = seen(&set).await;
    let warned: Vec<_> = seen.stdout.lines().filter(|line| line.contains("without effect")).collect();
    assert_eq!(warned.len(), 1, "{}", seen.stdout);
    for (name, _) in set.iter().filter(|(name, _)| *name != "OTEL_PROPAGATORS") {
        assert!(warned[0].contains(name), "{name} is not in {}", warned[0]);
    }
    assert!(warned[0].contains("OTEL_PROPAGATORS=b3") && !warned[0].contains("baggage"), "{}", warned[0]);
}
