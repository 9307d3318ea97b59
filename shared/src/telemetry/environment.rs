//! OpenTelemetry's own variables: every one checked before anything starts, refused by name, and what they ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tracing_subscriber::filter::LevelFilter;

/// An export that takes longer is given up, where no variable says otherwise.
const EXPORT: Duration = Duration::from_secs(2);

const OTLP: &str = "OTEL_EXPORTER_OTLP_";
/// Each of these exists once for all signals and once for each of them.
const PER_SIGNAL: [(&str, Rule); 6] = [
    ("ENDPOINT", Rule::Endpoint),
    ("PROTOCOL", Rule::OneOf(&["http/protobuf", "grpc"])),
    ("HEADERS", Rule::Headers),
    ("TIMEOUT", Rule::Positive),
    ("COMPRESSION", Rule::OneOf(&["gzip", "none"])),
    ("INSECURE", Rule::OneOf(&["true", "false"])),
];
const EXPORTER: Rule = Rule::OneOf(&["otlp", "none"]);
const OTHERS: [(&str, Rule); 25] = [
    ("OTEL_SDK_DISABLED", Rule::OneOf(&["true", "false"])),
    ("OTEL_TRACES_EXPORTER", EXPORTER),
    ("OTEL_METRICS_EXPORTER", EXPORTER),
    ("OTEL_LOGS_EXPORTER", EXPORTER),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Rule::OneOf(&["cumulative", "delta", "lowmemory"])),
    ("OTEL_TRACES_SAMPLER", SAMPLER),
    ("OTEL_TRACES_SAMPLER_ARG", Rule::Ratio),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Rule::Count),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", Rule::Count),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", Rule::Count),
    ("OTEL_BSP_SCHEDULE_DELAY", Rule::Positive),
    ("OTEL_BSP_MAX_QUEUE_SIZE", Rule::Positive),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Rule::Positive),
    ("OTEL_BSP_EXPORT_TIMEOUT", Rule::Positive),
    ("OTEL_BLRP_SCHEDULE_DELAY", Rule::Positive),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", Rule::Positive),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", Rule::Positive),
    ("OTEL_BLRP_EXPORT_TIMEOUT", Rule::Positive),
    ("OTEL_METRIC_EXPORT_INTERVAL", Rule::Positive),
    ("OTEL_METRIC_EXPORT_TIMEOUT", Rule::Positive),
    ("OTEL_SERVICE_NAME", Rule::Any),
    ("OTEL_RESOURCE_ATTRIBUTES", Rule::Pairs),
    ("OTEL_PROPAGATORS", Rule::Any),
    ("OTEL_LOG_LEVEL", Rule::OneOf(&["none", "error", "warn", "info", "debug", "trace"])),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Rule::Positive),
];
const SAMPLER: Rule = Rule::OneOf(&[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]);

/// What a variable's value may be.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Any,
    OneOf(&'static [&'static str]),
    Count,
    Positive,
    Ratio,
    Endpoint,
    Headers,
    Pairs,
}

impl Rule {
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.contains(&value),
            Self::Count => value.parse::<u32>().is_ok(),
            Self::Positive => value.parse::<u32>().is_ok_and(|number| number > 0),
            Self::Ratio => value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
            Self::Endpoint => is_endpoint(value),
            Self::Headers => pairs(value).all(|(name, value)| {
                http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok()
            }),
            Self::Pairs => pairs(value).all(|(name, value)| !name.is_empty() && !value.is_empty()),
        }
    }

    fn refuse(self, name: &str, value: &str) -> anyhow::Error {
        match self {
            Self::Any => anyhow::anyhow!("{name} cannot be used"),
            Self::OneOf(values) => anyhow::anyhow!("{name} is {value:?}; it can be {}", values.join(", ")),
            Self::Count => anyhow::anyhow!("{name} is {value:?}; it must be a number"),
            Self::Positive => anyhow::anyhow!("{name} is {value:?}; it must be a number above 0"),
            Self::Ratio => anyhow::anyhow!("{name} is {value:?}; it must be a number from 0 to 1"),
            // These may hold what nobody else should read.
            Self::Endpoint => anyhow::anyhow!("{name} is no address that begins with http:// or https://"),
            Self::Headers => anyhow::anyhow!("{name} is no list of name=value,name=value that headers can be made of"),
            Self::Pairs => anyhow::anyhow!("{name} is no list of name=value,name=value"),
        }
    }
}

/// Without a value for what has none, so that it is refused.
fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map_or(("", ""), |(name, value)| (name.trim(), value.trim())))
}

/// Without a scheme it may be one for gRPC, which stands in front of it then.
fn is_endpoint(value: &str) -> bool {
    let url = if value.contains("://") { value.to_owned() } else { format!("https://{value}") };
    let scheme = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    url.parse::<http::Uri>().is_ok_and(|uri| scheme(&uri) && uri.authority().is_some())
}

/// Where one signal goes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    /// Whether it is exported at all.
    pub(super) wanted: bool,
    /// Over gRPC instead of HTTP.
    pub(super) grpc: bool,
    /// An export that takes longer is given up.
    pub(super) timeout: Duration,
}

/// What the environment asks of telemetry, beside what the SDK reads itself.
#[derive(Debug)]
pub(super) struct Environment {
    /// Nothing is exported; lines on stdout and carrying go on.
    pub(super) disabled: bool,
    pub(super) traces: Wire,
    pub(super) metrics: Wire,
    pub(super) logs: Wire,
    /// Whether contexts are carried from process to process.
    pub(super) carries: bool,
    /// Of what the SDK says on stdout.
    pub(super) sdk_level: LevelFilter,
    /// Longest value in bytes.
    pub(super) value_limit: Option<usize>,
    /// Variables, and parts of them, that are set and do nothing here.
    pub(super) idle: Vec<String>,
}

/// One variable; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the OTEL_* variables are read here and nowhere else")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Environment {
    /// Reads all of them.
    ///
    /// # Errors
    /// When one cannot be honoured; the message names it, and shows its value unless that may be a secret.
    pub(super) fn read() -> anyhow::Result<Self> {
        let mut given = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("OTEL_")) else { continue };
            let value = value.to_str().with_context(|| format!("{name} is not UTF-8"))?;
            if !value.is_empty() {
                given.insert(name.to_owned(), value.to_owned());
            }
        }
        Self::of(&given)
    }

    fn of(given: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut idle = Vec::new();
        for (name, value) in given {
            match rule(name) {
                None => idle.push(name.clone()),
                Some(rule) => ensure!(rule.accepts(value), rule.refuse(name, value)),
            }
        }
        let get = |name: &str| given.get(name).map(String::as_str);
        let propagators: Vec<_> = get("OTEL_PROPAGATORS").unwrap_or("tracecontext").split(',').map(str::trim).collect();
        let strange = propagators.iter().filter(|one| !["tracecontext", "baggage", "none"].contains(one));
        idle.extend(strange.map(|one| format!("OTEL_PROPAGATORS={one}")));
        Ok(Self {
            disabled: get("OTEL_SDK_DISABLED") == Some("true"),
            traces: wire(given, "TRACES", "OTEL_BSP_EXPORT_TIMEOUT")?,
            metrics: wire(given, "METRICS", "OTEL_METRIC_EXPORT_TIMEOUT")?,
            logs: wire(given, "LOGS", "OTEL_BLRP_EXPORT_TIMEOUT")?,
            carries: propagators.contains(&"tracecontext"),
            sdk_level: level(get("OTEL_LOG_LEVEL")),
            value_limit: get("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT").and_then(|limit| limit.parse().ok()),
            idle,
        })
    }
}

fn rule(name: &str) -> Option<Rule> {
    let named = |list: &[(&str, Rule)], name| list.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule);
    let of_signal = name.strip_prefix(OTLP).and_then(|rest| {
        let signals = ["TRACES_", "METRICS_", "LOGS_"];
        named(&PER_SIGNAL, signals.iter().find_map(|signal| rest.strip_prefix(signal)).unwrap_or(rest))
    });
    of_signal.or_else(|| named(&OTHERS, name))
}

/// A signal's own variable counts before the one for all.
fn wire(given: &BTreeMap<String, String>, signal: &str, bound: &str) -> anyhow::Result<Wire> {
    let find = |what: &str| {
        let names = [format!("{OTLP}{signal}_{what}"), format!("{OTLP}{what}")];
        names.into_iter().find_map(|name| given.get(&name).map(|value| (name, value.as_str())))
    };
    let millis = |value: &str| value.parse().ok().map(Duration::from_millis);
    let grpc = find("PROTOCOL").is_some_and(|(_, value)| value == "grpc");
    if let Some((name, endpoint)) = find("ENDPOINT")
        && !grpc
        && !endpoint.contains("://")
    {
        bail!(Rule::Endpoint.refuse(&name, endpoint));
    }
    let exporter = find("TIMEOUT").and_then(|(_, value)| millis(value)).unwrap_or(EXPORT);
    let bound = given.get(bound).and_then(|value| millis(value)).unwrap_or(exporter);
    let wanted = given.get(&format!("OTEL_{signal}_EXPORTER")).is_none_or(|value| value == "otlp");
    Ok(Wire { wanted, grpc, timeout: exporter.min(bound) })
}

fn level(name: Option<&str>) -> LevelFilter {
    match name {
        Some("none") => LevelFilter::OFF,
        Some("error") => LevelFilter::ERROR,
        Some("info") => LevelFilter::INFO,
        Some("debug") => LevelFilter::DEBUG,
        Some("trace") => LevelFilter::TRACE,
        _ => LevelFilter::WARN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> anyhow::Result<Environment> {
        Environment::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn t_09_a_signals_own_variable_counts_before_the_one_for_all() {
        let environment = of(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "9000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "50"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "4000"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ])
        .unwrap();
        let wire = |wanted, grpc, millis| Wire { wanted, grpc, timeout: Duration::from_millis(millis) };
        assert_eq!(environment.traces, wire(true, true, 4_000));
        assert_eq!(environment.metrics, wire(false, true, 50));
        assert_eq!(environment.logs, wire(true, false, 9_000));
    }

    #[test]
    fn t_14_a_refusal_names_the_variable_and_shows_no_secret() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization Basic hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a b=hunter2"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://dm:hunter2@collector"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318/hunter2"),
            ("OTEL_RESOURCE_ATTRIBUTES", "hunter2"),
        ] {
            let fault = of(&[(name, value)]).unwrap_err().to_string();
            assert!(fault.contains(name) && !fault.contains("hunter2"), "{fault}");
        }
        let fault = of(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")]).unwrap_err().to_string();
        assert_eq!(fault, "OTEL_BSP_MAX_QUEUE_SIZE is \"0\"; it must be a number above 0");
    }

    #[test]
    fn t_09_an_address_without_a_scheme_is_one_for_grpc_only() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
        assert!(of(&[endpoint]).is_err());
        assert!(of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_ok());
    }

    #[test]
    fn t_09_only_the_trace_context_is_carried_and_what_does_nothing_is_named() {
        let carries = |list| of(&[("OTEL_PROPAGATORS", list)]).unwrap();
        assert!(of(&[]).unwrap().carries);
        assert!(carries("tracecontext,baggage").carries && carries("tracecontext,baggage").idle.is_empty());
        assert!(!carries("none").carries && !carries("baggage").carries);
        assert_eq!(carries("b3, tracecontext").idle, ["OTEL_PROPAGATORS=b3"]);
        let idle = of(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"), ("OTEL_TYPO", "1")]).unwrap().idle;
        assert_eq!(idle, ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_TYPO"]);
    }
}
