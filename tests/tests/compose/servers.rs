//! Who may do what in RabbitMQ and Redis: what the code does, and nothing else.

use std::collections::BTreeSet;

use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};
use shared::amqp::topology::{DURABLE, arguments};
use shared::amqp::{Names, Queue};

use super::model::{read, root};

const DEFINITIONS: &str = "compose/rabbitmq/definitions.json";

#[test]
fn the_users_exchange_and_queues_of_rabbitmq_are_those_of_the_topology() {
    let expected = definitions(&Names::new(""));
    #[expect(clippy::disallowed_methods, reason = "whether to write is said from outside")]
    if std::env::var("UPDATE_DEFINITIONS").is_ok() {
        let text = serde_json::to_string_pretty(&expected).expect("it is JSON");
        std::fs::write(root().join(DEFINITIONS), text + "\n").expect("it can be written");
    }
    let written: Value = serde_json::from_str(&read(DEFINITIONS)).expect("it is JSON");
    for part in ["vhosts", "users", "permissions", "exchanges", "queues", "bindings"] {
        assert_eq!(written[part], expected[part], "UPDATE_DEFINITIONS=1 script/test compose writes {DEFINITIONS}");
    }
    assert_eq!(written, expected, "there is more in {DEFINITIONS}");
}

/// All that `load_definitions` is to make.
fn definitions(names: &Names) -> Value {
    let queues: Vec<_> =
        DURABLE.into_iter().flat_map(|queue| [Queue::Parked(Box::new(queue.clone())), queue]).collect();
    let declared = queues.iter().map(|queue| {
        let arguments = object(&arguments(names, queue));
        json!({ "name": names.queue(queue), "vhost": "/", "durable": true, "auto_delete": false, "arguments": arguments })
    });
    let bindings = queues.iter().flat_map(|queue| {
        let keys: Vec<_> = queue.keys().into_iter().map(str::to_owned).collect();
        let keys = if keys.is_empty() { vec![names.queue(queue)] } else { keys };
        let binding = |key| {
            json!({
                "source": names.exchange(), "vhost": "/", "destination": names.queue(queue),
                "destination_type": "queue", "routing_key": key, "arguments": {},
            })
        };
        keys.into_iter().map(binding).collect::<Vec<_>>()
    });
    let users = ["init", "api", "bot", "notification", "status"];
    json!({
        "vhosts": [{ "name": "/" }],
        "users": users.map(|user| {
            json!({ "name": user, "password": format!("${{AMQP_{}_PASSWORD}}", user.to_uppercase()), "tags": "" })
        }),
        "permissions": users.map(|user| permissions(names, user)),
        "exchanges": [{
            "name": names.exchange(), "vhost": "/", "type": "topic", "durable": true,
            "auto_delete": false, "internal": false, "arguments": {},
        }],
        "queues": declared.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    })
}

/// Every process declares the topology: that takes the right to configure, to bind (write to the queue, read from the
/// exchange), and to dead-letter (read from the queue, write to the exchange). Only the bot reads what is parked, only
/// the api has queues of its own.
fn permissions(names: &Names, user: &str) -> Value {
    let (exchange, durable) = (vec![names.exchange()], DURABLE.map(|queue| names.queue(&queue)).to_vec());
    let parked = DURABLE.map(|queue| names.parked(&queue)).to_vec();
    let own = if user == "api" { vec![names.queue(&Queue::Events(String::new()))] } else { Vec::new() };
    let refused = if user == "bot" { parked.clone() } else { Vec::new() };
    let pattern = |some: &[&Vec<String>], own: &[String]| {
        let exact = some.iter().flat_map(|names| names.iter()).map(|name| name.replace('.', "\\."));
        let all: Vec<_> = exact.chain(own.iter().map(|name| format!("{}.+", name.replace('.', "\\.")))).collect();
        format!("^({})$", all.join("|"))
    };
    let declares = pattern(&[&exchange, &durable, &parked], &own);
    let reads = pattern(&[&exchange, &durable, &refused], &own);
    json!({ "user": user, "vhost": "/", "configure": declares, "write": declares, "read": reads })
}

fn object(table: &FieldTable) -> Map<String, Value> {
    let plain = |value: &AMQPValue| match value {
        AMQPValue::LongLongInt(number) => json!(number),
        AMQPValue::LongString(text) => json!(text.to_string()),
        other => panic!("an argument of another type: {other:?}"),
    };
    table.inner().iter().map(|(name, value)| (name.to_string(), plain(value))).collect()
}

/// What a connection needs before it is asked anything; `load` and `ping` in `shared/src/cache/door.rs`.
const CONNECTING: [&str; 6] = ["ping", "info", "client|id", "script|load", "eval", "evalsha"];

#[test]
fn the_users_of_redis_may_run_what_their_services_run() {
    let acl = read("compose/redis/users.acl");
    let granted = |user: &str| -> BTreeSet<String> {
        let line = acl.lines().find(|line| line.starts_with(&format!("user {user} "))).expect("there is such a user");
        line.split(' ').filter_map(|word| word.strip_prefix('+')).map(str::to_owned).collect()
    };
    let needed = |files: &[&str], direct: &[&str]| -> BTreeSet<String> {
        let used: Vec<_> = files.iter().flat_map(|file| commands_of(file)).collect();
        let direct = direct.iter().chain(&CONNECTING).map(|command| (*command).to_owned());
        direct.chain(used).collect()
    };
    // Sessions are the api's, the projection is written by the bot, both read it and have rate windows.
    assert_eq!(granted("api"), needed(&["mod.rs", "windows.rs", "projection/read.rs"], &["get", "set"]));
    assert_eq!(granted("bot"), needed(&["windows.rs", "projection/read.rs", "projection/write.rs"], &[]));
    assert!(acl.lines().any(|line| line == "user default off"));
    for line in acl.lines().filter(|line| *line != "user default off") {
        assert!(
            line.contains(" resetchannels resetkeys ") && line.contains(" -@all "),
            "{line} begins with everything"
        );
        assert!(!line.contains("+@") && !line.contains("config"), "{line}");
    }
}

/// The commands of the scripts that a file of the cache runs.
fn commands_of(file: &str) -> BTreeSet<String> {
    let scripts = read("shared/src/cache/scripts.rs");
    let user = read(&format!("shared/src/cache/{file}"));
    let names = user.match_indices("scripts::").map(|(at, before)| &user[at + before.len()..]);
    let names: BTreeSet<_> = names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_uppercase()).next()).collect();
    let lines = scripts.lines().filter_map(|line| line.trim().split_once(" = "));
    let files =
        lines.filter(|(name, _)| names.contains(name)).flat_map(|(_, files)| files.split('"').skip(1).step_by(2));
    files.flat_map(|lua| calls(&read(&format!("shared/src/cache/{lua}")))).collect()
}

fn calls(lua: &str) -> BTreeSet<String> {
    let called = lua.match_indices("redis.call('").map(|(at, before)| &lua[at + before.len()..]);
    called.filter_map(|rest| rest.split('\'').next()).map(str::to_lowercase).collect()
}

/// Renders a template as the containers do: the exit code, and what was written or complained about.
fn rendered(template: &str, password: &str) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (from, to) = (directory.path().join("template"), directory.path().join("result"));
    std::fs::write(&from, template).expect("it can be written");
    let mut sh = std::process::Command::new("sh");
    sh.arg(root().join("compose/with-passwords.sh")).args([&from, &to]).arg("cat").arg(&to);
    let output = sh.env("AMQP_API_PASSWORD", password).output().expect("there is a shell");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn passwords_stand_in_the_servers_files_and_what_would_break_a_url_is_refused() {
    let template = "{\"password\": \"${AMQP_API_PASSWORD}\", \"again\": \"${AMQP_API_PASSWORD}\"}";
    let (well, text) = rendered(template, "a.B_9~-");
    assert_eq!((well, text.as_str()), (true, "{\"password\": \"a.B_9~-\", \"again\": \"a.B_9~-\"}"));
    for bad in ["", "with blank", "quo\"te", "at@", "sla/sh", "new\nline"] {
        let (well, text) = rendered(template, bad);
        assert!(!well && text.starts_with("AMQP_API_PASSWORD must be set, "), "{bad:?}: {text}");
    }
}
