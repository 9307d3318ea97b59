//! RabbitMQ: one relay publishes, consumers converge. Nothing outside can get a channel.

pub mod consumer;
pub mod cost;
mod headers;
mod incoming;
mod link;
mod measures;
mod message;
pub mod parker;
mod publisher;
pub mod relay;
mod session;
pub mod topology;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use opentelemetry::KeyValue;

pub use link::LinkState;
pub use topology::{Names, Queue};

/// Connecting and declaring are given up after this: a broker that has just started may accept a declaration and never
/// answer it, and a new connection helps.
const CONNECT: Duration = Duration::from_secs(10);
/// A silent peer is noticed after two of these.
const HEARTBEAT_SECONDS: u16 = 10;
/// The largest frame in bytes, as RabbitMQ has it: a message of somebody else may have headers of one, and who asks for
/// less never gets past that message. Asked for and not left to the broker, since the client then begins with the memory
/// for 64 of them, of which the system gives what is used; told by the broker, it would grow into it by writing to all.
const FRAME_BYTES: u32 = 131_072;
/// Trying again waits at most this, so that the broker is found soon after it came back.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The broker: where it is, and what our things are called there.
#[derive(Clone, Debug)]
pub struct Broker {
    uri: Arc<AMQPUri>,
    names: Names,
}

impl Broker {
    /// Names the broker; nothing connects before a relay or a consumer runs.
    ///
    /// # Errors
    /// When `url` is no AMQP URL.
    pub fn new(url: &str, namespace: &str) -> anyhow::Result<Self> {
        let mut uri: AMQPUri = url.parse().map_err(|_| anyhow::anyhow!("AMQP_URL is not an AMQP URL"))?;
        if uri.vhost.is_empty() {
            // amqp://host/ means the empty virtual host by the letter, which nobody has.
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max.get_or_insert(FRAME_BYTES);
        Ok(Self { uri: Arc::new(uri), names: Names::new(namespace) })
    }

    /// What exchange and queues are called.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Declares exchange and queues once, as `init` commands do.
    ///
    /// # Errors
    /// When the broker is away or has a queue of that name with other arguments.
    pub async fn declare(&self) -> anyhow::Result<()> {
        let declaring = async {
            let connection = self.connect("topology").await?;
            let channel = connection.create_channel().await.map_err(broken)?;
            topology::declare(&channel, &self.names).await.map_err(broken)?;
            connection.close(200, "done".into()).await.map_err(broken)
        };
        bounded(declaring).await
    }

    async fn connect(&self, purpose: &str) -> anyhow::Result<Connection> {
        // No automatic recovery: a recovered channel hides which confirms died.
        let properties = ConnectionProperties::default().with_connection_name(purpose.into());
        Connection::connect_uri((*self.uri).clone(), properties).await.map_err(broken)
    }

    /// Where the messages go, for spans.
    fn server(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("server.address", self.uri.authority.host.clone()),
        ];
        if self.uri.authority.port != 5672 {
            attributes.push(KeyValue::new("server.port", i64::from(self.uri.authority.port)));
        }
        attributes
    }
}

/// Bounds what is done with a connection before it works.
async fn bounded<T>(opening: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(CONNECT, opening).await.context("no answer within 10 s")?
}

/// A client error as a fault; its text holds that of its causes already.
fn broken(error: lapin::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::Broker;

    #[test]
    fn a_url_without_a_virtual_host_means_the_default_one() {
        for url in ["amqp://127.0.0.1:5672", "amqp://127.0.0.1:5672/", "amqp://127.0.0.1:5672/%2f"] {
            assert_eq!(Broker::new(url, "").unwrap().uri.vhost, "/", "{url}");
        }
    }

    #[test]
    fn a_broken_url_is_refused_without_printing_its_password() {
        let refused = Broker::new("http://user:secret@host", "").unwrap_err().to_string();
        assert_eq!(refused, "AMQP_URL is not an AMQP URL");
    }
}
