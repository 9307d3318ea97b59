//! Servers in containers, through testcontainers.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use futures_util::future::{Either, select, try_join_all};
use testcontainers::bollard::{API_DEFAULT_VERSION, Docker};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::wait::LogWaitStrategy;
use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::time::timeout;

use super::native::on_path;
use super::{Urls, ports, ready, setting, watchdog};

/// Without a registry a pull may hang instead of failing, and there are other sources to try.
const PULL: Duration = Duration::from_secs(20);
const START: Duration = Duration::from_secs(60);

pub(super) async fn start() -> Result<Urls> {
    let engine = engine().await?;
    // The watchdog removes the containers with it, however this process ends.
    ensure!(on_path("docker").is_some(), "an engine answers, but there is no docker command to clean up with");
    let images = images();
    try_join_all(images.iter().map(|image| available(&engine, image))).await.inspect_err(|fault| {
        eprintln!("servers: a container engine answers, but its images cannot be had: {fault:#}");
    })?;

    let [postgres, redis, rabbitmq] = [ports::free()?, ports::free()?, ports::free()?];
    let requests = [
        postgres_request(&images[0], postgres)?,
        redis_request(&images[1], redis)?,
        rabbitmq_request(&images[2], rabbitmq)?,
    ];
    let containers = start_all(&engine, requests.into()).await.context("starting the containers")?;
    let host = containers[0].get_host().await.context("asking for the engine's host")?.to_string();
    let urls = Urls {
        postgres: format!("postgres://postgres:postgres@{host}:{postgres}/postgres"),
        redis: format!("redis://{host}:{redis}"),
        amqp: format!("amqp://guest:guest@{host}:{rabbitmq}/%2f"),
    };
    tokio::try_join!(
        ready::within(START, "Postgres", || ready::postgres(&urls.postgres), || None),
        ready::within(START, "Redis", || ready::redis(&urls.redis), || None),
        ready::within(START, "RabbitMQ", || ready::rabbitmq(&urls.amqp), || None),
    )?;
    // Dropping them would remove them with the first test's runtime; the watchdog does it at the end.
    std::mem::forget(containers);
    Ok(urls)
}

fn images() -> [String; 3] {
    [("POSTGRES_IMAGE", "postgres:18"), ("REDIS_IMAGE", "redis:8"), ("RABBITMQ_IMAGE", "rabbitmq:4")]
        .map(|(name, official)| setting(name).unwrap_or_else(|| official.to_owned()))
}

async fn engine() -> Result<Docker> {
    let client = docker_client_instance().await.context("no container engine is configured")?;
    let asked = timeout(Duration::from_secs(5), client.negotiate_version()).await;
    asked.map_err(|_| anyhow!("the container engine does not answer"))?.context("no container engine answers")
}

async fn available(engine: &Docker, image: &str) -> Result<()> {
    if engine.inspect_image(image).await.is_ok() {
        return Ok(());
    }
    let (name, tag) = split(image);
    let pull = testcontainers::bollard::query_parameters::CreateImageOptionsBuilder::new().from_image(name).tag(tag);
    let pull = engine.create_image(Some(pull.build()), None, None);
    let pulled = timeout(PULL, futures_util::TryStreamExt::try_for_each(pull, |_| async { Ok(()) })).await;
    pulled
        .map_err(|_| anyhow!("not done after {PULL:?}"))
        .and_then(|done| Ok(done?))
        .with_context(|| format!("pulling {image} (script/offline-images builds stand-ins)"))
}

/// testcontainers speaks its newest version to every engine, and an older engine refuses it. Its requests share one
/// client while any is under way, so one that is begun and left there lets us lower the version for all.
async fn start_all(
    engine: &Docker,
    requests: Vec<ContainerRequest<GenericImage>>,
) -> Result<Vec<ContainerAsync<GenericImage>>> {
    let mut begun = pin!(GenericImage::new("scratch", "latest").pull_image());
    if engine.client_version() < *API_DEFAULT_VERSION {
        let shared = match select(&mut begun, pin!(docker_client_instance())).await {
            Either::Left((_, shared)) => shared.await,
            Either::Right((shared, _)) => shared,
        };
        shared?.negotiate_version().await?;
    }
    Ok(try_join_all(requests.into_iter().map(ContainerRequest::start)).await?)
}

fn postgres_request(image: &str, port: u16) -> Result<ContainerRequest<GenericImage>> {
    let settings = ["fsync=off", "max_connections=300", "shared_preload_libraries=pg_stat_statements"];
    let command = ["postgres"].into_iter().chain(settings.into_iter().flat_map(|setting| ["-c", setting]));
    // The first of the two lines is the server that initialises the data.
    let request = request("postgres", image, ("database system is ready to accept connections", 2), (port, 5432))?;
    Ok(request.with_env_var("POSTGRES_PASSWORD", "postgres").with_shm_size(256 << 20).with_cmd(command))
}

fn redis_request(image: &str, port: u16) -> Result<ContainerRequest<GenericImage>> {
    request("redis", image, ("Ready to accept connections", 1), (port, 6379))
}

fn rabbitmq_request(image: &str, port: u16) -> Result<ContainerRequest<GenericImage>> {
    // Erlang reserves a table entry for each descriptor it may open; an engine's default can cost
    // gigabytes, and more than the engine itself has is refused.
    let request = request("rabbitmq", image, ("Server startup complete", 1), (port, 5672))?;
    Ok(request.with_ulimit("nofile", 8_192, Some(8_192)).with_hostname("rabbitmq"))
}

/// A container with a name of ours, which the watchdog knows before it exists.
fn request(
    name: &str,
    image: &str,
    (line, times): (&str, usize),
    (port, inside): (u16, u16),
) -> Result<ContainerRequest<GenericImage>> {
    let (image, tag) = split(image);
    let container = format!("game-scheduler-{name}-{}-{port}", std::process::id());
    watchdog::tell("container", &container)?;
    let started = LogWaitStrategy::stdout_or_stderr(line).with_times(times);
    Ok(GenericImage::new(image, tag)
        .with_wait_for(WaitFor::log(started))
        .with_mapped_port(port, inside.tcp())
        .with_container_name(container)
        .with_startup_timeout(START))
}

/// The tag is after the last colon, unless that belongs to a registry's port.
fn split(image: &str) -> (&str, &str) {
    image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((image, "latest"))
}
