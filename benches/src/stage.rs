//! What an edge needs around it: providers as in a service, a parent for its spans, and no server at all.

use anyhow::{Context as _, Result};
use shared::amqp::cost::Waiting;
use shared::amqp::{Broker, Queue};
use shared::cache::Cache;
use shared::store::Db;
use shared::store::outbox::OutboxRow;
use shared::telemetry::carry::{self, Headers};
use shared::telemetry::http::Routes;
use shared::telemetry::span::{self, Span, SpanKind};
use shared::telemetry::{Format, Guard, Level, Lines, Settings};
use tokio::runtime::Runtime;

use crate::arm::Arm;
use crate::samples;

/// Nothing listens on the discard port.
const NOBODY: &str = "127.0.0.1:9";

/// Everything set up for one arm.
#[derive(Debug)]
pub struct Stage {
    /// How telemetry stands.
    pub arm: Arm,
    /// Where statements would go.
    pub db: Db,
    /// Where commands would go.
    pub cache: Cache,
    /// Where messages would go.
    pub broker: Broker,
    /// What the router knows.
    pub routes: Routes,
    /// What reads them.
    pub queue: Queue,
    /// What the relay finds.
    pub row: OutboxRow,
    /// What the consumer gets.
    pub waiting: Waiting,
    parent: Span,
    guard: Option<Guard>,
    // Last, so that it outlives what works with it.
    runtime: Runtime,
}

impl Stage {
    /// Sets everything up; once a process. The servers are those of `DATABASE_URL` and `REDIS_URL`, or none.
    ///
    /// # Errors
    /// When telemetry or a client cannot be set up.
    pub fn set(arm: Arm) -> Result<Self> {
        let guard = shared::telemetry::init(Settings {
            service: "bench",
            port: 0,
            level: Level::Info,
            format: Format::Json,
            lines: Lines::Stderr,
        })?;
        // What is measured runs on the caller's thread, what the clients do by themselves on the other one.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = runtime.enter();
        let db = Db::open(&url("DATABASE_URL", "postgres", "/nothing"), "bench", 1)?;
        let cache = Cache::open(&url("REDIS_URL", "redis", ""), "bench")?;
        let broker = Broker::new(&format!("amqp://{NOBODY}"), "bench")?;
        drop(entered);
        let parent = parent(arm);
        let row = runtime.block_on(parent.inside(async { samples::row() }));
        let waiting = Waiting::of(row.clone(), &broker);
        let guard = Some(guard);
        Ok(Self {
            arm,
            db,
            cache,
            broker,
            routes: Routes::default(),
            queue: Queue::Announcements,
            row,
            waiting,
            parent,
            guard,
            runtime,
        })
    }

    /// Runs something on this thread, below the arm's parent.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(self.parent.inside(work))
    }

    /// Ends it, with everything told.
    ///
    /// # Errors
    /// When it was ended before.
    pub fn end(mut self) -> Result<()> {
        let guard = self.guard.take().context("it was ended")?;
        drop(self);
        guard.shutdown();
        Ok(())
    }
}

fn url(variable: &str, scheme: &str, path: &str) -> String {
    let named = std::env::var_os(variable).and_then(|url| url.into_string().ok());
    named.unwrap_or_else(|| format!("{scheme}://{NOBODY}{path}"))
}

/// Headers of a request as a trusted peer of this arm sends them.
#[must_use]
pub fn traceparent(arm: Arm) -> String {
    let flags = if arm == Arm::Unsampled { "00" } else { "01" };
    format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}")
}

fn parent(arm: Arm) -> Span {
    let headers = Headers::from([("traceparent".to_owned(), traceparent(arm))]);
    let place = carry::below(carry::extract(&headers));
    span::begin(SpanKind::Server, "GET /health", Vec::new, place.links, &place.parent)
}
