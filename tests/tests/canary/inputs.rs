//! Everything that comes in from outside, each piece marked so that it is known wherever it turns up.

use reqwest::{Method, RequestBuilder};
use tests::discord::Setup;
use tests::world::Person;

use super::places::{Canary, Welcome};

/// All canaries of a session.
pub(super) struct Flock {
    mark: String,
    pub(super) all: Vec<Canary>,
}

impl Flock {
    pub(super) fn new(mark: &str) -> Self {
        Self { mark: mark.to_owned(), all: Vec::new() }
    }

    /// A new one of its own value, with the places where it belongs.
    pub(super) fn hatch(&mut self, name: &'static str, may: &[Welcome]) -> String {
        let value = format!("q{:02}q{}", self.all.len(), self.mark);
        self.know(name, &value, may);
        value
    }

    /// One whose value others chose.
    pub(super) fn know(&mut self, name: &'static str, value: &str, may: &[Welcome]) {
        assert!(value.len() >= 8, "{name} is long enough to be told from anything else: {value:?}");
        self.all.push(Canary { name, value: value.to_owned(), may: may.to_vec(), entered: None });
    }

    /// Says what shows that a canary went in.
    pub(super) fn entered(&mut self, name: &str, how: impl Into<String>) {
        let canary = self.all.iter_mut().find(|canary| canary.name == name).expect("it is known");
        canary.entered = Some(how.into());
    }
}

/// Texts of a game that is made: the form's part, and how it is called here.
const TEXTS: [(&str, &str); 4] = [
    ("title", "a game's title"),
    ("description", "a game's description"),
    ("signup_instructions", "a game's instructions"),
    ("where", "a game's place"),
];

/// The answer that is kept for whoever repeats the request.
const KEPT: Welcome = ("postgres", "idempotency_keys");
/// The rows of games, that answer, and the letters that tell of it.
pub(super) const IN_GAMES: [Welcome; 3] = [("postgres", "games"), KEPT, ("postgres", "deliveries")];

/// The parts of a form that makes a game, all of them marked.
pub(super) fn form(flock: &mut Flock) -> Vec<(String, String)> {
    let mut form: Vec<_> =
        TEXTS.into_iter().map(|(field, name)| (field.to_owned(), flock.hatch(name, &IN_GAMES))).collect();
    let in_roster = [("postgres", "participants"), KEPT];
    let starter = flock.hatch("a starter who is nobody's name", &in_roster);
    form.push(("initial_participants".to_owned(), format!("[\"{starter}\"]")));
    form
}

/// What is marked and refused, or of no use to anybody: request, and the statuses it may be answered with.
pub(super) fn strange(
    flock: &mut Flock,
    host: &Person,
    eve: &Person,
    template: &str,
) -> Vec<(&'static str, RequestBuilder, u16)> {
    let mut requests = Vec::new();
    let fields = ["scheduled_at", "signup_method", "host", "recur_rule", "max_players", "reminder_minutes"];
    let names = [
        "a time that is none",
        "a method that is none",
        "another host",
        "a rule of repetition",
        "a number that is none",
        "a list that is none",
    ];
    for (field, name) in fields.into_iter().zip(names) {
        let value = flock.hatch(name, &[]);
        let form = [("template_id", template), ("title", "Marked"), (field, &value)];
        requests.push((name, host.request(Method::POST, "/api/v1/games").form(&form), 422));
    }
    let start = tests::world::in_minutes(120);
    // It is looked up in the guild's names, and kept nowhere.
    let mention = flock.hatch("a name that nobody has", &[("redis", ":proj:")]);
    let list = format!("[\"@{mention}\"]");
    let form =
        [("template_id", template), ("title", "Marked"), ("scheduled_at", &start), ("initial_participants", &list)];
    requests.push(("a name that nobody has", host.request(Method::POST, "/api/v1/games").form(&form), 422));
    let part = flock.hatch("the name of a part", &[]);
    let form = [("template_id", "none"), (part.as_str(), "x")];
    requests.push(("the name of a part", host.request(Method::POST, "/api/v1/games").form(&form), 422));
    let json = format!("{{\"title\":\"{}\"", flock.hatch("broken JSON", &[]));
    let sent = host.request(Method::POST, "/api/v1/games").header("content-type", "application/json").body(json);
    requests.push(("broken JSON", sent, 422));
    requests.extend(queries(flock, host));
    requests.extend(headers(flock, host, eve));
    requests
}

fn queries(flock: &mut Flock, host: &Person) -> Vec<(&'static str, RequestBuilder, u16)> {
    let filters = [
        ("status", "a filter by state", 422),
        ("role", "a filter by role", 422),
        ("guild_id", "a filter by guild", 422),
        ("search", "a filter that is none", 200),
    ];
    let mut requests = Vec::new();
    for (key, name, status) in filters {
        let value = flock.hatch(name, &[]);
        requests.push((name, host.request(Method::GET, &format!("/api/v1/games?{key}={value}")), status));
    }
    let in_path = [("attribute", "url.path")];
    let id = flock.hatch("an id in a path", &in_path);
    requests.push(("an id in a path", host.request(Method::GET, &format!("/api/v1/games/{id}")), 404));
    let path = flock.hatch("a path that leads nowhere", &in_path);
    requests.push(("a path that leads nowhere", host.request(Method::GET, &format!("/{path}")), 404));
    let back = flock.hatch("a foreign address to return to", &[]);
    let login = format!("/api/v1/auth/login?redirect_uri=https://{back}.example/");
    requests.push(("a foreign address to return to", host.request(Method::GET, &login), 422));
    for (key, name) in [("code", "an invented code"), ("state", "an invented state"), ("error", "Discord's reason")] {
        let value = flock.hatch(name, &[]);
        let callback = format!("/api/v1/auth/callback?{key}={value}&x=1");
        requests.push((name, host.request(Method::GET, &callback), 400));
    }
    requests
}

fn headers(flock: &mut Flock, host: &Person, eve: &Person) -> Vec<(&'static str, RequestBuilder, u16)> {
    let mut requests = Vec::new();
    let carried = [("attribute", "trace_state")];
    let plain: [(&'static str, &'static str, &[Welcome]); 8] = [
        ("authorization", "a foreign authorization", &[]),
        ("x-forwarded-for", "a forwarded address that is none", &[]),
        ("baggage", "baggage", &[]),
        ("traceparent", "a broken trace context", &[]),
        ("referer", "where somebody came from", &[]),
        ("x-request-id", "a foreign request's id", &[]),
        ("accept-language", "somebody's language", &[]),
        ("user-agent", "somebody's browser", &[("attribute", "user_agent.original")]),
    ];
    for (header, name, may) in plain {
        let value = flock.hatch(name, may);
        requests.push((name, host.request(Method::GET, "/api/v1/games").header(header, value), 200));
    }
    let state = flock.hatch("a trusted caller's trace state", &carried);
    let parent = "00-0000000000000000000000000000cafe-00f067aa0ba902b7-01";
    let traced = host.request(Method::GET, "/api/v1/games").header("traceparent", parent);
    let traced = traced.header("tracestate", format!("vendor={state}"));
    requests.push(("a trusted caller's trace state", traced, 200));
    for (cookie, name, status) in
        [("session_token", "an invented session", 401), ("theme", "somebody else's cookie", 401)]
    {
        let value = flock.hatch(name, &[]);
        let asked = eve.request(Method::GET, "/api/v1/games").header("cookie", format!("{cookie}={value}"));
        requests.push((name, asked, status));
    }
    let origin = flock.hatch("a foreign origin", &[]);
    let foreign = host.request(Method::POST, "/api/v1/games").header("origin", format!("https://{origin}.example"));
    requests.push(("a foreign origin", foreign, 403));
    // The address is what the attribute is for, and what limits are counted by.
    let address = "203.0.113.217";
    flock.know("a client's address", address, &[("attribute", "client.address"), ("redis", ":rate:")]);
    let forwarded = host.request(Method::GET, "/api/v1/games").header("x-forwarded-for", address);
    requests.push(("a client's address", forwarded, 200));
    requests
}

/// Discord with a mark on everything that it tells.
pub(super) fn setup(flock: &mut Flock) -> Setup {
    let mut setup = Setup::demo();
    let projection = ("redis", ":proj:");
    setup.application.client_secret = flock.hatch("the client secret", &[]);
    setup.application.bot_token = flock.hatch("the bot's token", &[]);
    let guild = &mut setup.guilds[0];
    guild.name = flock.hatch("a guild's name", &[projection, ("postgres", "guilds"), KEPT]);
    guild.channels[0].name = flock.hatch("a channel's name", &[projection, ("postgres", "channels"), KEPT]);
    guild.channels[0].topic = Some(flock.hatch("a channel's topic", &[]));
    guild.roles[1].name = flock.hatch("a role's name", &[projection]);
    guild.members[0].nick = Some(flock.hatch("a nick", &[projection, KEPT]));
    let host = &mut setup.users[0];
    let known = [projection, ("postgres", "users"), KEPT];
    host.global_name = Some(flock.hatch("a global name", &known));
    host.username = flock.hatch("a user's name", &[known[0], known[1], known[2], ("redis", ":session:")]);
    host.email = Some(format!("{}@example.org", flock.hatch("an e-mail address", &[])));
    setup
}
