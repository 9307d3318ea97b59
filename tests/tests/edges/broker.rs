//! AMQP, both ways.

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use tests::otlp::{Received, Span, Status};
use tests::world::World;

use super::{ARRIVAL, SEATS, all_that_was_told, keys, reads, span};

/// What was told of a game's creation: how it was published and how the bot's queue was worked on.
async fn created(world: &World) -> [Span; 2] {
    world.signed_in("dm").await.plans(&SEATS).await;
    world.settle().await;
    let destination = format!("{}.game_scheduler:game.created", world.namespace);
    let queue = format!("{}.bot.announcements", world.namespace);
    let published = span(world, &format!("publish {destination}")).await;
    [published, span(world, &format!("process {destination}:{queue}")).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_tells_what_the_conventions_ask_for_and_nothing_else() {
    let world = World::new().await;
    let [published, _] = created(&world).await;
    let expected = [
        "messaging.destination.name",
        "messaging.message.body.size",
        "messaging.message.id",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.rabbitmq.destination.routing_key",
        "messaging.system",
        "server.address",
        "server.port",
    ];
    assert_eq!(keys(&published), expected);
    let told = |key: &str| published.attribute(key).unwrap_or_default();
    let operation = (told("messaging.operation.name"), told("messaging.operation.type"));
    assert_eq!(operation, ("publish".to_owned(), "send".to_owned()));
    assert_eq!(told("messaging.message.id"), world.ask("select id::text from outbox").await);
    let number = |text: String| text.parse::<i64>().expect("a number of bytes");
    let stored = number(world.ask("select octet_length(payload::text)::text from outbox").await);
    let sent = number(told("messaging.message.body.size"));
    assert!(sent > 0 && sent <= stored, "as it goes over the wire: {sent} of {stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_handled_tells_which_it_is_where_it_came_from_and_how_it_went() {
    let world = World::new().await;
    let [published, processed] = created(&world).await;
    let queue = format!("{0}.game_scheduler:game.created:{0}.bot.announcements", world.namespace);
    for (key, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.name", "process"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", queue.as_str()),
        ("messaging.rabbitmq.destination.routing_key", "game.created"),
        ("messaging.rabbitmq.message.delivery_tag", "1"),
        ("messaging.message.id", &published.attribute("messaging.message.id").expect("it has one")),
        ("gamesched.event.type", "game.created"),
        ("gamesched.outcome", "done"),
        ("gamesched.attempt", "1"),
    ] {
        assert_eq!(processed.attribute(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(processed.links[0].span_id, published.span_id);
    assert_eq!(processed.parent_id.as_deref(), Some(published.span_id.as_str()));
}

/// Hands a message to our queue as somebody could who has the broker's password and another mind.
async fn a_stranger_publishes(world: &World, headers: FieldTable) {
    let connection = Connection::connect(world.servers.amqp_url(), ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ answers");
    let channel = connection.create_channel().await.expect("a channel");
    let exchange = format!("canary-{}", world.namespace);
    let (queue, none) = (format!("{}.bot.deliveries", world.namespace), FieldTable::default());
    let options = ExchangeDeclareOptions { auto_delete: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, options, none.clone());
    declared.await.expect("it is declared");
    let bound = channel.queue_bind(
        queue.as_str().into(),
        exchange.as_str().into(),
        "#".into(),
        QueueBindOptions::default(),
        none,
    );
    bound.await.expect("it is bound");
    let properties = BasicProperties::default().with_message_id("canary-id".into()).with_headers(headers);
    let sent = channel.basic_publish(
        exchange.as_str().into(),
        "canary.key".into(),
        BasicPublishOptions::default(),
        b"{\"word\":\"canary\"}",
        properties,
    );
    drop(sent.await.expect("it is sent"));
    connection.close(200, "done".into()).await.expect("it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn t_16_a_foreign_exchange_key_and_id_reach_no_name_no_label_and_no_attribute() {
    let world = World::new().await;
    a_stranger_publishes(&world, FieldTable::default()).await;
    let queue = format!("{}.bot.deliveries", world.namespace);
    let span = span(&world, &format!("process _OTHER:{queue}")).await;
    let told = |key: &str| span.attribute(key);
    assert_eq!(told("gamesched.outcome").as_deref(), Some("parked"));
    assert_eq!((told("error.type").as_deref(), &span.status), (Some("undecodable"), &Status::Error(String::new())));
    assert_eq!(told("gamesched.event.type").as_deref(), Some("_OTHER"));
    assert_eq!(told("messaging.message.id"), None, "ours are UUIDs");
    let labels = [("gamesched.source", "message"), ("gamesched.parked.reason", "undecodable")];
    reads(&world, "gamesched.parked.added", &labels, 1.0).await;
    let destination = format!("_OTHER:{queue}");
    let labels = [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.name", "process"),
        ("messaging.destination.name", destination.as_str()),
        ("error.type", "undecodable"),
    ];
    reads(&world, "messaging.process.duration", &labels, 1.0).await;
    reads(&world, "messaging.client.consumed.messages", &labels, 1.0).await;
    assert!(!all_that_was_told(&world.sink.received()).contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t_16_what_no_queue_wants_is_counted_by_a_declared_kind_of_event() {
    let world = World::new().await;
    let stray = "with stray as (
                   insert into outbox (id, routing_key, payload, trace_context)
                   select gen_random_uuid(), key, '{}', '{}' from unnest(array['canary.key', 'canary.other']) as key
                   returning 1)
                 select count(*)::text from stray";
    assert_eq!(world.ask(stray).await, "2");
    reads(&world, "gamesched.outbox.unroutable", &[("gamesched.event.type", "_OTHER")], 2.0).await;
    let exchange = format!("{}.game_scheduler:_OTHER", world.namespace);
    let returned = |received: &Received| {
        received.spans.iter().filter(|span| span.name == format!("publish {exchange}")).count() >= 2
    };
    let told = world.sink.wait("both", ARRIVAL, returned).await.expect("both are told");
    assert!(told.spans.iter().filter(|span| span.name.starts_with("publish")).all(|span| {
        span.attribute("error.type").as_deref() == Some("returned") && span.status == Status::Error(String::new())
    }));
    assert!(!all_that_was_told(&world.sink.received()).contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t_16_headers_as_large_as_the_broker_takes_are_parked_and_stop_nobody() {
    let world = World::new().await;
    let mut headers = FieldTable::default();
    headers.insert("canary".into(), AMQPValue::LongString("x".repeat(100_000).into()));
    a_stranger_publishes(&world, headers).await;
    let labels = [("gamesched.source", "message"), ("gamesched.parked.reason", "undecodable")];
    reads(&world, "gamesched.parked.added", &labels, 1.0).await;
    let [_, processed] = created(&world).await;
    assert_eq!(processed.attribute("gamesched.outcome").as_deref(), Some("done"));
}
