//! Metrics stay cheap: no label grows with games, people or servers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::discord::{Change, Channel, Guild, Member, Role, Setup, User, ids, permissions};
use tests::otlp::{Buckets, Metric, Reading, Received};
use tests::registry::Registry;
use tests::servers::Servers;
use tests::world::{Person, Service, World, in_minutes};

/// Active series that a service may have.
const BUDGET: [(Service, usize); 4] =
    [(Service::Api, 2_500), (Service::Bot, 2_000), (Service::NotificationDaemon, 500), (Service::StatusDaemon, 500)];
/// Labels whose set is open in the registry, and where their values come from.
const OPEN: [&str; 12] = [
    "http.route",
    "url.template",
    "url.scheme",
    "server.address",
    "server.port",
    "db.namespace",
    "db.query.summary",
    "db.operation.name",
    "db.client.connection.pool.name",
    "messaging.destination.name",
    "gamesched.shard.id",
    "http.response.status_code",
];
/// Other open ones hold a word from our source: short, without digits, and few of them.
const WORDS: usize = 40;

/// How many games, each with a guild and people of its own, come in a round: after the second there are twice as many.
const GAMES: u64 = 2;

/// Metric and labels.
type Series = (String, Vec<(String, String)>);

/// The last export of every metric of a service.
fn last<'a>(told: &'a Received, service: &str) -> Vec<&'a Metric> {
    let mut last = BTreeMap::new();
    for metric in told.metrics.iter().filter(|metric| metric.service() == service) {
        last.insert(metric.name.as_str(), metric);
    }
    last.into_values().collect()
}

fn series(told: &Received, service: &str) -> BTreeSet<Series> {
    let metrics = told.metrics.iter().filter(|metric| metric.service() == service);
    let points = metrics.flat_map(|metric| metric.points.iter().map(move |point| (metric, point)));
    let labels = points.map(|(metric, point)| {
        let labels = point.attributes.iter().map(|(key, value)| (key.clone(), value.to_string()));
        (metric.name.clone(), labels.collect())
    });
    labels.collect()
}

/// The labels of which a metric has new values, or `together` where values that are known came together anew.
fn growth(before: &BTreeSet<Series>, after: &BTreeSet<Series>) -> BTreeSet<(String, String)> {
    let labels = |(metric, labels): &Series| {
        let metric = metric.clone();
        labels.clone().into_iter().map(move |(key, value)| (metric.clone(), key, value))
    };
    let known: BTreeSet<_> = before.iter().flat_map(labels).collect();
    let mut growth = BTreeSet::new();
    for series in after.difference(before) {
        let new: Vec<_> = labels(series).filter(|label| !known.contains(label)).collect();
        if new.is_empty() {
            growth.insert((series.0.clone(), "together".to_owned()));
        }
        growth.extend(new.into_iter().map(|(metric, key, _)| (metric, key)));
    }
    growth
}

/// What a store has to keep for a point: a histogram is its buckets, their sum and their count.
fn cost(told: &Received, service: &str) -> usize {
    let points = last(told, service).into_iter().flat_map(|metric| &metric.points);
    let each = points.map(|point| match &point.reading {
        Reading::Histogram(histogram) => match &histogram.buckets {
            Buckets::Explicit { counts, .. } => counts.len() + 2,
            Buckets::Exponential { .. } => usize::MAX / 2,
        },
        Reading::Absent | Reading::Int(_) | Reading::Double(_) | Reading::Summary { .. } => 1,
    });
    each.sum()
}

/// A guild of its own for a round, with two members that only it has.
async fn guild(world: &World, number: u64) {
    let id = ids::TAVERN + 1_000 * number;
    let people = [ids::DM, ids::EVE + 1_000 * number, ids::EVE + 1_000 * number + 1];
    for (nth, person) in people.iter().enumerate().skip(1) {
        let user = User::named(*person, &format!("guest-{number}-{nth}"));
        world.discord.change(Change::AddUser { user }).await.expect("they have an account");
    }
    let everyone = Role { id, name: "@everyone".into(), permissions: permissions::EVERYONE };
    let members = people.iter().chain([&ids::BOT]).map(|id| Member::plain(*id)).collect();
    let channels = vec![Channel::text(id + 1, "games")];
    let name = format!("Inn {number}");
    let guild = Guild { id, name, owner: ids::DM, channels, roles: vec![everyone], members };
    world.discord.change(Change::AddGuild { guild }).await.expect("the guild is there");
}

/// So many games, each with a guild of its own, and everything that happens to a game.
async fn round(world: &World, people: [&Person; 2], first: u64, games: u64) {
    for number in first..first + games {
        guild(world, number).await;
    }
    let [host, ada] = people;
    let tavern = template(host, "Tavern").await;
    for number in first..first + games {
        let game = create(host, &tavern).await;
        create(host, &template(host, &format!("Inn {number}")).await).await;
        assert_eq!(ada.joins(&game).await.status, 200);
        assert_eq!(host.gets(&format!("/api/v1/games/{game}")).await.status, 200);
        assert_eq!(host.gets("/api/v1/games").await.status, 200);
        world.settle().await;
        world.person("bob").presses("Join").await.expect("the bot answers");
        let other = create(host, &tavern).await;
        assert_eq!(host.cancels(&other).await.status, 204);
        assert_eq!(ada.joins(&other).await.status, 409);
        assert_eq!(ada.gets(&format!("/api/v1/games/{}", ids::DM)).await.status, 404);
        assert_eq!(ada.gets(&format!("/nowhere/{game}")).await.status, 404);
        world.settle().await;
    }
    for due in ["joined", "reminder", "IN_PROGRESS", "COMPLETED"] {
        world.pass_until(due).await;
        world.settle().await;
    }
    let sent: usize = world.ask("select count(*)::text from deliveries").await.parse().expect("a number");
    assert!(sent >= games as usize, "letters were sent");
}

/// The template of a guild, once that is known to the web.
async fn template(host: &Person, guild: &str) -> String {
    for _ in 0..60 {
        let guilds = host.gets("/api/v1/guilds").await;
        let all = guilds.body["guilds"].as_array().cloned().unwrap_or_default();
        let id = all.iter().find(|each| each["guild_name"] == guild).and_then(|each| each["id"].as_str());
        if let Some(id) = id {
            let templates = host.gets(&format!("/api/v1/guilds/{id}/templates")).await;
            if let Some(template) = templates.body[0]["id"].as_str() {
                return template.to_owned();
            }
        }
        // Not often: who reads too much is told to wait.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("{guild} has no template")
}

async fn create(host: &Person, template: &str) -> String {
    let start = in_minutes(120);
    let fields = [("title", "Citadel"), ("scheduled_at", start.as_str()), ("reminder_minutes", "[60]")];
    let more = [("expected_duration_minutes", "60"), ("template_id", template)];
    let fields: Vec<_> = fields.into_iter().chain(more).collect();
    let answer = host.sends(host.request(reqwest::Method::POST, "/api/v1/games").form(&fields)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("id").to_owned()
}

/// What stands between two marks in the files of a folder below `shared/src`.
fn written(folder: &str, before: &str, after: &str) -> BTreeSet<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/src")).join(folder);
    let files = fs::read_dir(folder).expect("it is there").map(|file| file.expect("a file").path());
    let texts = files.map(|file| fs::read_to_string(file).expect("it can be read")).collect::<Vec<_>>();
    let starts = texts.iter().flat_map(|text| text.split(before).skip(1));
    starts.filter_map(|rest| rest.split_once(after)).map(|(between, _)| between.to_owned()).collect()
}

/// Where the values of open labels come from.
struct Known {
    registry: Registry,
    routes: BTreeSet<String>,
    /// Paths of Discord's, as our source has them.
    templates: BTreeSet<String>,
    /// The statements' leading comments, as they stand in the source.
    summaries: BTreeSet<String>,
    hosts: BTreeSet<String>,
    namespace: String,
    database: String,
}

impl Known {
    async fn of(world: &World, person: &Person) -> Self {
        let contract = person.gets("/openapi.json").await.body;
        let paths = contract["paths"].as_object().expect("paths").keys().cloned();
        let servers = [world.servers.postgres_url(), world.servers.redis_url(), world.servers.amqp_url()];
        let host = |url: &str| {
            let place = url.split("://").nth(1).unwrap_or_default().rsplit('@').next().unwrap_or_default();
            place.split([':', '/']).next().unwrap_or_default().to_owned()
        };
        Self {
            registry: Registry::load().expect("the registry can be read"),
            routes: paths.chain(["/docs".to_owned(), "/openapi.json".to_owned()]).collect(),
            templates: written("discord", "\"/", "\"").into_iter().map(|path| format!("/{path}")).collect(),
            summaries: written("store", "/* ", " */"),
            hosts: servers.into_iter().map(host).chain(["127.0.0.1".to_owned()]).collect(),
            namespace: world.namespace.clone(),
            database: world.database.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// Whether the value of this label comes from a set that does not grow.
    fn bounds(&self, key: &str, value: &str) -> bool {
        let number = value.parse::<u16>().is_ok();
        let closed = || self.registry.members(key).is_some_and(|members| members.contains(&value));
        match key {
            "http.route" => self.routes.contains(value),
            "url.template" => self.templates.contains(value),
            "server.address" => self.hosts.contains(value),
            "server.port" | "http.response.status_code" | "gamesched.shard.id" => number,
            "db.query.summary" => self.summaries.contains(value),
            "db.namespace" => value == self.database || value == "0",
            "messaging.destination.name" => {
                let rest = value.replace(&self.namespace, "");
                !rest.bytes().any(|byte| byte.is_ascii_digit())
            }
            "error.type" => closed() || number || word(value),
            // One of each kind a process; a second would be `/1`.
            "otel.component.name" => value.strip_suffix("/0").is_some_and(word),
            _ => closed() || word(value),
        }
    }
}

fn word(value: &str) -> bool {
    value.len() <= 40 && !value.bytes().any(|byte| byte.is_ascii_digit())
}

/// Everything that is wrong with the labels, a line each.
fn unbounded(known: &Known, all: &BTreeSet<Series>) -> Vec<String> {
    let mut wrong = BTreeSet::new();
    let mut words = BTreeMap::<(&str, &str), BTreeSet<&str>>::new();
    for (metric, labels) in all {
        for (key, value) in labels {
            words.entry((metric, key)).or_default().insert(value);
            if !known.bounds(key, value) {
                wrong.insert(format!("{metric} {{{key}={value}}}: not from a closed set"));
            }
        }
    }
    let many = words.into_iter().filter(|((_, key), _)| !OPEN.contains(key));
    for ((metric, key), values) in many.filter(|(_, values)| values.len() > WORDS) {
        wrong.insert(format!("{metric} {{{key}}} has {} values", values.len()));
    }
    wrong.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t_16_twice_as_many_games_people_and_guilds_are_not_one_more_series() {
    let servers = Servers::start().await.expect("servers can be had");
    let setup = Setup { route_limit: 1_000, ..Setup::demo() };
    let world = World::with(servers, setup).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    let known = Known::of(&world, &world.person("dm")).await;
    let all = || Service::ALL.map(|service| series(&world.sink.everything(), service.name()));

    let (host, ada) = (world.signed_in("dm").await, world.signed_in("ada").await);
    let people = [&host, &ada];
    round(&world, people, 1, GAMES).await;
    let mut before = exported(&world, all).await;
    // What only timing decides may show late, such as a time-out; a label that grows does so in every round.
    let mut grown = None;
    for number in 1..=3 {
        round(&world, people, 1 + number * GAMES, GAMES).await;
        let after = exported(&world, all).await;
        let new: BTreeSet<_> = after.iter().zip(&before).flat_map(|(after, before)| growth(before, after)).collect();
        let in_all = grown.map_or(new.clone(), |grown: BTreeSet<_>| grown.intersection(&new).cloned().collect());
        if in_all.is_empty() {
            grown = None;
            break;
        }
        (grown, before) = (Some(in_all), after);
    }
    assert_eq!(grown, None, "what got more series with more games, in every round");
    let planted = before[0].iter().next().expect("the api measures").clone();
    let more = before[0].iter().cloned().chain([(planted.0, vec![("gamesched.game.id".into(), "7".into())])]).collect();
    assert_eq!(growth(&before[0], &more).len(), 1, "a planted series is seen");

    let told = world.sink.everything();
    let each = BUDGET.map(|(service, budget)| (service, budget, series(&told, service.name())));
    let wrong = each.iter().flat_map(|(_, _, all)| unbounded(&known, all));
    assert_eq!(wrong.collect::<BTreeSet<_>>(), BTreeSet::new(), "labels from no closed set");
    for (service, budget, all) in each {
        assert!(all.len() > 10, "{service} measures something");
        let cost = cost(&told, service.name());
        eprintln!("{service}: {cost} of {budget} series");
        assert!(cost <= budget, "{service} costs {cost} series, and may cost {budget}");
    }
    planted_labels_are_seen(&known);
}

/// What was found is not for want of looking.
fn planted_labels_are_seen(known: &Known) {
    for (key, value) in [
        ("gamesched.game.id", "0199c0de-0000-7000"),
        ("http.route", "/games/7"),
        ("url.template", "/channels/7/messages"),
        ("otel.component.name", "batching_span_processor/1"),
        ("otel.metric.overflow", "true1"),
    ] {
        let planted: Series = ("gamesched.parked.added".to_owned(), vec![(key.to_owned(), value.to_owned())]);
        assert_eq!(unbounded(known, &[planted].into()).len(), 1, "{key}");
    }
}

/// The series once two exports in a row have shown the same.
async fn exported(world: &World, all: impl Fn() -> [BTreeSet<Series>; 4]) -> [BTreeSet<Series>; 4] {
    loop {
        let before = all();
        let seen = world.sink.metrics().len();
        let later = move |received: &Received| received.metrics.len() > seen + 200;
        world.sink.wait("the next exports", Duration::from_secs(30), later).await.expect("metrics keep coming");
        if all() == before {
            return before;
        }
    }
}
