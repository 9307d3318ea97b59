//! Whether a server answers, and as which version.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fred::interfaces::ClientLike as _;
use fred::types::{ClusterHash, CustomCommand};
use lapin::uri::{AMQPScheme, AMQPUri};
use sqlx::{Connection as _, PgConnection, Row as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Urls;

const ATTEMPT: Duration = Duration::from_secs(5);

/// The versions of all three, which must answer now.
pub(super) async fn all(urls: &Urls) -> Result<[String; 3]> {
    let (postgres, redis, rabbitmq) = tokio::join!(
        within(ATTEMPT, "Postgres", || postgres(&urls.postgres), || None),
        within(ATTEMPT, "Redis", || redis(&urls.redis), || None),
        within(ATTEMPT, "RabbitMQ", || rabbitmq(&urls.amqp), || None),
    );
    Ok([postgres?, redis?, rabbitmq?])
}

/// Asks until there is an answer, the time is over, or the server has ended.
pub(super) async fn within<F: Future<Output = Result<String>>>(
    time: Duration,
    name: &str,
    ask: impl Fn() -> F,
    ended: impl Fn() -> Option<String>,
) -> Result<String> {
    let deadline = Instant::now() + time;
    loop {
        let answer = timeout(ATTEMPT, ask()).await.unwrap_or_else(|_| bail!("no answer in {ATTEMPT:?}"));
        let Err(fault) = answer else { return answer };
        if let Some(reason) = ended() {
            bail!(reason);
        }
        if Instant::now() >= deadline {
            return Err(fault.context(format!("{name} does not answer")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn postgres(url: &str) -> Result<String> {
    let mut connection = PgConnection::connect(url).await.context("connecting to Postgres")?;
    let row = sqlx::raw_sql(
        "select split_part(current_setting('server_version'), ' ', 1), rolcreatedb and rolcreaterole or rolsuper \
         from pg_roles where rolname = current_user",
    )
    .fetch_one(&mut connection)
    .await
    .context("asking Postgres for its version")?;
    connection.close().await.ok();
    ensure!(row.try_get::<bool, _>(1)?, "Postgres's user may not create databases and roles");
    Ok(row.try_get(0)?)
}

pub(super) async fn redis(url: &str) -> Result<String> {
    let config = fred::types::config::Config::from_url(url).context("reading Redis's URL")?;
    let client = fred::types::Builder::from_config(config).build().context("preparing Redis's client")?;
    client.init().await.context("connecting to Redis")?;
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let info: String = client.custom(info, vec!["server"]).await.context("asking Redis for its version")?;
    client.quit().await.ok();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.context("Redis does not say its version")?.trim().to_owned())
}

pub(super) async fn rabbitmq(url: &str) -> Result<String> {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default());
    connection.await.context("connecting to RabbitMQ")?.close(200, "seen".into()).await.ok();
    let uri: AMQPUri = url.parse().map_err(|reason| anyhow::anyhow!("reading RabbitMQ's URL: {reason}"))?;
    match uri.scheme {
        AMQPScheme::AMQP => greeting(&uri.authority.host, uri.authority.port).await,
        AMQPScheme::AMQPS => Ok("of unknown version".to_owned()),
    }
}

/// The version in the frame with which a broker greets; the client keeps it to itself.
async fn greeting(host: &str, port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((host, port)).await.context("connecting to RabbitMQ")?;
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    let mut header = [0; 7];
    stream.read_exact(&mut header).await?;
    let mut frame = vec![0; u32::from_be_bytes([header[3], header[4], header[5], header[6]]).min(65_536) as usize];
    stream.read_exact(&mut frame).await?;
    // A table entry: the name's length and text, S, the value's length in four bytes, the value.
    let name = b"\x07versionS";
    let at =
        frame.windows(name.len()).position(|window| window == name).context("RabbitMQ does not say its version")?;
    let (length, rest) = frame[at + name.len()..].split_at_checked(4).context("RabbitMQ's greeting is cut off")?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let version = rest.get(..length).context("RabbitMQ's greeting is cut off")?;
    Ok(String::from_utf8_lossy(version).into_owned())
}
