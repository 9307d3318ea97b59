//! Harmless: whatever a collector does, no request waits for it, nothing grows, and what is lost is counted (T-11).

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Client;
use tests::load::{self, Answers};
use tests::otlp::{Conduct, Gate, Kind, Received, Resource, Value};
use tests::world::{Replica, Service, World, free_address, in_minutes};

/// Requests a second to each api: together less than a machine that runs other specs beside them can answer.
const RATE: f64 = 5.0;
/// How much slower the 99th percentile may be: in a run that is long enough to tell, and in a short one beside other
/// specs, where only what waits for a collector can be told from noise.
const SLOWER: [f64; 2] = [1.05, 2.0];
/// Bytes that an api may hold more than the one whose collector works.
const MEMORY: u64 = 64 << 20;
/// Sessions that share the load, since each may only ask so often.
const SESSIONS: usize = 120;
const ARRIVAL: Duration = Duration::from_secs(30);

/// Every way in which a collector fails; the first is the measure of the others.
const ARMS: [Conduct; 7] = [
    Conduct::Open,
    Conduct::Absent,
    Conduct::Refusing,
    Conduct::Resetting,
    Conduct::Hung,
    Conduct::Unreachable,
    Conduct::Slow,
];

/// One api and its collector.
struct Arm {
    conduct: Conduct,
    name: String,
    gate: Gate,
    api: Replica,
}

impl Arm {
    async fn start(world: &World, conduct: Conduct) -> Self {
        let name = format!("{conduct:?}").to_lowercase();
        let address = free_address().expect("a free port");
        let behind = world.sink.http_url().trim_start_matches("http://").parse().expect("an address");
        let gate = Gate::start(address, behind, conduct).expect("a gate");
        let resource = format!("service.instance.id={name}");
        let settings = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", gate.url()),
            ("OTEL_RESOURCE_ATTRIBUTES", resource),
            // Small, so that a short run fills it; the defaults are the operator's.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "512".to_owned()),
            ("LOG_LEVEL", "info".to_owned()),
        ];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let api = world.replica(Service::Api, &name, &settings).await.expect("start-up does not wait for a collector");
        Self { conduct, name, gate, api }
    }

    fn told(&self, resource: &Resource) -> bool {
        resource.attributes.get("service.instance.id") == Some(&Value::from(self.name.as_str()))
    }

    /// Spans and batches of spans that it says it could not hand over.
    fn dropped(&self, received: &Received) -> f64 {
        let counters = ["otel.sdk.processor.span.processed", "otel.sdk.exporter.span.exported"];
        let last = counters.iter().filter_map(|name| {
            received.metrics.iter().rev().find(|metric| metric.name == *name && self.told(&metric.resource))
        });
        let points = last.flat_map(|metric| &metric.points);
        points.filter(|point| point.attributes.contains_key("error.type")).map(|point| point.reading.number()).sum()
    }

    /// The traces whose SERVER span arrived.
    fn arrived(&self, received: &Received) -> usize {
        let servers = received.spans.iter().filter(|span| span.kind == Kind::Server && self.told(&span.resource));
        servers.map(|span| span.trace_id.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// Spans a request, of those that arrived.
    fn spans_a_request(&self, received: &Received) -> f64 {
        let ours = received.spans.iter().filter(|span| self.told(&span.resource));
        ours.count() as f64 / self.arrived(received).max(1) as f64
    }

    /// Asks with a trace of the caller's own and waits until the span of it is told.
    async fn recovers(&self, world: &World, number: usize) {
        let trace = format!("{:032x}", 0x5ab0_7a9e_u64 + number as u64);
        let header = format!("00-{trace}-00f067aa0ba902b7-01");
        let url = format!("http://{}/api/v1/auth/user", self.api.address);
        Client::new().get(url).header("traceparent", header).send().await.expect("it answers");
        let told = |received: &Received| received.spans.iter().any(|span| span.trace_id == trace);
        let what = format!("{}: a span after the collector is well", self.name);
        world.sink.wait(&what, ARRIVAL, told).await.expect("it recovers without a restart");
    }
}

/// What a longer run is told from outside.
fn told(name: &str) -> Option<f64> {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
    std::env::var(name).ok().and_then(|told| told.parse().ok())
}

/// How long the collectors misbehave: short in every run of the specs, ten minutes where it is measured.
fn lasts() -> Duration {
    Duration::from_secs_f64(told("SABOTAGE_SECONDS").unwrap_or(30.0))
}

/// Somebody with many sessions.
async fn sessions(world: &World) {
    world.signed_in("ada").await;
    let many = format!(
        "insert into sessions (token_sha256, user_id, created_at, last_seen_at, ends_at)
         select sha256(('crowd-' || n)::bytea), (select id from users where discord_id = {}), now(), now(),
           now() + interval '1 day' from generate_series(1, {SESSIONS}) as n",
        tests::discord::ids::ADA
    );
    world.does(many).await;
}

async fn loaded(arms: &[Arm], lasts: Duration) -> Vec<Answers> {
    let client = Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
    load::offer(arms.len(), told("SABOTAGE_RATE").unwrap_or(RATE), lasts, |service, turn| {
        let session = (turn * arms.len() + service) % SESSIONS + 1;
        let request = client
            .get(format!("http://{}/api/v1/games", arms[service].api.address))
            .header("cookie", format!("session_token=crowd-{session}"));
        async move {
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            answer.bytes().await.map_err(|error| error.to_string())?;
            if status.is_success() { Ok(()) } else { Err(status.to_string()) }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn t_11_whatever_a_collector_does_no_request_waits_and_nothing_grows_and_losses_are_counted() {
    let world = World::new().await;
    sessions(&world).await;
    let host = world.signed_in("dm").await;
    assert_eq!(host.creates(&[("title", "Citadel"), ("scheduled_at", &in_minutes(120))]).await.status, 201);
    world.settle().await;
    let mut arms = Vec::new();
    for conduct in ARMS {
        arms.push(Arm::start(&world, conduct).await);
    }
    // Pools fill and caches warm up before anything is measured.
    let warm = loaded(&arms, Duration::from_secs(5)).await;
    let answers = loaded(&arms, lasts()).await;

    let slower = if told("SABOTAGE_SECONDS").is_some() { SLOWER[0] } else { SLOWER[1] };
    let resident: Vec<_> = arms.iter().map(|arm| arm.api.resident().expect("it runs")).collect();
    for ((arm, told), held) in arms.iter().zip(&answers).zip(&resident) {
        let [p50, p99] = [0.5, 0.99].map(|part| load::ratio(told, &answers[0], part));
        let (count, slowest) = (told.latencies.len(), load::quantile(&told.latencies, 0.99));
        eprintln!(
            "{:<12} {count} answers, P99 {slowest:.1?}; to open: P50 {p50}, P99 {p99}; {} MiB",
            arm.name,
            held >> 20
        );
        // On a machine that is too busy for the load some fail whatever the collector does.
        let excused = 2 * answers[0].failures.len() + told.asked() / 50;
        let failed = told.failures.len();
        assert!(failed <= excused, "{}: {failed} of {} requests fail", arm.name, told.asked());
        assert!(p99.lower <= slower, "{}: requests wait: {p99}", arm.name);
        assert!(*held <= resident[0] + MEMORY, "{}: {held} bytes", arm.name);
    }
    let sent: Vec<_> = warm.iter().zip(&answers).map(|(a, b)| a.latencies.len() + b.latencies.len()).collect();
    counts_its_losses(&world, &arms, &sent).await;
}

/// With every collector well again: all spans of the one that always was, and of the others a count of what is missing.
async fn counts_its_losses(world: &World, arms: &[Arm], sent: &[usize]) {
    for (number, arm) in arms.iter().enumerate() {
        arm.gate.behaves(Conduct::Open);
        arm.recovers(world, number).await;
    }
    // Some requests have fewer spans, as those whose session Redis knows.
    let mut each = 1.0;
    for (arm, sent) in arms.iter().zip(sent) {
        let complete = |received: &Received| {
            let missing = sent.saturating_sub(arm.arrived(received));
            let dropped = arm.dropped(received);
            if arm.conduct == Conduct::Open { missing == 0 } else { dropped > 0.0 && dropped >= each * missing as f64 }
        };
        let what = format!("{}: the spans of {sent} requests, or the count of those that are lost", arm.name);
        let told = world.sink.wait(&what, ARRIVAL, complete).await.unwrap_or_else(|_| {
            let received = world.sink.received();
            panic!("{what}: {} arrived, {} counted as lost", arm.arrived(&received), arm.dropped(&received))
        });
        eprintln!(
            "{:<12} {} of {sent} arrived, {} spans counted as lost",
            arm.name,
            arm.arrived(&told),
            arm.dropped(&told)
        );
        assert_eq!(arm.conduct == Conduct::Open, arm.dropped(&told) == 0.0, "{}", arm.name);
        if arm.conduct == Conduct::Open {
            each = 0.9 * arm.spans_a_request(&told);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t_11_a_session_is_played_to_its_end_while_the_collector_hangs() {
    let world = World::empty().await.expect("a world can be made");
    let address = free_address().expect("a free port");
    let behind = world.sink.http_url().trim_start_matches("http://").parse().expect("an address");
    let gate = Gate::start(address, behind, Conduct::Hung).expect("a gate");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &gate.url());
    world.start_all().await.expect("the services start");

    let host = world.signed_in("dm").await;
    let fields = [("title", "Citadel"), ("scheduled_at", &*in_minutes(120)), ("reminder_minutes", "[60]")];
    let game = host.creates(&fields).await.text("id").to_owned();
    world.settle().await;
    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    world.person("bob").presses("Join").await.expect("the bot answers");
    for due in ["joined", "reminder", "IN_PROGRESS", "COMPLETED"] {
        world.settle().await;
        world.pass_until(due).await;
    }
    world.settle().await;
    assert_eq!(world.ask("select status from games").await, "COMPLETED");
    for person in ["ada", "bob"] {
        let inbox = world.person(person).inbox().await;
        assert_eq!(inbox.len(), 2, "{person}: the join notice and the reminder: {inbox:?}");
    }
    assert!(world.sink.spans().is_empty(), "nothing got through, or this proves nothing");
    for service in Service::ALL {
        assert!(world.stop(service).await, "{service} ends in time although nobody takes its last spans");
    }
}
