//! Tail sampling, switched on: what somebody will look for is kept, a tenth of the rest, and what is counted is all.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::alloy::available;
use tests::otlp::Received;

use super::stage::{Made, Stage, send};

/// Traces of which nothing is remarkable.
const DULL: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn tail_sampling_keeps_errors_slow_and_late_ones_and_causes_and_counts_all() {
    let Some(binary) = available("tail sampling") else { return };
    let mut stage = Stage::new(&binary);
    stage.configuration.set("TAIL_SAMPLING", "on");
    let alloy = stage.start().await;

    let moment = Duration::from_millis(20);
    let failed = Made::root("GET /planted", moment);
    let failed = [failed.clone(), failed.child("SELECT planted").failed()];
    let slow = [Made::root("GET /slow", Duration::from_millis(1_200))];
    let late = [Made::root("job notice.reminder", moment).with("gamesched.job.lateness", 6.0)];
    let cause = Made::root("POST /api/v1/games/{id}/join", moment);
    let cause = [cause.clone(), cause.child("join")];
    let dull: Vec<_> = (0..DULL).map(|_| Made::root("GET /dull", moment).with("gamesched.job.lateness", 0.2)).collect();
    let kept: BTreeSet<_> = [&failed[..], &slow, &late, &cause].concat().iter().map(Made::id).collect();
    for spans in [&failed[..1], &slow, &late, &cause, &dull, &failed[1..]] {
        assert_eq!(send(&alloy, spans).await, 200);
    }
    stage.gets(&kept, Duration::from_secs(30), &alloy).await;

    // Decisions are made for all that came in the same second.
    let decided = ("otelcol_processor_tail_sampling_global_count_traces_sampled_total", &[][..]);
    let all = DULL as f64 + 4.0;
    alloy.measured(decided, |count| count >= all, Duration::from_secs(30)).await.expect("all are decided");
    let calls = |received: &Received| {
        let told = received.metrics.iter().rev().filter(|metric| metric.name == "traces.span.metrics.calls");
        let points = told
            .flat_map(|metric| &metric.points)
            .filter(|point| point.attributes.get("span.name").is_some_and(|name| name.to_string() == "GET /dull"));
        points.map(|point| point.reading.number()).fold(0.0, f64::max) >= DULL as f64
    };
    stage.sink.wait("a count of all", Duration::from_secs(30), calls).await.expect("what is dropped is counted");
    let dull: BTreeSet<_> = dull.iter().map(Made::id).collect();
    let some = stage.sink.spans().iter().filter(|span| dull.contains(&span.span_id)).count();
    eprintln!("{some} of {DULL} dull traces are kept");
    assert!((DULL / 25..DULL / 5).contains(&some), "a tenth of the rest: {some} of {DULL}");
}
