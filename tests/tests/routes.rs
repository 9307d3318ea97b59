//! Every route, asked and answered in every way: one request is one complete tree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use tests::otlp::{Kind, Received, Span};
use tests::servers::Servers;
use tests::world::{Person, World, in_minutes};

const ARRIVAL: Duration = Duration::from_secs(20);
/// The span that all requests here are below.
const CALLER: &str = "00f067aa0ba902b7";
/// More spans than this nobody reads.
const MOST: usize = 40;
/// Routes that have nothing to refuse, or nothing that can be away.
const ALWAYS: [&str; 4] = ["GET /api/v1/version", "GET /docs", "GET /openapi.json", "POST /api/v1/auth/logout"];

/// What requests are about.
pub(crate) struct Routes<'a> {
    /// Somebody who is signed in.
    pub(crate) host: &'a Person,
    /// Their guild.
    pub(crate) guild: &'a str,
    /// Its template.
    pub(crate) template: &'a str,
    /// A game of theirs.
    pub(crate) game: &'a str,
}

impl Routes<'_> {
    fn path(&self, route: &str) -> String {
        let id = match route.split('/').nth(3) {
            Some("guilds") => self.guild,
            Some("templates") => self.template,
            _ => self.game,
        };
        route.replace("{id}", id)
    }

    fn ask(&self, method: Method, route: &str) -> (String, RequestBuilder) {
        (format!("{method} {route}"), self.host.request(method, &self.path(route)))
    }

    /// A request to each route that somebody with a session asks, in an order in which each succeeds.
    pub(crate) fn answered(&self) -> Vec<(String, RequestBuilder)> {
        let get = |route| self.ask(Method::GET, route);
        let post = |route| self.ask(Method::POST, route);
        let with = |(route, request): (String, RequestBuilder), form: &[(&str, &str)]| (route, request.form(form));
        let start = in_minutes(120);
        let form = [("template_id", self.template), ("title", "Counted"), ("scheduled_at", start.as_str())];
        vec![
            get("/api/v1/auth/user"),
            get("/api/v1/guilds"),
            get("/api/v1/guilds/{id}"),
            get("/api/v1/guilds/{id}/config"),
            get("/api/v1/guilds/{id}/channels"),
            get("/api/v1/guilds/{id}/roles"),
            get("/api/v1/guilds/{id}/templates"),
            get("/api/v1/templates/{id}"),
            get("/api/v1/games"),
            get("/api/v1/games/{id}"),
            with(post("/api/v1/games"), &form),
            post("/api/v1/games/{id}/join"),
            with(self.ask(Method::PUT, "/api/v1/games/{id}"), &[("title", "Again")]),
            post("/api/v1/games/{id}/leave"),
            self.ask(Method::DELETE, "/api/v1/games/{id}"),
            post("/api/v1/auth/logout"),
        ]
    }
}

const LIVE: &str = "GET /api/v1/sse/game-updates";

/// One request and what came of it.
struct Asked {
    route: String,
    status: u16,
    trace: String,
}

/// A world that is asked, each request in a trace of its own.
struct Sweep {
    world: World,
    asked: Vec<Asked>,
}

impl Sweep {
    fn trace(&self, offset: usize) -> String {
        format!("{:032x}", 0x5eed_0000_u64 + (self.asked.len() + offset) as u64)
    }

    /// Asks all at once and remembers the answers.
    async fn ask(&mut self, requests: Vec<(String, RequestBuilder)>) {
        let numbered = requests.into_iter().enumerate();
        let sent = numbered.map(|(offset, (route, request))| {
            let trace = self.trace(offset);
            let request = request.header("traceparent", format!("00-{trace}-{CALLER}-01"));
            async move {
                // The body of live updates does not end, so none is read.
                let answer = request.send().await.expect("the api answers");
                Asked { route, status: answer.status().as_u16(), trace }
            }
        });
        let answers: Vec<Asked> = join_all(sent).await;
        self.asked.extend(answers);
    }

    /// The routes that answered with such a status.
    fn with(&self, class: u16) -> BTreeSet<&str> {
        self.asked.iter().filter(|asked| asked.status / 100 == class).map(|asked| asked.route.as_str()).collect()
    }

    /// The spans of all these traces, once each request has ended and no parent is missing.
    async fn told(&self) -> BTreeMap<String, Vec<Span>> {
        let traces = |received: &Received| {
            let mut traces = BTreeMap::<String, Vec<Span>>::new();
            for span in &received.spans {
                traces.entry(span.trace_id.clone()).or_default().push(span.clone());
            }
            traces
        };
        let whole = |received: &Received| {
            let traces = traces(received);
            self.asked.iter().all(|asked| traces.get(&asked.trace).is_some_and(|spans| orphans(spans).is_empty()))
        };
        let received = self.world.sink.wait("all requests, whole", ARRIVAL, whole).await;
        traces(&received.unwrap_or_else(|_| self.world.sink.received()))
    }
}

/// The spans whose parent is neither the caller nor here.
fn orphans(spans: &[Span]) -> Vec<&str> {
    let known: BTreeSet<&str> = spans.iter().map(|span| span.span_id.as_str()).chain([CALLER]).collect();
    let lost = spans.iter().filter(|span| span.parent_id.as_deref().is_none_or(|parent| !known.contains(parent)));
    lost.map(|span| span.name.as_str()).collect()
}

/// What each route says to somebody whom it refuses: without a session, from another site, in a way it does not know.
fn refused(person: &Person, routes: &BTreeSet<String>) -> Vec<(String, RequestBuilder)> {
    let nobody = "0199c0de-0000-7000-8000-000000000000";
    let ask = |route: &String| {
        let (method, template) = route.split_once(' ').expect("method and path");
        let query = if template.ends_with("/login") { "?redirect_uri=https://evil.example/" } else { "" };
        let path = format!("{}{query}", template.replace("{id}", nobody));
        let request = person.request(method.parse().expect("a method"), &path);
        // Signing out is always granted, but to no other site.
        let request = request.header("cookie", "session_token=nobody");
        (route.clone(), if method == "GET" { request } else { request.header("sec-fetch-site", "cross-site") })
    };
    let unknown = Method::from_bytes(b"PURGE").expect("a method");
    let odd = [Method::PATCH, unknown].map(|method| ("PATCH /docs".to_owned(), person.request(method, "/docs")));
    let lost = ("GET".to_owned(), person.request(Method::GET, "/nowhere"));
    routes.iter().map(ask).chain(odd).chain([lost]).collect()
}

/// Every route of the contract, and the two beside it; probes have no spans.
async fn contract(person: &Person) -> BTreeSet<String> {
    let contract = person.gets("/openapi.json").await.body;
    let paths = contract["paths"].as_object().expect("paths").iter();
    let routes = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let pages = ["GET /docs", "GET /openapi.json"].map(str::to_owned);
    routes.filter(|route| route != "GET /health").chain(pages).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one sweep, step by step")]
async fn t_01_every_route_is_one_whole_tree_whether_it_answers_refuses_or_fails() {
    let servers: &'static Servers = Box::leak(Box::new(Servers::own().await.expect("servers of one's own")));
    let world = World::on(servers).await.expect("a world can be made");
    world.start_all().await.expect("the services start");
    let (host, mut leaver) = (world.signed_in("dm").await, world.person("ada"));
    let guild = host.gets("/api/v1/guilds").await.body["guilds"][0]["id"].as_str().expect("a guild").to_owned();
    let template = host.default_template().await.expect("a template");
    let created = host.creates(&[("title", "Counted"), ("scheduled_at", &in_minutes(120))]).await;
    world.settle().await;
    let routes = contract(&host).await;
    let back = leaver.begins_sign_in().await.expect("Discord sends back");
    let login = format!("/api/v1/auth/login?redirect_uri={}", world.redirect_uri());
    let open = |person: &Person| {
        vec![
            ("GET /api/v1/version".to_owned(), person.request(Method::GET, "/api/v1/version")),
            (LIVE.to_owned(), person.request(Method::GET, "/api/v1/sse/game-updates")),
            ("GET /docs".to_owned(), person.request(Method::GET, "/docs")),
            ("GET /openapi.json".to_owned(), person.request(Method::GET, "/openapi.json")),
            ("GET /api/v1/auth/login".to_owned(), person.request(Method::GET, &login)),
        ]
    };
    let signs_in = format!("/api/v1/auth/callback?{back}");
    let callback = |person: &Person| ("GET /api/v1/auth/callback".to_owned(), person.request(Method::GET, &signs_in));
    let refresh = ("POST /api/v1/auth/refresh".to_owned(), host.request(Method::POST, "/api/v1/auth/refresh"));

    let mut sweep = Sweep { world, asked: Vec::new() };
    sweep.ask(open(&host)).await;
    sweep.ask(vec![callback(&leaver)]).await;
    sweep.ask(vec![refresh]).await;
    let lasting = sweep.world.signed_in("bob").await;
    let known = Routes { host: &host, guild: &guild, template: &template, game: created.text("id") };
    for request in known.answered() {
        sweep.ask(vec![request]).await;
    }
    sweep.ask(refused(&sweep.world.person("eve"), &routes)).await;

    let known = Routes { host: &lasting, ..known };
    let refresh = || ("POST /api/v1/auth/refresh".to_owned(), lasting.request(Method::POST, "/api/v1/auth/refresh"));
    for broken in ["redis", "postgres"] {
        match broken {
            "redis" => servers.stop_redis().await.expect("Redis stops"),
            _ => servers.stop_postgres().await.expect("Postgres stops"),
        }
        let mut all = known.answered();
        // Signing out would end the session that the next round needs.
        all.retain(|(route, _)| !route.ends_with("/logout"));
        all.extend(open(&lasting).into_iter().chain([callback(&leaver), refresh()]));
        sweep.ask(all).await;
    }
    sweep.ask(vec![known.ask(Method::POST, "/api/v1/auth/logout")]).await;
    servers.start_postgres().await.expect("Postgres starts");
    servers.start_redis().await.expect("Redis starts");

    let all: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
    let without = |classes: [u16; 1]| -> Vec<&str> {
        let seen: BTreeSet<&str> = classes.iter().flat_map(|class| sweep.with(*class)).collect();
        all.difference(&seen).copied().collect()
    };
    assert_eq!(without([2]), Vec::<&str>::new(), "give these routes a request in `Routes::answered`");
    let unrefused: Vec<_> = without([4]).into_iter().filter(|route| !ALWAYS.contains(route)).collect();
    let unbroken: Vec<_> = without([5]).into_iter().filter(|route| !ALWAYS.contains(route)).collect();
    assert_eq!((unrefused, unbroken), (Vec::<&str>::new(), Vec::<&str>::new()), "never refused, never failed");

    let told = sweep.told().await;
    for asked in &sweep.asked {
        let spans = told.get(&asked.trace).map(Vec::as_slice).unwrap_or_default();
        let about = format!("{} answered {}", asked.route, asked.status);
        let servers: Vec<_> = spans.iter().filter(|span| span.kind == Kind::Server).collect();
        assert_eq!(servers.len(), 1, "{about}: one SERVER span in {spans:#?}");
        assert_eq!(servers[0].parent_id.as_deref(), Some(CALLER), "{about}: below its caller");
        assert_eq!(servers[0].attribute("http.response.status_code"), Some(asked.status.to_string()), "{about}");
        assert_eq!(orphans(spans), Vec::<&str>::new(), "{about}: a parent is missing");
        assert!(spans.len() <= MOST, "{about}: {} spans", spans.len());
        let failed = servers[0].error().is_some();
        assert_eq!(failed, asked.status >= 500, "{about}: only a fault is one");
    }
}
