//! What the servers promise, shown against whichever source this machine has.

use fred::interfaces::{ClientLike as _, KeysInterface as _};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{Roles, Servers, Source, sources, with_database};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_a_copy_of_its_template() {
    let servers = Servers::start().await.unwrap();
    let (template, copy) = (unique("template"), unique("copy"));
    let url = servers.database(&template, None).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let filled = "create table seats (player text); insert into seats values ('ada')";
    sqlx::raw_sql(filled).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let url = servers.database(&copy, Some(&template)).await.unwrap();

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let row = sqlx::raw_sql("select player from seats").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "ada");
    servers.drop_database(&copy).await.unwrap();
    servers.drop_database(&template).await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err(), "a dropped database can be connected to");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_a_key() {
    let servers = Servers::start().await.unwrap();
    let client = redis(servers.redis_url()).await;
    let key = unique("key");

    client.set::<(), _, _>(&key, "kept", None, None, false).await.unwrap();

    assert_eq!(client.get::<String, _>(&key).await.unwrap(), "kept");
    client.del::<(), _>(&key).await.unwrap();
    client.quit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_confirms_what_is_published_to_it() {
    let servers = Servers::start().await.unwrap();
    let queue = unique("queue");

    let confirmation = publish(servers.amqp_url(), &queue).await;

    assert!(matches!(confirmation, Confirmation::Ack(None)), "{confirmation:?}");
    assert_eq!(take(servers.amqp_url(), &queue).await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_come_back_from_a_crash_with_their_ports_and_data() {
    let servers = Servers::own().await.unwrap();
    let database = servers.database("kept", None).await.unwrap();
    let redis = redis(servers.redis_url()).await;
    redis.set::<(), _, _>("key", "kept", None, None, false).await.unwrap();
    redis.quit().await.unwrap();

    tokio::try_join!(servers.stop_postgres(), servers.stop_redis(), servers.stop_rabbitmq()).unwrap();
    assert!(PgConnection::connect(&database).await.is_err(), "Postgres is stopped");
    assert!(servers.stop_redis().await.is_err(), "Redis is stopped");
    let (postgres, cache, broker) =
        tokio::join!(servers.start_postgres(), servers.start_redis(), servers.start_rabbitmq());
    postgres.and(cache).and(broker).unwrap();

    PgConnection::connect(&database).await.unwrap().close().await.unwrap();
    let client = self::redis(servers.redis_url()).await;
    assert_eq!(client.get::<String, _>("key").await.unwrap(), "kept");
    publish(servers.amqp_url(), "new").await;
    assert_eq!(take(servers.amqp_url(), "new").await, "hello");
}

#[test]
fn the_sources_are_tried_from_the_cheapest_unless_one_is_named() {
    use Source::{Containers, Environment, Installed, Native};
    assert_eq!(sources(None).unwrap(), [Environment, Containers, Native, Installed]);
    assert_eq!(sources(Some("containers")).unwrap(), [Containers]);
    assert_eq!(sources(Some("native")).unwrap(), [Native, Installed]);
    let refused = sources(Some("magic")).unwrap_err().to_string();
    assert_eq!(refused, r#"SERVERS is "magic"; it may be environment, containers or native"#);
}

#[test]
fn a_url_for_another_database_keeps_server_user_and_options() {
    for (url, expected) in [
        ("postgres://u:p@host:1/postgres", "postgres://u:p@host:1/games"),
        ("postgres://host", "postgres://host/games"),
        ("postgres://host/?sslmode=disable", "postgres://host/games?sslmode=disable"),
    ] {
        assert_eq!(with_database(url, "games"), expected);
    }
}

#[test]
fn a_roles_url_keeps_server_and_database_and_holds_any_password() {
    let roles = Roles::new("spec", "it's 5 %@/é");
    for (url, expected) in [
        ("postgres://u:p@host:1/games", "postgres://spec_api:it%27s%205%20%25%40%2F%C3%A9@host:1/games"),
        ("postgres://host?sslmode=disable", "postgres://spec_api:it%27s%205%20%25%40%2F%C3%A9@host?sslmode=disable"),
    ] {
        assert_eq!(roles.url(url, "api"), expected);
    }
}

/// Nobody else's, so that specs can run side by side and again.
fn unique(word: &str) -> String {
    format!("servers-{word}-{}", uuid::Uuid::now_v7())
}

async fn redis(url: &str) -> fred::clients::Client {
    let config = fred::types::config::Config::from_url(url).unwrap();
    let client = fred::types::Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    client
}

/// Publishes one message to a quorum queue and waits for the broker's word.
async fn publish(url: &str, queue: &str) -> Confirmation {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await.unwrap();
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let sent = channel.basic_publish("".into(), queue.into(), options, b"hello", persistent).await;
    let confirmation = sent.unwrap().await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    confirmation
}

/// Takes one message out of a queue, and then deletes that.
async fn take(url: &str, queue: &str) -> String {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let message = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    String::from_utf8(message.expect("an empty queue").delivery.data.to_vec()).unwrap()
}
