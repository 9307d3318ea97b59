//! What a gauge says is what is so: loops, the schedule, pools, clocks, backups, and the processes themselves.

mod pools;

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tests::discord::ids;
use tests::otlp::{Kind, Metric, Point, Received};
use tests::world::{Service, World};

const ARRIVAL: Duration = Duration::from_secs(15);
/// Housekeeping measures every 15 s.
const MEASURED: Duration = Duration::from_secs(40);

/// A series: whose, which metric, and the labels that tell it apart.
#[derive(Clone, Copy, Debug)]
struct Series<'a> {
    service: Service,
    name: &'a str,
    labels: &'a [(&'a str, &'a str)],
}

fn series<'a>(service: Service, name: &'a str, labels: &'a [(&'a str, &'a str)]) -> Series<'a> {
    Series { service, name, labels }
}

impl Series<'_> {
    fn is(&self, metric: &Metric, point: &Point) -> bool {
        let labelled =
            |(key, value): &(&str, &str)| point.attributes.get(*key).is_some_and(|is| is.to_string() == *value);
        metric.name == self.name && metric.service() == self.service.name() && self.labels.iter().all(labelled)
    }

    /// Seconds and value of every export.
    fn all(&self, received: &Received) -> Vec<(f64, f64)> {
        let points = received.metrics.iter().flat_map(|metric| metric.points.iter().map(move |point| (metric, point)));
        let points = points.filter(|(metric, point)| self.is(metric, point));
        points.map(|(_, point)| (point.time as f64 / 1e9, point.reading.number())).collect()
    }

    fn last(&self, received: &Received) -> Option<f64> {
        self.all(received).last().map(|(_, value)| *value)
    }
}

/// Waits until the last value of a series is as it should be, and says what it was otherwise.
async fn until(world: &World, series: Series<'_>, within: Duration, right: impl Fn(f64) -> bool) -> Received {
    let waited = world.sink.wait(series.name, within, |received| series.last(received).is_some_and(&right)).await;
    waited.unwrap_or_else(|_| panic!("{series:?} was {:?}", series.all(&world.sink.received())))
}

async fn run(world: &World, statements: &'static str) {
    let mut sql = world.sql().await.expect("Postgres answers");
    sqlx::raw_sql(statements).execute(&mut sql).await.expect("the statements run");
}

fn age(service: Service, name: &'static [(&'static str, &'static str); 1]) -> Series<'static> {
    series(service, "gamesched.loop.age", name)
}

const TRANSITIONS: [(&str, &str); 1] = [("gamesched.loop", "scheduled_transitions")];

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_hangs_grows_older_by_the_second_and_the_others_stay_young() {
    let world = World::new().await;
    let hung = age(Service::StatusDaemon, &TRANSITIONS);
    until(&world, hung, ARRIVAL, |age| age < 3.0).await;
    let mut sql = world.sql().await.expect("Postgres answers");
    let lock = "begin; lock table scheduled_transitions in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut sql).await.expect("it is locked");
    world.sink.clear();
    run(&world, "select pg_notify('gamesched', 'scheduled_transitions')").await;
    let received = until(&world, hung, ARRIVAL, |age| age > 4.0).await;

    let ages = hung.all(&received);
    let older = ages.windows(2).filter(|pair| pair[1].1 > pair[0].1 && pair[1].1 > 2.5);
    let steps: Vec<_> = older.map(|pair| ((pair[1].0 - pair[0].0) - (pair[1].1 - pair[0].1)).abs()).collect();
    assert!(steps.len() >= 2 && steps.iter().all(|off| *off < 0.5), "as time goes by: {ages:?}");
    for other in ["relay", "hints", "notifier", "postgres", "usage"] {
        let labels = [("gamesched.loop", other)];
        let age = series(Service::StatusDaemon, "gamesched.loop.age", &labels).last(&received);
        assert!(age.is_some_and(|age| age < 4.0), "{other}: {age:?}");
    }
    sqlx::raw_sql("rollback").execute(&mut sql).await.expect("it is free again");
    until(&world, hung, ARRIVAL, |age| age < 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_loop_of_every_service_tells_its_age() {
    let all: [(Service, &[&str]); 4] = [
        (Service::Api, &["accept", "notifier", "postgres", "redis", "relay", "usage"]),
        (
            Service::Bot,
            &[
                "announcements",
                "consumer",
                "deliveries",
                "gateway",
                "keeper",
                "notifier",
                "postgres",
                "redis",
                "relay",
                "usage",
            ],
        ),
        (Service::NotificationDaemon, &["hints", "notifier", "postgres", "relay", "scheduled_notifications", "usage"]),
        (
            Service::StatusDaemon,
            &["hints", "housekeeping", "notifier", "postgres", "relay", "scheduled_transitions", "usage"],
        ),
    ];
    let world = World::new().await;
    for (service, loops) in all {
        for name in loops {
            let labels = [("gamesched.loop", *name)];
            // Housekeeping, the slowest, turns every 15 s.
            until(&world, series(service, "gamesched.loop.age", &labels), ARRIVAL, |age| (0.0..18.0).contains(&age))
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_counted_by_kind_with_the_age_of_the_oldest() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    for _ in 0..2 {
        host.plans(&[("reminder_minutes", "[60]")]).await;
    }
    world.settle().await;
    assert!(world.stop(Service::NotificationDaemon).await);
    world.pass_until("reminder").await;
    world.pass(Duration::from_secs(90)).await;

    let reminders = [("gamesched.job.kind", "notice.reminder")];
    let rows = series(Service::StatusDaemon, "gamesched.schedule.overdue", &reminders);
    let oldest = series(Service::StatusDaemon, "gamesched.schedule.oldest_overdue", &reminders);
    let received = until(&world, oldest, MEASURED, |age| age >= 90.0).await;
    assert_eq!(rows.last(&received), Some(2.0));
    // The next measurement is newer by as much as time went by.
    let first = oldest.last(&received).expect("it is told with the rows");
    let exact = "select extract(epoch from now() - min(due_at))::text from scheduled_notifications
                 where kind = 'reminder' and state = 'pending'";
    let exact: f64 = world.ask(exact).await.parse().expect("a number");
    assert!((90.0..=exact).contains(&first) && exact - first < 10.0, "{first}, and then {exact}");
    until(&world, oldest, MEASURED, |age| age > first + 10.0 && age < first + 20.0).await;

    let transitions = [("gamesched.job.kind", "transition.in_progress")];
    let none = series(Service::StatusDaemon, "gamesched.schedule.overdue", &transitions);
    assert_eq!(none.last(&world.sink.received()), Some(0.0));
    world.start(Service::NotificationDaemon).await.expect("it starts");
    let received = until(&world, rows, MEASURED, |rows| rows == 0.0).await;
    assert_eq!(oldest.last(&received), Some(0.0));
}

async fn readiness(world: &World, service: Service) -> (StatusCode, Value) {
    let answer = reqwest::get(format!("{}/ready", world.health_url(service))).await.expect("it answers");
    let status = answer.status();
    (status, answer.json().await.expect("JSON"))
}

/// Waits until a service is ready, or is not for this reason.
async fn clock(world: &World, service: Service, reason: Option<&str>) {
    let end = tokio::time::Instant::now() + MEASURED;
    loop {
        let (status, body) = readiness(world, service).await;
        let told = body["checks"]["clock"]["reason"].as_str();
        let as_expected = match reason {
            None => status == StatusCode::OK && told.is_none(),
            Some(reason) => status == StatusCode::SERVICE_UNAVAILABLE && told.is_some_and(|told| told.contains(reason)),
        };
        if as_expected {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{service}: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The database's clock seems to be ahead by as much, for connections to come.
const AHEAD: &str = "
    create or replace function public.clock_timestamp() returns timestamptz language sql as
      $$ select pg_catalog.clock_timestamp() + interval '45 seconds' $$;
    do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$;
    select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid();";

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_measured_told_and_takes_every_process_out_of_service() {
    let world = World::new().await;
    for service in Service::ALL {
        until(&world, series(service, "gamesched.clock.skew", &[]), ARRIVAL, |skew| (0.0..1.0).contains(&skew)).await;
        clock(&world, service, None).await;
    }
    run(&world, AHEAD).await;
    for service in Service::ALL {
        let skew = series(service, "gamesched.clock.skew", &[]);
        until(&world, skew, MEASURED, |skew| (44.0..46.0).contains(&skew)).await;
        clock(&world, service, Some("s off the database's")).await;
        assert!(world.lines(service).contains("s off the database's"), "{service} says so");
    }
    run(&world, "drop function public.clock_timestamp()").await;
    for service in Service::ALL {
        until(&world, series(service, "gamesched.clock.skew", &[]), MEASURED, |skew| skew < 1.0).await;
        clock(&world, service, None).await;
        assert!(world.lines(service).contains("the clock is right again"), "{service} says so");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn op_01_the_age_of_the_last_good_backup_is_told_once_there_is_one() {
    let world = World::empty().await.expect("a world can be made");
    world.start(Service::StatusDaemon).await.expect("it starts");
    let age = series(Service::StatusDaemon, "gamesched.backup.age", &[]);
    let measured = [("gamesched.job.kind", "notice.reminder")];
    let received =
        until(&world, series(Service::StatusDaemon, "gamesched.schedule.overdue", &measured), MEASURED, |_| true).await;
    assert_eq!(age.last(&received), None, "there is none, which is not one of age 0");
    run(
        &world,
        "insert into backups (taken_at, sha256) values
           (now() - interval '2 hours', sha256('newer')), (now() - interval '3 days', sha256('older'))",
    )
    .await;
    until(&world, age, MEASURED, |age| (7_200.0..7_245.0).contains(&age)).await;
}

/// Seconds in user and in system mode, and bytes in memory, as the kernel says.
fn used(pid: u32) -> (f64, f64, f64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let (stat, status) = (read("stat"), read("status"));
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let seconds = |field: usize| fields[field].parse::<f64>().expect("a number") / 100.0;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    (
        seconds(11),
        seconds(12),
        resident.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") * 1024.0,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_takes_is_what_the_kernel_says() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    for _ in 0..50 {
        assert_eq!(host.gets("/api/v1/guilds").await.status, 200);
    }
    for service in Service::ALL {
        let pid = world.pid(service).await.expect("it runs");
        let before = used(pid);
        for (mode, least) in [("user", before.0), ("system", before.1)] {
            let labels = [("cpu.mode", mode)];
            let spent = series(service, "process.cpu.time", &labels);
            let received = until(&world, spent, ARRIVAL, |spent| spent >= least).await;
            let after = used(pid);
            let most = if mode == "user" { after.0 } else { after.1 };
            assert!(spent.last(&received).is_some_and(|spent| spent <= most), "{service} {mode}");
        }
        let memory = series(service, "process.memory.usage", &[]);
        until(&world, memory, ARRIVAL, |bytes| (bytes / used(pid).2 - 1.0).abs() < 0.25).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn op_04_a_purge_is_told_as_a_sweep_only_when_it_finds_something() {
    let world = World::empty().await.expect("a world can be made");
    run(
        &world,
        "insert into outbox (id, routing_key, payload, trace_context, published_at)
           select gen_random_uuid(), 'key', '{}', '{}', now() - interval '4 days' from generate_series(1, 3);
         insert into oauth_states (state_sha256, cookie_sha256, sealed_verifier, return_to, expires_at)
           values ('1', '', '', 0, now() - interval '1 s')",
    )
    .await;
    world.start(Service::StatusDaemon).await.expect("it starts");
    let swept = |received: &Received| received.spans.iter().any(|span| span.name == "sweep purge");
    let received = world.sink.wait("the purge", ARRIVAL, swept).await.expect("it is told");
    let sweep = received.spans.iter().find(|span| span.name == "sweep purge").expect("it is there");
    assert_eq!((sweep.kind, &sweep.parent_id, sweep.links.len()), (Kind::Internal, &None, 0));
    assert_eq!(sweep.attribute("gamesched.sweep.found").as_deref(), Some("4"));
    let below: Vec<_> = received.spans.iter().filter(|span| span.parent_id.as_ref() == Some(&sweep.span_id)).collect();
    let rows =
        |name: &str| below.iter().find(|span| span.name == name).and_then(|span| span.attribute("gamesched.db.rows"));
    assert_eq!((rows("DELETE outbox").as_deref(), rows("DELETE oauth_states").as_deref()), (Some("3"), Some("1")));
    assert_eq!(world.ask("select count(*)::text from outbox").await, "0");

    // Nothing is left: it is looked for again, and nothing is told.
    assert!(world.stop(Service::StatusDaemon).await);
    world.sink.clear();
    world.start(Service::StatusDaemon).await.expect("it starts");
    let looked = "select count(*)::text from pg_stat_activity where datname = current_database()
                  and application_name like 'status-daemon%' and query like '%what is kept no longer%'";
    let end = tokio::time::Instant::now() + ARRIVAL;
    while world.ask(looked).await == "0" {
        assert!(tokio::time::Instant::now() < end, "it does not look");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.stop(Service::StatusDaemon).await);
    let told = world.sink.received();
    assert!(told.spans.is_empty(), "{:?}", told.spans.iter().map(|span| &span.name).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn t_06_a_job_says_whose_guild_it_works_for() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&[("reminder_minutes", "[60]")]).await;
    assert_eq!(world.signed_in("ada").await.joins(&game).await.status, 200);
    world.settle().await;
    for due in ["joined", "IN_PROGRESS"] {
        world.pass_until(due).await;
        world.settle().await;
    }
    for job in ["job notice.joined", "job transition.in_progress"] {
        let told = |received: &Received| received.spans.iter().any(|span| span.name == job);
        let received = world.sink.wait(job, ARRIVAL, told).await.expect("it is told");
        let span = received.spans.iter().find(|span| span.name == job).expect("it is there");
        assert_eq!(span.attribute("gamesched.guild.id"), Some(ids::TAVERN.to_string()), "{job}");
        assert_eq!(span.attribute("gamesched.game.id"), Some(game.clone()), "{job}");
    }
}
