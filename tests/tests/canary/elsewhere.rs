//! What comes in by commands, forms, streams, the broker and the operator, marked as everything else.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use reqwest::Method;
use tests::discord::ids;
use tests::world::{Person, Watching};

use super::Aviary;
use super::places::{Place, Welcome};
use crate::parked::{Operated, operate, publish};

/// What is said of a message that nobody can read: the operator asks for it.
const IN_PARKED: [Welcome; 2] = [("postgres", "parked"), ("stdout", "operator show")];

/// Options, suggestions and forms, most of them of versions that this one does not know.
pub(super) async fn commands(aviary: &mut Aviary) {
    let ada = aviary.world.person("ada");
    let games = ids::GAMES.to_string();
    let listed = ada.commands(ids::GAMES, "/list-games", &[("channel", &games), ("show_all", "true")]).await;
    listed.expect("the bot answers");

    let (discord, flock) = (&aviary.world.discord, &mut aviary.flock);
    let here = Some(ids::GAMES);
    for (option, name) in [
        ("show_all", "a choice that is none"),
        ("channel", "a channel that is a text"),
        ("q-option", "an option that nobody knows"),
    ] {
        let value = flock.hatch(name, &[]);
        let answer = discord.command_stale_with(ids::ADA, here, "list-games", &[(option, &value)]).await;
        flock.entered(name, format!("answered: {}", answer.expect("the bot answers").answer.as_text()));
    }
    let (command, option) = (flock.hatch("a command that is none", &[]), flock.hatch("an option's name", &[]));
    let answer = discord.command_stale_with(ids::ADA, here, &command, &[(&option, "1")]).await;
    let answer = answer.expect("the bot answers").answer.as_text();
    for name in ["a command that is none", "an option's name"] {
        flock.entered(name, format!("answered: {answer}"));
    }
    let typed = flock.hatch("what somebody is typing", &[]);
    let choices = discord.autocomplete_stale_with(ids::ADA, here, "roll", &typed).await.expect("the bot answers");
    flock.entered("what somebody is typing", format!("{} choices", choices.len()));
    let (form, text) = (flock.hatch("a form that is none", &[]), flock.hatch("a form's text", &[]));
    let answer = discord.submit_with(ids::ADA, here, &form, &text).await.expect("the bot answers").answer.as_text();
    for name in ["a form that is none", "a form's text"] {
        flock.entered(name, format!("answered: {answer}"));
    }

    // The whole event cannot be read: a channel's id is a number. Nobody answers, and nobody quotes it.
    let value = flock.hatch("an id that is none", &[]);
    let answer = discord.command(ids::ADA, Some(ids::TAVERN), ids::GAMES, "list-games", &[("channel", &value)]).await;
    flock.entered("an id that is none", format!("Discord passed it on: {}", answer.is_ok()));
    let again = ada.commands(ids::GAMES, "/list-games", &[]).await;
    again.expect("the bot answers the next one");
}

/// A stream of updates, asked for with more than it takes.
pub(super) async fn stream(aviary: &mut Aviary, host: &Person) {
    let query = aviary.flock.hatch("a stream's query", &[]);
    let last = aviary.flock.hatch("what a stream saw last", &[]);
    let asked =
        host.request(Method::GET, &format!("/api/v1/sse/game-updates?since={query}")).header("last-event-id", last);
    let stream = Watching::open(asked).await.expect("there is a stream");
    for name in ["a stream's query", "what a stream saw last"] {
        aviary.flock.entered(name, "the stream was opened");
    }
    drop(stream);
}

/// A stranger's message, which is parked, shown and discarded.
pub(super) async fn park(aviary: &mut Aviary) {
    let [parked, shown] = IN_PARKED;
    // As it came, and in the queue from which it is written into the table.
    let sent = ["delivery.due", "bot.deliveries.parked"];
    let [message, around] = ["message", "headers"].map(|kind| sent.map(|key| (kind, key)));
    let body = aviary.flock.hatch("a stranger's message", &[parked, shown, message[0], message[1]]);
    let header = aviary.flock.hatch("a stranger's header", &[parked, shown, around[0], around[1]]);
    let id = [parked, shown, around[0], around[1], ("attribute", "messaging.message.id")];
    let id = aviary.flock.hatch("a stranger's id of a message", &id);
    let mut headers = FieldTable::default();
    headers.insert("x-stranger".into(), AMQPValue::LongString(header.into()));
    let properties = BasicProperties::default().with_headers(headers).with_message_id(id.as_str().into());
    publish(&aviary.world, "delivery.due", body.as_bytes(), properties).await;
    aviary.world.until("select count(*)::text from parked", "1").await;

    let id = aviary.world.ask("select id::text from parked").await;
    let note = aviary.flock.hatch("an operator's note", &[parked, shown, ("postgres", "audit_log")]);
    for words in [&["list"][..], &["discard", &id, "--note", &note], &["show", &id]] {
        let operated = operate(&aviary.world, words).await;
        assert_eq!(operated.code, Some(0), "{words:?}: {operated:?}");
        keep(aviary, words[0], operated);
    }
}

/// What an operator sees is searched as well.
fn keep(aviary: &mut Aviary, word: &str, operated: Operated) {
    let said = [(format!("operator {word}"), operated.said), (format!("{word}'s complaints"), operated.complained)];
    aviary.operated.extend(said.map(|(about, text)| Place { kind: "stdout", about, text }));
}
