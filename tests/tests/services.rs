//! Each service alone: its help, its settings, its backing services, its end.

use std::process::Output;
use std::time::Duration;

use reqwest::StatusCode;
use tests::servers::Servers;
use tests::world::{Service, World, command};

async fn runs(service: Service, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = command(service, arguments).expect("the services build");
    command.envs(settings.iter().copied());
    let output = tokio::time::timeout(Duration::from_secs(10), command.output()).await;
    output.expect("it ends at once").expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn help_documents_every_setting() {
    let world = World::empty().await.expect("a world can be made");
    for service in Service::ALL {
        let output = runs(service, &["--help"], &[]).await;
        let help = text(&output.stdout);
        assert!(output.status.success());
        for (setting, _) in world.settings(service) {
            assert!(help.contains(&setting) || setting.starts_with("OTEL_B"), "{service}: {setting} is not in\n{help}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_malformed_setting_ends_a_service_at_once_with_one_line_that_names_it() {
    let world = World::empty().await.expect("a world can be made");
    for service in Service::ALL {
        let complete = world.settings(service);
        for wrong in ["DATABASE_URL", "AMQP_URL", "HEALTH_ADDR", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            let kept = complete.iter().filter(|(name, _)| name != wrong);
            let mut settings: Vec<_> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            settings.push((wrong, "nonsense://"));
            let output = runs(service, &[], &settings).await;
            let said = text(&output.stderr);
            assert!(!output.status.success(), "{service} started with a bad {wrong}");
            assert_eq!(said.trim().lines().count(), 1, "{service}, {wrong}: {said}");
            assert!(said.contains(wrong) && text(&output.stdout).is_empty(), "{service}, {wrong}: {said}");
        }
        let kept = complete.iter().filter(|(name, _)| name != "DATABASE_URL");
        let settings: Vec<_> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let output = runs(service, &[], &settings).await;
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("DATABASE_URL"), "{service}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{service}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_needs_the_database_and_the_broker_and_nothing_else_and_takes_both_from_files() {
    let world = World::empty().await.expect("a world can be made");
    let settings = world.settings(Service::Api);
    let owner = world.database_of("migrate");
    let of = |name: &str| match name {
        "DATABASE_URL" => owner.as_str(),
        _ => settings.iter().find(|(known, _)| known == name).expect("every world has it").1.as_str(),
    };
    let (namespace, quiet) = (("NAMESPACE", of("NAMESPACE")), ("OTEL_SDK_DISABLED", "true"));
    let output = runs(Service::Api, &["init"], &[("DATABASE_URL", of("DATABASE_URL")), namespace, quiet]).await;
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("AMQP_URL is not set") && !said.contains("TOKEN_KEY"), "{said}");

    let directory = tempfile::tempdir().expect("a directory can be made");
    let [database, amqp] = ["DATABASE_URL", "AMQP_URL"].map(|name| {
        let file = directory.path().join(name);
        std::fs::write(&file, format!("{}\n", of(name))).expect("a file can be written");
        file.to_string_lossy().into_owned()
    });
    let files = [("DATABASE_URL_FILE", database.as_str()), ("AMQP_URL_FILE", amqp.as_str()), namespace, quiet];
    let output = runs(Service::Api, &["init"], &files).await;
    assert!(output.status.success(), "{}{}", text(&output.stderr), text(&output.stdout));
    assert!(text(&output.stdout).contains("the database has the schema of this release"));
}

/// What `health` says of the service of this port: its code and its sentence.
async fn health(service: Service, address: &str, port: &str) -> (Option<i32>, String) {
    let output = runs(service, &["health"], &[("HEALTH_ADDR", &format!("{address}:{port}"))]).await;
    assert!(text(&output.stdout).is_empty());
    (output.status.code(), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_the_running_process_and_needs_no_other_setting() {
    let world = World::new().await;
    for service in Service::ALL {
        let url = world.health_url(service);
        let (_, port) = url.rsplit_once(':').expect("a port");
        for address in ["127.0.0.1", "0.0.0.0"] {
            assert_eq!(health(service, address, port).await, (Some(0), String::new()), "{service}");
        }
        assert!(world.stop(service).await, "{service} ends well");
        let (code, sentence) = health(service, "0.0.0.0", port).await;
        assert_eq!((code, sentence.lines().count()), (Some(1), 1), "{sentence}");
        assert!(sentence.starts_with(&format!("{service}: nobody answers on 127.0.0.1:{port}")), "{sentence}");
    }
}

async fn ready(world: &World, service: Service) -> StatusCode {
    let answer = reqwest::get(format!("{}/ready", world.health_url(service))).await;
    answer.map_or(StatusCode::SERVICE_UNAVAILABLE, |answer| answer.status())
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until every service is ready.
async fn all_ready(world: &World) {
    for service in Service::ALL {
        world.ready(service).await.unwrap_or_else(|fault| panic!("{fault:#}"));
    }
}

/// Waits until a service has logged something.
async fn says(world: &World, service: Service, what: &str) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while !world.lines(service).contains(what) {
        assert!(tokio::time::Instant::now() < until, "{service} never says {what:?}:\n{}", world.lines(service));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_wait_for_what_is_away_say_so_and_recover() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    servers.stop_postgres().await.expect("Postgres stops");
    for service in Service::ALL {
        world.spawn(service).await.expect("it starts");
    }
    for service in Service::ALL {
        says(&world, service, "is away").await;
        assert_eq!(ready(&world, service).await, StatusCode::SERVICE_UNAVAILABLE, "{service}");
        let url = world.health_url(service);
        let (code, sentence) = health(service, "127.0.0.1", url.rsplit_once(':').expect("a port").1).await;
        assert!(code == Some(1) && sentence.contains("postgres: "), "{sentence}");
    }
    servers.start_postgres().await.expect("Postgres starts");
    all_ready(&world).await;
    for service in Service::ALL {
        says(&world, service, "is back").await;
    }

    servers.stop_redis().await.expect("Redis stops");
    servers.stop_rabbitmq().await.expect("RabbitMQ stops");
    let mut host = world.person("dm");
    host.sign_in().await.expect("signing in works from Postgres alone");
    assert_eq!(host.gets("/api/v1/guilds").await.problem().expect("a problem"), (503, "try_later".into()));
    servers.start_redis().await.expect("Redis starts");
    servers.start_rabbitmq().await.expect("RabbitMQ starts");
    all_ready(&world).await;
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends well\n{}", world.lines(service));
    }
}
