//! Live updates: what changes is told to whoever may see it, on every replica, and to nobody else.

use std::time::{Duration, Instant};

use tests::discord::{Message, ids};
use tests::servers::Servers;
use tests::world::{Person, Service, Watching, World, in_minutes};

const PATIENCE: Duration = Duration::from_secs(15);
/// What LS-09 promises for 95 % of the events.
const PROMPT: Duration = Duration::from_secs(1);

async fn watch(person: &Person) -> Watching {
    person.watches().await.expect("there are live updates")
}

/// Every stream tells of this game next. How long the slowest took.
async fn told(streams: &mut [Watching], game: &str) -> Duration {
    let since = Instant::now();
    for stream in streams {
        assert_eq!(stream.change(PATIENCE).await.expect("everybody is told"), game);
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_09_a_change_by_any_face_is_told_on_every_replica_within_a_second() {
    let world = World::new().await;
    let other = world.another_api().await.expect("another api starts");
    let host = world.signed_in("dm").await;
    let (ada, bob) = (world.signed_in("ada").await, world.signed_in("bob").await);
    let mut streams = [watch(&ada).await, watch(&other.serves(&bob)).await, watch(&other.serves(&ada)).await];

    let game = host.plans(&[("max_players", "3")]).await;
    let mut took = vec![told(&mut streams, &game).await];
    world.settle().await;
    assert_eq!(ada.joins(&game).await.status, 200);
    took.push(told(&mut streams, &game).await);
    assert_eq!(other.serves(&ada).leaves(&game).await.status, 204);
    took.push(told(&mut streams, &game).await);
    world.settle().await;
    world.person("bob").presses("Join").await.expect("the bot answers");
    took.push(told(&mut streams, &game).await);
    world.pass_until("IN_PROGRESS").await;
    took.push(told(&mut streams, &game).await);
    let late = took.iter().filter(|took| **took > PROMPT).count();
    assert!(late <= 1, "slower than {PROMPT:?}: {took:?}");
}

/// Waits until a game is there for somebody, or is not.
async fn answers(person: &Person, game: &str, status: u16) {
    let until = Instant::now() + PATIENCE;
    while person.gets(&format!("/api/v1/games/{game}")).await.status != status {
        assert!(Instant::now() < until, "never {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_10_a_guild_is_told_to_its_members_only_and_as_long_as_they_are() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let (ada, bob, eve) = (world.signed_in("ada").await, world.signed_in("bob").await, world.signed_in("eve").await);
    let (mut inside, mut leaving, mut outside) = (watch(&ada).await, watch(&bob).await, watch(&eve).await);

    let game = host.plans(&[("max_players", "3")]).await;
    for stream in [&mut inside, &mut leaving] {
        assert_eq!(stream.change(PATIENCE).await.expect("members are told"), game);
    }
    world.discord.remove_member(ids::TAVERN, ids::BOB).await.expect("bob leaves");
    answers(&bob, &game, 404).await;
    assert_eq!(ada.joins(&game).await.status, 200);
    assert_eq!(inside.change(PATIENCE).await.expect("ada is told"), game);
    world.discord.add_member(ids::TAVERN, ids::EVE, &[]).await.expect("eve comes");
    answers(&eve, &game, 200).await;
    // The next change is the first that eve hears of, and bob heard of none after his first.
    let next = host.plans(&[("max_players", "3")]).await;
    assert_eq!(outside.change(PATIENCE).await.expect("eve is told"), next);
    assert!(world.stop(Service::Api).await, "{}", world.lines(Service::Api));
    assert_eq!(leaving.rest(PATIENCE).await.expect("it ends"), ["reconnect"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn li_34_a_hidden_game_is_told_to_its_host_and_to_nobody_else_before_it_is_posted() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let ada = world.signed_in("ada").await;
    let (mut of_host, mut of_ada) = (watch(&host).await, watch(&ada).await);

    let hidden = host.plans(&[("max_players", "3"), ("post_at", &in_minutes(30))]).await;
    assert_eq!(of_host.change(PATIENCE).await.expect("the host is told"), hidden);
    let open = host.plans(&[("max_players", "3")]).await;
    assert_eq!(of_ada.change(PATIENCE).await.expect("ada is told"), open, "and not of the hidden one before");
    world.settle().await;
    world.pass_until("POST").await;
    assert_eq!(of_ada.change(PATIENCE).await.expect("ada is told"), hidden, "now that it is posted");
}

/// News of three joins at once, as if their rows had been written by a process that died.
const THRICE: &str = "
    with news as (
      insert into outbox (id, routing_key, payload, trace_context, created_at)
      select gen_random_uuid(), 'game.roster_changed',
        jsonb_build_object('v', 1, 'game', id, 'guild', guild_id, 'face', 'web', 'roster', '[]'::jsonb), '{}',
        now() - interval '1 minute' from games, generate_series(1, 3) returning 1)
    select count(*)::text from news";

#[tokio::test(flavor = "multi_thread")]
async fn ls_10_changes_of_a_game_at_the_same_time_are_told_once() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    host.plans(&[("max_players", "3")]).await;
    world.settle().await;
    let mut stream = watch(&host).await;
    assert_eq!(world.ask(THRICE).await, "3");
    world.settle().await;
    // All their events have been handled once the last of them has told what became of it.
    let handled = |received: &tests::otlp::Received| {
        let ours = |span: &&tests::otlp::Span| span.name.ends_with("api.events.{replica}");
        let ended = received.spans.iter().filter(ours).filter(|span| span.name.contains("roster_changed"));
        ended.count() == 3
    };
    let received = world.sink.wait("three events", PATIENCE, handled).await.expect("they are handled");
    let led = received.spans.iter().filter(|span| {
        span.name.contains("roster_changed") && span.attribute("gamesched.sse.recipients").as_deref() == Some("1")
    });
    let led = led.count();
    assert!((1..3).contains(&led), "three joins at once are {led} messages");
    assert!(world.stop(Service::Api).await);
    let mut expected = vec!["game_updated"; led];
    expected.push("reconnect");
    assert_eq!(rest(&mut stream).await, expected);
}

/// The types of what is left of a stream.
async fn rest(stream: &mut Watching) -> Vec<String> {
    let mut types = Vec::new();
    while let Some(message) = stream.next(PATIENCE).await.expect("it goes on or ends") {
        types.push(message["type"].as_str().unwrap_or_default().to_owned());
    }
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_11_a_stream_is_kept_alive_and_ends_with_its_session_wherever_that_ends() {
    let world = World::new().await;
    let other = world.another_api().await.expect("another api starts");
    let ada = world.signed_in("ada").await;
    let (here, mut there) = (watch(&ada).await, watch(&other.serves(&ada)).await);
    let alive = there.next(Duration::from_secs(40)).await.expect("not silent for longer").expect("it goes on");
    assert_eq!(alive["type"], "keepalive");

    assert_eq!(ada.posts("/api/v1/auth/logout").await.status, 200);
    let ended = here.rest(PATIENCE).await.expect("where somebody signs out, it ends at once");
    assert!(ended.iter().all(|kind| kind == "keepalive"), "{ended:?}");
    let ended = there.rest(Duration::from_secs(60)).await.expect("elsewhere it ends within a minute");
    assert!(ended.iter().all(|kind| kind == "keepalive"), "{ended:?}");
    assert_eq!(ada.sends(ada.asks_to_watch()).await.problem().expect("a problem"), (401, "signed_out".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_11_a_session_has_five_streams_and_the_sixth_is_refused_until_one_is_left() {
    let world = World::new().await;
    let ada = world.signed_in("ada").await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(watch(&ada).await);
    }
    let refused = ada.sends(ada.asks_to_watch()).await;
    assert_eq!(refused.problem().expect("a problem"), (429, "too_many_streams".into()));
    drop(streams.pop());
    let until = Instant::now() + PATIENCE;
    while let Err(fault) = ada.watches().await {
        assert!(Instant::now() < until, "a stream that was left takes room: {fault:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Copies of a game, fewer than wait for a client that is slow only, and news of each of them, as if their rows had been written by a process that died.
const MANY: &str = "
    with copies as (
      insert into games select (jsonb_populate_record(null::games,
          to_jsonb(g) || jsonb_build_object('id', gen_random_uuid()))).*
        from (select * from games limit 1) as g, generate_series(1, 75) returning id, guild_id),
    news as (
      insert into outbox (id, routing_key, payload, trace_context, created_at)
      select gen_random_uuid(), 'game.updated',
        jsonb_build_object('v', 1, 'game', id, 'guild', guild_id, 'face', 'web', 'roster', '[]'::jsonb), '{}',
        now() - interval '1 minute' from copies returning 1)
    select count(*)::text from news";

#[tokio::test(flavor = "multi_thread")]
async fn ls_11_a_client_that_does_not_read_is_told_to_reload_and_delays_nobody() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    host.plans(&[("max_players", "3")]).await;
    world.settle().await;
    let ada = world.signed_in("ada").await;
    let mut reading = watch(&host).await;
    let mut stalled = Watching::open(ada.reading_slowly(64).asks_to_watch()).await.expect("there are live updates");

    for _ in 0..2 {
        assert_eq!(world.ask(MANY).await, "75");
        for _ in 0..75 {
            let told = reading.change(PATIENCE).await;
            told.unwrap_or_else(|fault| panic!("who reads is told of each: {fault:#}\n{}", world.all_lines()));
        }
    }
    let mut types = Vec::new();
    while types.iter().filter(|kind| *kind == "reload").count() < 2 {
        let message = stalled.next(PATIENCE).await.expect("it goes on").expect("it did not end");
        types.push(message["type"].as_str().unwrap_or_default().to_owned());
    }
    assert!(types.len() < 10, "what waited is one reload: {types:?}");
    let lagged = |received: &tests::otlp::Received| {
        received
            .metrics
            .iter()
            .filter(|metric| metric.name == "gamesched.sse.events")
            .any(|metric| metric.points.iter().any(|point| format!("{:?}", point.attributes).contains("lagged")))
    };
    world.sink.wait("what lagged", PATIENCE, lagged).await.expect("it is counted");
    let next = host.plans(&[("max_players", "3")]).await;
    while stalled.change(PATIENCE).await.expect("and then it goes on") != next {}
}

#[tokio::test(flavor = "multi_thread")]
async fn op_06_at_the_end_clients_are_told_to_reconnect_and_one_that_does_not_read_delays_it_by_seconds_only() {
    let world = World::new().await;
    let ada = world.signed_in("ada").await;
    let reading = watch(&ada).await;
    let _stalled = Watching::open(ada.reading_slowly(8).asks_to_watch()).await.expect("there are live updates");
    let since = Instant::now();
    let (ended, well) = tokio::join!(reading.rest(PATIENCE), world.stop(Service::Api));
    assert_eq!(ended.expect("it ends"), ["reconnect"]);
    assert!(well, "{}", world.lines(Service::Api));
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());

    world.start(Service::Api).await.expect("it starts again");
    drop(watch(&ada).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ls_11_streams_stay_open_while_the_broker_is_away_and_are_told_to_reload_when_it_is_back() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    let host = world.signed_in("dm").await;
    let mut stream = watch(&host).await;
    servers.stop_rabbitmq().await.expect("RabbitMQ stops");
    let game = host.plans(&[("max_players", "3")]).await;
    let _late = watch(&host).await;
    servers.start_rabbitmq().await.expect("RabbitMQ starts");
    let healed = async {
        loop {
            let message = stream.next(Duration::from_secs(60)).await.expect("it goes on").expect("it did not end");
            if message["type"] == "reload" {
                break;
            }
            assert_eq!(message["type"], "keepalive", "what nobody could hear of is not told");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), healed).await.expect("it heals");
    let posted = |all: &[Message]| !all.is_empty();
    world.discord.wait_channel(ids::GAMES, posted, Duration::from_secs(60)).await.expect("it is posted");
    assert_eq!(host.cancels(&game).await.status, 204);
    assert_eq!(stream.change(PATIENCE).await.expect("it is told"), game);
}
