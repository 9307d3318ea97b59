//! What a backend that fails costs: nothing, as long as queue and retries last; and what is refused is counted.

use std::time::Duration;

use tests::alloy::{Configuration, available, shipped};
use tests::otlp::{Answer, Conduct};

use super::stage::{Stage, TOKEN, send_some};

/// Retries wait 5 s at first, and up to 30 s.
const ARRIVAL: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the gateway is away: seconds in every run, two minutes where that is asked for.
fn lasts() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a longer outage is asked for from outside")]
    let told = std::env::var("OUTAGE_SECONDS").ok().and_then(|told| told.parse().ok());
    Duration::from_secs_f64(told.unwrap_or(6.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_wrong_credentials_are_counted_and_right_ones_work_without_a_restart() {
    let Some(binary) = available("wrong credentials") else { return };
    let mut stage = Stage::new(&binary);
    let file = stage.configuration.directory().join("token");
    std::fs::write(&file, "yesterday's").expect("the token can be written");
    stage.configuration.set("GRAFANA_CLOUD_TOKEN_FILE", file.to_str().expect("a path"));
    let alloy = stage.start().await;

    let lost = send_some(&alloy, 25, "lost").await;
    let failed = ("otelcol_exporter_send_failed_spans_total", &["otlphttp.cloud"][..]);
    alloy.measured(failed, |count| count >= 25.0, PATIENCE).await.expect("what is refused is counted");
    assert!(stage.gateway.answered("traces", 401) > 0, "{:?}", stage.gateway.refusals());
    let said = alloy.lines().lines().find(|line| line.contains("401")).map(str::to_owned);
    eprintln!("{}", said.expect("Alloy says why"));

    std::fs::write(&file, TOKEN).expect("the token can be written");
    // The file is watched; how soon that works is the system's.
    let until = tokio::time::Instant::now() + PATIENCE;
    while stage.gateway.answered("traces", 200) == 0 {
        assert!(tokio::time::Instant::now() < until, "a token that is replaced is used:\n{}", alloy.tail());
        let sent = send_some(&alloy, 1, "found").await;
        let arrived = |received: &tests::otlp::Received| received.spans.iter().any(|span| sent.contains(&span.span_id));
        stage.sink.wait("a span with the new token", Duration::from_secs(2), arrived).await.ok();
    }
    let spans = stage.sink.spans();
    assert!(!spans.iter().any(|span| lost.contains(&span.span_id)), "a refusal is final: it is not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_s_credentials_are_placeholders_that_the_gateway_refuses() {
    let Some(binary) = available("no credentials") else { return };
    let mut stage = Stage::new(&binary);
    stage.configuration.set("GRAFANA_CLOUD_INSTANCE_ID", "");
    stage.configuration.set("GRAFANA_CLOUD_TOKEN", "");
    let alloy = stage.start().await;
    send_some(&alloy, 1, "lost").await;
    let failed = ("otelcol_exporter_send_failed_spans_total", &["otlphttp.cloud"][..]);
    alloy.measured(failed, |count| count >= 1.0, PATIENCE).await.expect("it is refused and counted");
    stage.gateway.knows("unset", "unset");
    send_some(&alloy, 1, "found").await;
    let any = |received: &tests::otlp::Received| !received.spans.is_empty();
    stage.sink.wait("what the placeholders sent", PATIENCE, any).await.expect("they are sent, not nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_09_nothing_is_lost_while_the_gateway_limits_fails_hangs_or_is_gone() {
    let Some(binary) = available("outages of the gateway") else { return };
    let stage = Stage::new(&binary);
    let alloy = stage.start().await;
    let mut sent = send_some(&alloy, 100, "before").await;
    stage.gets(&sent, PATIENCE, &alloy).await;

    stage.gateway.answers(Answer::TooMuch(2));
    sent.extend(send_some(&alloy, 100, "too much").await);
    wait_for(&stage, 429).await;
    stage.gateway.answers(Answer::Unavailable);
    sent.extend(send_some(&alloy, 100, "unavailable").await);
    wait_for(&stage, 503).await;
    stage.gateway.answers(Answer::Taken);

    for conduct in [Conduct::Refusing, Conduct::Hung, Conduct::Resetting, Conduct::Absent] {
        stage.gate.behaves(conduct);
        sent.extend(send_some(&alloy, 100, "away").await);
        tokio::time::sleep(lasts() / 4).await;
    }
    let waiting = ("otelcol_exporter_queue_size", &["otlphttp.cloud", "traces"][..]);
    let queued = alloy.measured(waiting, |size| size > 0.0, PATIENCE).await.expect("what waits is told");
    stage.gate.behaves(Conduct::Open);
    stage.gets(&sent, ARRIVAL, &alloy).await;
    let failed = alloy.measures("otelcol_exporter_send_failed_spans_total", &["otlphttp.cloud"]).await;
    assert_eq!(failed.expect("it answers"), 0.0, "nothing was given up");
    let mut ids: Vec<_> = stage.sink.spans().into_iter().map(|span| span.span_id).collect();
    ids.sort();
    let arrived = ids.len();
    ids.dedup();
    eprintln!("{} of {} spans, {} twice; {queued} waited at most", ids.len(), sent.len(), arrived - ids.len());
    assert_eq!(ids.len(), sent.len(), "all of them, and nothing else");
}

async fn wait_for(stage: &Stage, status: u16) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while stage.gateway.answered("traces", status) == 0 {
        assert!(tokio::time::Instant::now() < until, "the gateway answered {:?}", stage.gateway.refusals());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The lines that alloy/README.md says to change for a queue on disk.
fn with_queue(configuration: &mut Configuration) {
    let directory = configuration.directory().join("queue");
    let text = shipped("queue.alloy").expect("it is shipped");
    let here = text.replace("/var/lib/alloy/data/queue", directory.to_str().expect("a path"));
    assert_ne!(here, text, "the directory is the container's");
    configuration.add("queue.alloy", &here).expect("it can be added");
    let bare = "sizer      = \"items\"\n\t\tqueue_size = 50000";
    let kept = "storage = otelcol.storage.file.queue.handler";
    let readme = shipped("README.md").expect("it is shipped");
    assert!(readme.contains(kept), "the guide says the same");
    configuration.replace(bare, &format!("{bare}\n\t\t{kept}")).expect("there is a queue");
    configuration.argument("--stability.level=public-preview");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_on_disk_outlives_an_alloy_that_is_killed() {
    let Some(binary) = available("the queue on disk") else { return };
    let mut stage = Stage::new(&binary);
    with_queue(&mut stage.configuration);
    let alloy = stage.start().await;
    stage.gate.behaves(Conduct::Absent);
    let sent = send_some(&alloy, 200, "kept").await;
    let waiting = ("otelcol_exporter_queue_size", &["otlphttp.cloud", "traces"][..]);
    alloy.measured(waiting, |size| size > 0.0, PATIENCE).await.expect("what waits is told");
    alloy.kill().await.expect("it can be killed");
    stage.gate.behaves(Conduct::Open);
    let alloy = stage.start().await;
    stage.gets(&sent, ARRIVAL, &alloy).await;
}
