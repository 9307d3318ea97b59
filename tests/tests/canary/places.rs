//! Where words may turn up, and the search for those that may not.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tests::otlp::Received;
use tests::world::{Service, Tap, World};

/// A kind of place, and what a place of that kind must be about for a canary to be welcome there.
pub(super) type Welcome = (&'static str, &'static str);

/// Something that nobody may find, but where it belongs.
#[derive(Clone, Debug)]
pub(super) struct Canary {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Where it belongs: everywhere else it is a leak.
    pub(super) may: Vec<Welcome>,
    /// What shows that it went in.
    pub(super) entered: Option<String>,
}

/// What stands somewhere.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kind: &'static str,
    /// What it is about: a table, a key, a routing key.
    pub(super) about: String,
    /// What stands there; bytes that are no text are replaced.
    pub(super) text: String,
}

impl Place {
    fn new(kind: &'static str, about: impl Into<String>, bytes: &[u8]) -> Self {
        Self { kind, about: about.into(), text: String::from_utf8_lossy(bytes).into_owned() }
    }

    /// How often a word stands here; Postgres shows bytes as their numbers.
    pub(super) fn count(&self, word: &str) -> usize {
        let coded = if self.kind == "postgres" { self.text.matches(&hexadecimal(word)).count() } else { 0 };
        self.text.matches(word).count() + coded
    }
}

impl Canary {
    /// Whether it belongs into a place.
    pub(super) fn is_welcome(&self, place: &Place) -> bool {
        self.may.iter().any(|(kind, about)| *kind == place.kind && place.about.contains(about))
    }
}

fn hexadecimal(word: &str) -> String {
    word.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every leak, a line each: which canary, and where.
pub(super) fn leaks(canaries: &[Canary], places: &[Place], told: &Received) -> Vec<String> {
    let mut leaks = Vec::new();
    for canary in canaries {
        for place in places {
            if canary.is_welcome(place) {
                continue;
            }
            let mut found = place.count(&canary.value);
            if place.kind == "spans" {
                found = found.saturating_sub(expected(told, canary));
            }
            if found > 0 {
                leaks.push(format!("{} ({}) is in {} {}", canary.name, canary.value, place.kind, place.about));
            }
        }
    }
    leaks.sort();
    leaks.dedup();
    leaks
}

/// How often the canary stands in the attributes of spans in which it may.
fn expected(told: &Received, canary: &Canary) -> usize {
    let allowed = canary.may.iter().filter(|(kind, _)| *kind == "attribute").map(|(_, key)| *key);
    let count = |text: &str| text.matches(&canary.value).count();
    let in_spans = |key: &str| -> usize {
        let spans = told.spans.iter();
        let each = spans.map(|span| match key {
            "trace_state" => {
                count(&span.trace_state) + span.links.iter().map(|link| count(&link.trace_state)).sum::<usize>()
            }
            key => span.attribute(key).map_or(0, |value| count(&value)),
        });
        each.sum()
    };
    allowed.map(in_spans).sum()
}

/// Everything that leaves a process, and what the stores hold.
pub(super) async fn all(world: &World, tap: &Tap, monitor: &Monitor) -> Vec<Place> {
    let mut places = Vec::new();
    // All spans are one place: what may stand in an attribute is counted over all of them.
    let mut spans = Vec::new();
    for (path, bytes) in world.sink.bytes() {
        match path {
            "/v1/traces" => spans.extend_from_slice(&bytes),
            other => places.push(Place::new("exports", other, &bytes)),
        }
    }
    places.push(Place::new("spans", "", &spans));
    for service in Service::ALL {
        places.push(Place::new("stdout", service.name(), world.lines(service).as_bytes()));
    }
    for message in tap.tapped() {
        places.push(Place::new("message", &message.key, &message.body));
        let mut headers = message.around;
        headers.push_str(&message.headers.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>());
        places.push(Place::new("headers", message.key, headers.as_bytes()));
    }
    for line in monitor.lines() {
        places.push(Place { kind: "redis", about: line.clone(), text: line });
    }
    let tables = world.tables().await.into_iter();
    places.extend(tables.map(|(about, text)| Place { kind: "postgres", about, text }));
    places
}

/// Every command that Redis is given, with all its arguments; passwords are left out by Redis itself.
pub(super) struct Monitor {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Monitor {
    /// Listens from now on, for as long as the process lives.
    pub(super) fn start(url: &str) -> Self {
        let address = url.rsplit('@').next().unwrap_or(url).trim_start_matches("redis://").trim_end_matches('/');
        let mut redis = TcpStream::connect(address).expect("Redis answers");
        redis.write_all(b"MONITOR\r\n").expect("Redis listens");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(redis).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { lines }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a command holds a text, and answers it.
    pub(super) async fn shows(&self, text: &str) -> String {
        for _ in 0..500 {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no command holds {text}")
    }
}

/// The environment of a running service holds a text; where the system shows environments.
pub(super) fn environment_holds(service: Service, text: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let of_service = |path: &std::path::Path| {
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        // The system keeps the first 15 letters.
        let told = service.name();
        name.trim() == &told[..told.len().min(15)]
    };
    let mut paths = processes.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| of_service(path));
    paths.any(|path| fs::read(path.join("environ")).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)))
}
