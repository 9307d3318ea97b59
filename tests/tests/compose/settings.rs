//! Every setting is set, handed on or documented, and no password has a default.

use std::collections::BTreeSet;

use tests::world::{Service, command};
use yaml_serde::Value;

use super::model::{entries, named, read, root, services, stack, wanted};

/// Settings that the stack leaves as they are: its names in RabbitMQ and Redis stand in their users' rights, probes
/// come from within the container, and each service is called what it is.
const LEFT: [&str; 3] = ["HEALTH_ADDR", "NAMESPACE", "OTEL_SERVICE_NAME"];
/// What Postgres' clients read by themselves: so passwords need not be encoded for URLs.
const BESIDE: [&str; 1] = ["PGPASSWORD"];

/// The variables that a service's help names.
async fn settings(service: Service) -> BTreeSet<String> {
    let output = command(service, &["--help"]).expect("the services build").output().await.expect("it runs");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let name = |text: &str| {
        let end =
            text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let arguments = help.match_indices("[env: ").map(|(at, before)| name(&help[at + before.len()..]));
    let telemetry = help.match_indices("OTEL_").map(|(at, _)| name(&help[at..]));
    arguments.chain(telemetry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_of_a_service_is_set_or_handed_on_and_nothing_is_invented() {
    let services = services();
    for service in Service::ALL {
        let known = settings(service).await;
        let set: BTreeSet<_> = entries(&services[service.name()]["environment"]).into_keys().collect();
        let forgotten: Vec<_> =
            known.iter().filter(|name| !set.contains(*name) && !LEFT.contains(&name.as_str())).collect();
        assert!(forgotten.is_empty(), "{service} is never told {forgotten:?}");
        let invented = set.iter().filter(|name| !known.contains(name.trim_end_matches("_FILE")));
        let invented: Vec<_> = invented.filter(|name| !BESIDE.contains(&name.as_str())).collect();
        assert!(invented.is_empty(), "{service} does not know {invented:?}");
    }
}

#[test]
fn the_example_documents_every_variable_that_the_stack_reads_and_no_other() {
    let mut read_by_stack: BTreeSet<String> = services()
        .into_values()
        .flat_map(|service| {
            let handed_on = |value: &Value| {
                entries(value)
                    .into_iter()
                    .filter(|(_, value)| value.is_null())
                    .map(|(name, _)| name)
                    .collect::<Vec<_>>()
            };
            [handed_on(&service["environment"]), handed_on(&service["build"]["args"])].concat()
        })
        .collect();
    let files = std::fs::read_dir(root().join("compose")).expect("it is there").flatten();
    for file in files.filter(|file| file.path().extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(file.path()).expect("it can be read");
        read_by_stack.extend(wanted(&text).into_iter().map(|(name, _)| name.to_owned()));
    }
    let documented = named(&read("compose/env.example"));
    let undocumented: Vec<_> = read_by_stack.difference(&documented).collect();
    let unread: Vec<_> = documented.difference(&read_by_stack).collect();
    assert!(undocumented.is_empty() && unread.is_empty(), "undocumented: {undocumented:?}, read by nobody: {unread:?}");
    let invented: Vec<_> = named(&read("compose/simulator.env")).difference(&documented).cloned().collect();
    assert!(invented.is_empty(), "compose/simulator.env sets {invented:?}");
}

/// Whether the name is that of a secret, as a value.
fn secret(name: &str) -> bool {
    ["_PASSWORD", "_TOKEN", "_SECRET", "_KEY"].iter().any(|end| name.ends_with(end))
}

#[test]
fn no_secret_has_a_default_and_what_is_missing_is_said_before_anything_starts() {
    let text = read("compose/compose.yaml");
    let wanted = wanted(&text);
    for (name, rest) in wanted.iter().filter(|(name, _)| secret(name)) {
        let ok = ["}", ":?"].iter().any(|form| rest.starts_with(form));
        assert!(ok, "${{{name} has a default");
    }
    let refused = |name: &str| {
        wanted.iter().any(|(known, rest)| {
            let sentence = rest.strip_prefix(":?").and_then(|rest| rest.split('}').next()).unwrap_or_default();
            *known == name && sentence.contains("see compose/env.example")
        })
    };
    let example = read("compose/env.example");
    // Compose cannot ask for one of two: the service itself says which variable is empty.
    let or_file = |name: &str| named(&example).contains(&format!("{name}_FILE"));
    for line in example.lines().filter(|line| line.ends_with('=') && !line.starts_with('#')) {
        let name = line.trim_end_matches('=');
        assert!(refused(name) || or_file(name), "nothing is said when {name} is missing");
    }
    for (name, value) in example.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| secret(name)) {
        assert!(value.is_empty(), "compose/env.example has a value for {name}");
    }
    let simulator = read("compose/simulator.env");
    let known = simulator.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    for (name, value) in known.filter(|(name, _)| secret(name) && *name != "TOKEN_KEY") {
        assert!(value.starts_with("simulator-") || value.starts_with("demo-"), "{name} looks like a real one");
    }
}

#[test]
fn a_secret_from_a_file_goes_to_those_who_need_it_only() {
    let stack = stack();
    for (name, secret) in entries(&stack["secrets"]) {
        let variable = format!("{}_FILE", name.to_uppercase());
        assert_eq!(secret["file"].as_str(), Some(format!("${{{variable}:-/dev/null}}").as_str()));
        for (service, told) in services() {
            let mounted = super::model::list(&told["secrets"]).contains(&name);
            let path = format!("${{{variable}:+/run/secrets/{name}}}");
            let used = told["environment"][variable.as_str()].as_str() == Some(path.as_str());
            assert_eq!(mounted, used, "{service}, {name}");
        }
    }
}
