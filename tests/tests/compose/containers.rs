//! Every container is confined, limited, watched, and waits for what it needs.

use super::model::{entries, list, read, root, services, stack, text};

const OURS: [&str; 4] = ["api", "bot", "notification-daemon", "status-daemon"];
const SERVERS: [&str; 3] = ["postgres", "redis", "rabbitmq"];
/// A demonstration of six servers in one container, for development: it writes where it likes.
const UNCONFINED: &str = "lgtm";

#[test]
fn every_container_is_confined() {
    for (name, service) in services() {
        assert_eq!(list(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(list(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(service["read_only"].as_bool(), Some(name != UNCONFINED), "{name}");
        let given = ["cap_add", "privileged", "network_mode", "pid", "devices"].map(|key| service.get(key).is_some());
        assert_eq!(given, [false; 5], "{name} is given something back");
        // The other images run as a user of their own, without a name that is known here.
        if SERVERS.contains(&name.as_str()) || name == "alloy" {
            assert!(!matches!(text(&service["user"]).as_str(), "null" | "root" | "0"), "{name} runs as root");
        }
    }
}

#[test]
fn every_container_has_limits_and_rotates_its_logs() {
    for (name, service) in services() {
        for limit in ["mem_limit", "cpus", "pids_limit"] {
            assert!(service.get(limit).is_some(), "{name} has no {limit}");
        }
        assert!(service["cpus"].as_f64().is_some_and(|cpus| cpus <= 1.0), "{name} does not start on one processor");
        let logs = &service["logging"]["options"];
        assert_eq!((text(&logs["max-size"]), text(&logs["max-file"])), ("10m".into(), "3".into()), "{name}");
        assert_eq!(text(&service["stop_grace_period"]), "30s", "{name}: a service may take 25 s to end");
    }
}

#[test]
fn every_container_says_whether_it_is_ready() {
    for (name, service) in services() {
        let test = list(&service["healthcheck"]["test"]);
        match name.as_str() {
            "init" => assert_eq!(service["healthcheck"]["disable"].as_bool(), Some(true), "it ends"),
            UNCONFINED => assert!(test.is_empty(), "its image brings one"),
            ours if OURS.contains(&ours) => assert_eq!(test, ["CMD", "/service", "health"], "{name}"),
            _ => assert!(test.len() > 1, "{name} has no health check"),
        }
    }
}

#[test]
fn services_start_when_what_they_need_is_there_and_never_wait_for_telemetry() {
    let services = services();
    let waits = |name: &str, needed: &str| text(&services[name]["depends_on"][needed]["condition"]);
    for service in OURS {
        assert_eq!(waits(service, "init"), "service_completed_successfully", "{service}");
    }
    for (service, server) in [("init", "postgres"), ("init", "rabbitmq"), ("api", "redis"), ("bot", "redis")] {
        assert_eq!(waits(service, server), "service_healthy", "{service}, {server}");
    }
    for (name, service) in &services {
        for telemetry in ["alloy", UNCONFINED] {
            assert!(service["depends_on"].get(telemetry).is_none(), "{name} waits for {telemetry}");
        }
    }
    assert_eq!(text(&services["init"]["restart"]), "no");
}

#[test]
fn only_loopback_has_ports_and_any_number_of_replicas_can_run() {
    for (name, service) in services() {
        let ports = list(&service["ports"]);
        assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{name}: {ports:?}");
        let published = ["api", "discord-simulator", UNCONFINED].contains(&name.as_str());
        assert_eq!(!ports.is_empty(), published, "{name}: {ports:?}");
        assert!(service.get("container_name").is_none(), "{name}: two containers cannot have one name");
        assert!(service.get("hostname").is_none() || name == "rabbitmq", "{name}: replicas differ by it");
    }
    let api = list(&services()["api"]["ports"]);
    assert_eq!(api, ["127.0.0.1:${API_PORT:-8080}:8080"], "a range in API_PORT gives each replica a port");
}

#[test]
fn what_is_mounted_is_there_and_cannot_be_written() {
    for (name, service) in services() {
        for mount in list(&service["volumes"]).into_iter().filter(|mount| mount.starts_with('.')) {
            let mut parts = mount.split(':');
            let source = root().join("compose").join(parts.next().unwrap_or_default());
            assert!(source.exists(), "{name}: an engine would make a directory of {mount}");
            assert_eq!(parts.nth(1), Some("ro"), "{name}: {mount}");
        }
    }
}

#[test]
fn networks_are_split_and_only_one_leads_out() {
    for (name, network) in entries(&stack()["networks"]) {
        assert_eq!(network["internal"].as_bool() == Some(true), name != "outside", "{name}");
    }
    let joined = |name: &str| list(&services()[name]["networks"]);
    for server in SERVERS {
        assert_eq!(joined(server), [if server == "redis" { "cache" } else { "data" }], "{server}");
    }
    for daemon in ["notification-daemon", "status-daemon", "init"] {
        assert_eq!(joined(daemon), ["data", "telemetry"], "{daemon} needs neither Redis nor a way out");
    }
}

#[test]
fn the_logs_of_the_infrastructure_are_labelled_and_no_others() {
    for (name, service) in services() {
        let label = text(&service["labels"]["gamesched.logs"]);
        assert_eq!(
            label == "infra",
            SERVERS.contains(&name.as_str()),
            "{name}: ours and Alloy's would be stored twice"
        );
    }
}

#[test]
fn what_needs_no_discord_or_no_backend_is_a_profile_and_nothing_else_is() {
    for (name, service) in services() {
        let expected: &[&str] = match name.as_str() {
            "discord-simulator" => &["simulator"],
            UNCONFINED => &["local"],
            _ => &[],
        };
        assert_eq!(list(&service["profiles"]), expected, "{name}");
    }
}

#[test]
fn images_are_built_by_the_compiler_that_the_project_names_and_have_no_root() {
    let dockerfile = read("compose/Dockerfile");
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).expect("a channel");
    let builder = format!("ARG BUILDER_IMAGE=rust:{version}-trixie");
    assert!(dockerfile.contains(&builder), "compose/Dockerfile does not build with {version}");
    assert!(read("compose/env.example").contains(&builder.replace("ARG ", "# ")), "compose/env.example shows another");
    let finals = dockerfile.split("FROM ${RUNTIME_IMAGE}").skip(1).collect::<Vec<_>>();
    assert_eq!(finals.len(), 2);
    for stage in finals {
        let stage = stage.split("\nFROM ").next().unwrap_or_default();
        let instructions =
            ["USER 65532:65532", "HEALTHCHECK ", "STOPSIGNAL ", "LABEL org.opencontainers", "ENTRYPOINT ["];
        let missing: Vec<_> = instructions.into_iter().filter(|instruction| !stage.contains(instruction)).collect();
        assert!(missing.is_empty() && !stage.contains("\nRUN "), "{missing:?} in {stage}");
    }
    for processor in ["amd64", "arm64", "x86_64", "aarch64", "--platform=linux"] {
        assert!(!dockerfile.contains(processor), "compose/Dockerfile knows {processor}");
    }
}
