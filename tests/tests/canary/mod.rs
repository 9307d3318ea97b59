//! Nothing that is secret or somebody's own leaves by a side door: marked words go in everywhere, then all that comes
//! out is searched.

mod elsewhere;
mod inputs;
mod places;

use std::time::Duration;

use reqwest::Method;
use tests::discord::{Effect, Fault, ids};
use tests::otlp::Received;
use tests::servers::Servers;
use tests::world::{Person, Service, Tap, World, in_minutes};

use inputs::{Flock, IN_GAMES};
use places::{Monitor, Place, environment_holds, leaks};

/// A key that seals only what this test puts in.
const TOKEN_KEY: &str = "Y2FuYXJ5LWtleS10aGF0LXNlYWxzLW9ubHktdGVzdHM=";

const PATIENCE: Duration = Duration::from_secs(30);

/// A world of marked words, and all that listens to it.
struct Aviary {
    world: World,
    tap: Tap,
    monitor: Monitor,
    flock: Flock,
    /// What operators saw.
    operated: Vec<Place>,
}

impl Aviary {
    async fn open() -> Self {
        let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
        let mut flock = Flock::new("canary");
        let setup = inputs::setup(&mut flock);
        let mut world = World::with(servers, setup).await.expect("a world can be made");
        world.sink.keep_bytes();
        passwords(&mut world, &mut flock);
        let tap = world.tap().await.expect("the exchange can be tapped");
        let monitor = Monitor::start(servers.redis_url());
        let grpc = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &world.sink.grpc_url())];
        let gzip = [("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
        for service in Service::ALL {
            let way = match service {
                Service::Bot => &grpc[..],
                Service::NotificationDaemon => &gzip[..],
                Service::Api | Service::StatusDaemon => &[],
            };
            world.start_with(service, way).await.expect("it starts");
        }
        world.discord.wait_shards(1, PATIENCE).await.expect("the bot is connected");
        Self { world, tap, monitor, flock, operated: Vec::new() }
    }

    /// Signs somebody in, and knows every secret of that.
    async fn sign_in(&mut self, name: &str, known: [&'static str; 3]) -> Person {
        let mut person = self.world.person(name);
        let back = person.begins_sign_in().await.expect("Discord sends back");
        let field = |key: &str| back.split('&').find_map(|pair| pair.strip_prefix(key)).unwrap_or_default().to_owned();
        self.flock.know(known[0], &field("code="), &[]);
        self.flock.know(known[1], &field("state="), &[]);
        person.ends_sign_in(&back).await.expect("signing in works");
        let token = person.cookie("session_token").expect("a session").to_owned();
        self.flock.know(known[2], &token, &[]);
        for name in known {
            self.flock.entered(name, "the sign-in worked with it");
        }
        person
    }

    /// Everything that leaves a process, and what the stores hold.
    async fn places(&self) -> Vec<Place> {
        let mut places = places::all(&self.world, &self.tap, &self.monitor).await;
        places.extend(self.operated.iter().cloned());
        places
    }

    fn answered(&mut self, name: &'static str, status: u16, wanted: u16, seen: &str) {
        assert_eq!(status, wanted, "{name}: {seen}");
        self.flock.entered(name, format!("answered {status}"));
    }
}

/// Marked passwords: the native servers let everybody in.
fn passwords(world: &mut World, flock: &mut Flock) {
    let database = flock.hatch("the database's password", &[]);
    let redis = flock.hatch("Redis's password", &[]);
    world.believe_password(&database);
    let url = world.servers.redis_url().replacen("://", &format!("://default:{redis}@"), 1);
    world.set("REDIS_URL", &url);
    let broker = world.servers.amqp_url().split(['@', ':']).nth(2).expect("a password").to_owned();
    flock.know("the broker's password", &broker, &[]);
    flock.know("the key of tokens", TOKEN_KEY, &[]);
    world.set("TOKEN_KEY", TOKEN_KEY);
    for (name, wide) in [("an OAuth access token", "oauth-access-0"), ("an OAuth refresh token", "oauth-refresh-0")] {
        flock.know(name, wide, &[]);
    }
    flock.know("an interaction's token", "interaction-token-0", &[]);
    flock.know("the gateway's session", "gateway-session-0", &[("postgres", "shard_leases")]);
}

/// What people type and send.
async fn people(aviary: &mut Aviary) -> (Person, String) {
    let host = aviary.sign_in("dm", ["an OAuth code", "a sign-in's state", "a session's token"]).await;
    let eve = aviary.world.person("eve");
    let marked = ["a template's name", "a template's description", "a template's place", "a template's instructions"];
    let mut values = Vec::new();
    for name in marked {
        values.push(aviary.flock.hatch(name, &[("postgres", "templates")]));
    }
    let template = host.default_template().await.expect("a template");
    let columns = ["name", "description", "location", "signup_instructions"];
    let set: Vec<_> = columns.iter().zip(&values).map(|(column, value)| format!("{column} = '{value}'")).collect();
    aviary.world.does(format!("update templates set {}", set.join(", "))).await;
    assert_eq!(host.gets(&format!("/api/v1/templates/{template}")).await.status, 200);

    let start = in_minutes(120);
    let mut form = inputs::form(&mut aviary.flock);
    form.extend([("template_id".into(), template.clone()), ("scheduled_at".into(), start)]);
    let key = aviary.flock.hatch("an idempotency key", &[("postgres", "idempotency_keys")]);
    let request = host.request(Method::POST, "/api/v1/games").form(&form).header("idempotency-key", &key);
    let created = host.sends(request).await;
    assert_eq!(created.status, 201, "{created:?}");
    for (name, request, status) in inputs::strange(&mut aviary.flock, &host, &eve, &template) {
        let answer = host.sends(request).await;
        aviary.answered(name, answer.status, status, &answer.body.to_string());
    }
    aviary.world.settle().await;
    (host, created.text("id").to_owned())
}

/// What is edited, pressed and cancelled, and what Discord and the stores say to it.
async fn turns(aviary: &mut Aviary, host: &Person, game: &str) {
    let path = format!("/api/v1/games/{game}");
    // Rewards are told when a game is over, and refused before.
    for (field, name, status) in [("title", "an edited title", 200), ("rewards", "a game's rewards", 409)] {
        let value = aviary.flock.hatch(name, &IN_GAMES);
        let edit = host.sends(host.request(Method::PUT, &path).form(&[(field, &value)])).await;
        aviary.answered(name, edit.status, status, &edit.body.to_string());
    }
    // Discord's words about a failure are Discord's.
    let said = aviary.flock.hatch("Discord's error text", &[]);
    let effect = Effect::Says { status: 500, code: 0, message: said };
    aviary.world.discord.fault(Fault::once("PATCH", "/channels/*/messages/*", effect)).await.expect("it is scripted");
    let ada = aviary.sign_in("ada", ["another code", "another state", "another session's token"]).await;
    assert_eq!(ada.joins(game).await.status, 200);
    aviary.world.settle().await;
    assert_eq!(aviary.world.discord.faults().await.len(), 0, "Discord said it");
    aviary.flock.entered("Discord's error text", "the scripted answer was met");

    let pressed = aviary.flock.hatch("a button that is none", &[]);
    let message = aviary.world.discord.channel(ids::GAMES).await.pop().expect("an announcement").id;
    let answer = aviary.world.discord.press_stale(ids::BOB, message, &pressed).await;
    aviary.flock.entered("a button that is none", format!("Discord passed it on: {}", answer.is_ok()));
    aviary.world.person("cyd").presses("Join").await.expect("the bot answers");
    rows(aviary, host).await;
    copies(aviary, host).await;
    elsewhere::commands(aviary).await;
    elsewhere::stream(aviary, host).await;

    letter(aviary).await;
    elsewhere::park(aviary).await;
    let reason = aviary.flock.hatch("a reason to cancel", &IN_GAMES);
    let cancel = host.request(Method::DELETE, &path).json(&serde_json::json!({ "reason": reason }));
    let cancelled = host.sends(cancel).await;
    assert_eq!(cancelled.status, 204, "{cancelled:?}");
}

/// Discord refuses a letter, in its own words.
async fn letter(aviary: &mut Aviary) {
    let said = aviary.flock.hatch("why Discord refused a letter", &[]);
    let effect = Effect::Says { status: 403, code: 50_007, message: said };
    aviary.world.settle().await;
    aviary.world.discord.fault(Fault::once("POST", "/channels/*/messages", effect)).await.expect("it is scripted");
    aviary.world.pass_until("joined").await;
    aviary.world.settle().await;
    assert_eq!(aviary.world.discord.faults().await.len(), 0, "Discord said it");
    aviary.flock.entered("why Discord refused a letter", "the scripted answer was met");
}

/// Postgres refuses a row, and says which in its message.
async fn rows(aviary: &mut Aviary, host: &Person) {
    let value = aviary.flock.hatch("a row that Postgres refuses", &[]);
    aviary.world.does(format!("alter table games add constraint marked check (title <> '{value}')")).await;
    let answer = host.creates(&[("title", &value), ("scheduled_at", &in_minutes(90))]).await;
    aviary.answered("a row that Postgres refuses", answer.status, 500, &answer.body.to_string());
    aviary.world.does("alter table games drop constraint marked".to_owned()).await;
}

/// A copy in Redis that cannot be read.
async fn copies(aviary: &mut Aviary, host: &Person) {
    let value = aviary.flock.hatch("a copy that cannot be read", &[("redis", ":session:")]);
    assert_eq!(host.gets("/api/v1/auth/user").await.status, 200);
    let line = aviary.monitor.shows(":session:").await;
    let keys: Vec<_> = aviary.monitor.lines().iter().filter_map(|line| key(line)).collect();
    assert!(!keys.is_empty(), "{line}");
    let address = aviary.world.servers.redis_url().trim_start_matches("redis://").to_owned();
    for key in keys {
        let set = format!("SET {key} {{user:{value} XX KEEPTTL\r\nQUIT\r\n");
        let mut redis = std::net::TcpStream::connect(&address).expect("Redis answers");
        std::io::Write::write_all(&mut redis, set.as_bytes()).expect("Redis listens");
        std::io::Read::read_to_end(&mut redis, &mut Vec::new()).expect("Redis answers");
    }
    assert_eq!(host.gets("/api/v1/auth/user").await.status, 200, "the database knows");
    aviary.flock.entered("a copy that cannot be read", "Redis holds it");
}

/// The key of a session's copy in a command.
fn key(line: &str) -> Option<String> {
    // A shard's session has such a key too, among those of the projection.
    let key = line.split('"').find(|word| word.contains(":session:") && !word.contains(":proj:"))?;
    Some(key.to_owned())
}

/// Where each canary that has not shown itself yet was seen inside: in a row, in Redis, or in a setting.
async fn inside(aviary: &mut Aviary, places: &[Place]) {
    for canary in &mut aviary.flock.all {
        let held = places.iter().find(|place| canary.is_welcome(place) && place.count(&canary.value) > 0);
        if let Some(place) = held {
            canary.entered.get_or_insert(format!("{} holds it", place.kind));
        }
        let set = Service::ALL.into_iter().find(|service| environment_holds(*service, &canary.value));
        if let Some(service) = set {
            canary.entered.get_or_insert(format!("{service} was started with it"));
        }
    }
    let asked = aviary.world.discord.requests().await;
    let met = |method: &str, path: &str| {
        asked.iter().any(|request| request.method == method && request.path == path && request.status == Some(200))
    };
    let mut shown = |name: &str, holds: bool| {
        assert!(holds, "{name} went in");
        aviary.flock.entered(name, "Discord answered for it");
    };
    shown("an OAuth access token", met("GET", "/users/@me"));
    shown("an OAuth refresh token", met("POST", "/oauth2/token"));
    shown("an e-mail address", met("GET", "/users/@me"));
    shown("an interaction's token", met("PATCH", "/webhooks/{application}/{token}/messages/@original"));
    // The dispatches that hold them came with the rest of the guild.
    let built = aviary.world.ask("select name from guilds limit 1").await;
    shown("a channel's topic", built.contains("canary"));
    shown("the gateway's session", !built.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t_14_no_marked_word_leaves_by_telemetry_logs_or_messages_or_lies_where_it_does_not_belong() {
    let mut aviary = Aviary::open().await;
    let (host, game) = people(&mut aviary).await;
    turns(&mut aviary, &host, &game).await;
    aviary.world.settle().await;
    let before = aviary.places().await;
    inside(&mut aviary, &before).await;
    for service in Service::ALL {
        assert!(aviary.world.stop(service).await, "{service} ends well");
    }

    let canaries = aviary.flock.all.clone();
    assert!(canaries.len() >= 75, "{} canaries", canaries.len());
    let missing: Vec<_> = canaries.iter().filter(|canary| canary.entered.is_none()).map(|canary| canary.name).collect();
    assert_eq!(missing, Vec::<&str>::new(), "nothing shows that these went in");
    let places = aviary.places().await;
    for kind in ["spans", "exports", "stdout", "message", "headers", "redis", "postgres"] {
        let held: usize = places.iter().filter(|place| place.kind == kind).map(|place| place.text.len()).sum();
        assert!(held > 500, "there is something to search in {kind}");
    }
    let ways = aviary.world.sink.received().requests;
    for (path, header) in [("grpc:traces", "content-type"), ("/v1/traces", "content-encoding")] {
        let came = ways.iter().any(|way| way.path == path && way.headers.contains_key(header));
        assert!(came, "{path} with {header}: this way was searched, too");
    }
    let told = aviary.world.sink.everything();
    assert_eq!(leaks(&canaries, &places, &told), Vec::<String>::new());

    // The search sees what it is for: each canary, planted in each kind of place, is found.
    for canary in &canaries {
        for kind in ["spans", "exports", "stdout", "message", "headers", "redis", "postgres"] {
            let planted = [Place { kind, about: "planted".into(), text: format!("a{}b", canary.value) }];
            let found = leaks(std::slice::from_ref(canary), &planted, &Received::default());
            assert_eq!(found.len(), 1, "{} planted in {kind}", canary.name);
        }
    }
}
