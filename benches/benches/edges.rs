//! Cost of each edge with telemetry off, on but unsampled, and sampled; and of what carries a context.
//!
//! An arm is a process of its own. What is told goes to a receiver that throws it away, and is waited for between the
//! measured loops, so that nothing is dropped; export runs on the SDK's own thread and is not in the figures.

use std::time::{Duration, Instant};

use benches::arm::Arm;
use benches::edges::{CARRIES, EDGES, Edge};
use benches::receiver::{self, Receiver};
use benches::stage::Stage;
use benches::summary;
use criterion::{Bencher, Criterion};
use shared::cache::Copied;
use tests::servers::Servers;

/// Spans that wait at most for their export at once.
const AT_ONCE: u64 = 50_000;

fn main() -> anyhow::Result<()> {
    match Arm::of_this_process() {
        Some(arm) => measure(arm),
        None => all(),
    }
}

/// Every arm in its process, with real servers for what goes over the wire.
fn all() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let servers = runtime.block_on(Servers::start())?;
    let urls = [("DATABASE_URL", servers.postgres_url()), ("REDIS_URL", servers.redis_url())];
    for arm in Arm::ALL {
        let receiver = Receiver::start()?;
        arm.run_again(&receiver, &urls)?;
    }
    summary::write()
}

fn measure(arm: Arm) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stage = Stage::set(arm)?;
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    for edge in EDGES.iter().chain(&CARRIES).chain(&WIRED) {
        let mut group = criterion.benchmark_group(edge.name);
        group.bench_function(arm.name(), |bencher| repeat(bencher, &stage, edge));
        group.finish();
    }
    criterion.final_summary();
    stage.end()
}

fn repeat(bencher: &mut Bencher, stage: &Stage, edge: &Edge) {
    bencher.iter_custom(|times| {
        let (mut left, mut taken) = (times, Duration::ZERO);
        while left > 0 {
            let some = left.min(AT_ONCE / edge.spans.max(1));
            let since = Instant::now();
            (edge.run)(stage, some);
            taken += since.elapsed();
            receiver::drained().expect("the receiver takes everything");
            left -= some;
        }
        taken
    });
}

/// The same edges with what is behind them.
const WIRED: [Edge; 2] = [
    Edge { name: "transaction of two statements, over the wire", spans: 2, run: transaction },
    Edge { name: "GET, over the wire", spans: 1, run: get },
];

fn transaction(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let tx = stage.db.begin().await.expect("Postgres answers");
            tx.rollback().await.expect("Postgres answers");
        }
    });
}

fn get(stage: &Stage, times: u64) {
    stage.run(async {
        for _ in 0..times {
            let found: Copied<serde_json::Value> = stage.cache.session("nobody").await.expect("Redis answers");
            assert_eq!(found, Copied::Missing);
        }
    });
}
