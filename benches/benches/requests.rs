//! Cost of whole requests through the real router on real servers, one after the other, with telemetry off and on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::crowd::{Crowd, Flow, JOINS};
use benches::receiver::Receiver;
use benches::summary;
use benches::wire::Wires;
use criterion::Criterion;
use tokio::runtime::Runtime;

fn main() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let crowd = runtime.block_on(Crowd::gather())?;
    let receiver = Receiver::start()?;
    let url = receiver.url();
    let off = runtime.block_on(crowd.replica("off", None))?;
    let on = runtime.block_on(crowd.replica("on", Some(&url)))?;
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for flow in Flow::ALL {
        let mut group = criterion.benchmark_group(format!("request: {}", flow.name()));
        for (arm, replica) in [("off", &off), ("on", &on)] {
            let mut asking = Asking { crowd: &crowd, flow, wires: Arc::new(Wires::to(replica.address)), number: 0 };
            group.bench_function(arm, |bencher| {
                bencher.iter_custom(|times| runtime.block_on(asking.again(times as usize)));
            });
            runtime.block_on(crowd.forget());
        }
        group.finish();
    }
    criterion.final_summary();
    assert!(receiver.received().servers > 0, "telemetry was on, and nothing came");
    summary::write()
}

/// Requests of one flow to one api.
struct Asking<'a> {
    crowd: &'a Crowd,
    flow: Flow,
    wires: Arc<Wires>,
    number: usize,
}

impl Asking<'_> {
    async fn again(&mut self, times: usize) -> Duration {
        if self.number + times > JOINS {
            self.crowd.forget().await;
            self.number = 0;
        }
        let make = self.crowd.requests();
        let requests: Vec<_> = (0..times).map(|number| make(self.flow, self.number + number)).collect();
        self.number += times;
        let since = Instant::now();
        for request in &requests {
            self.wires.ask(request).await.expect("the api answers");
        }
        since.elapsed()
    }
}
