//! What the servers promise, shown against whichever source this machine has.

use fred::interfaces::{ClientLike as _, KeysInterface as _};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{Servers, Source, sources, with_database};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_a_copy_of_its_template() {
    let servers = Servers::start().await.unwrap();
    let (template, copy) = (unique("template"), unique("copy"));
    let url = servers.database(&template, None).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let filled = "create table seats (player text); insert into seats values ('ada')";
    sqlx::raw_sql(filled)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let url = servers.database(&copy, Some(&template)).await.unwrap();

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let row = sqlx::raw_sql("select player from seats")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "ada");
    servers.drop_database(&copy).await.unwrap();
    servers.drop_database(&template).await.unwrap();
    assert!(
        PgConnection::connect(&url).await.is_err(),
        "a dropped database can be connected to"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_a_key() {
    let servers = Servers::start().await.unwrap();
    let config = fred::types::config::Config::from_url(servers.redis_url()).unwrap();
    let client = fred::types::Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    let key = unique("key");

    client
        .set::<(), _, _>(&key, "kept", None, None, false)
        .await
        .unwrap();

    assert_eq!(client.get::<String, _>(&key).await.unwrap(), "kept");
    client.del::<(), _>(&key).await.unwrap();
    client.quit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_confirms_what_is_published_to_it() {
    let servers = Servers::start().await.unwrap();
    let connection = Connection::connect(servers.amqp_url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let queue = unique("queue");
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(
            queue.clone().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await
        .unwrap();

    let sent = channel.basic_publish(
        "".into(),
        queue.clone().into(),
        BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        },
        b"hello",
        BasicProperties::default().with_delivery_mode(2),
    );

    assert!(matches!(
        sent.await.unwrap().await.unwrap(),
        Confirmation::Ack(None)
    ));
    assert_eq!(
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap(),
        1
    );
    connection.close(200, "done".into()).await.unwrap();
}

#[test]
fn the_sources_are_tried_from_the_cheapest_unless_one_is_named() {
    use Source::{Containers, Environment, Installed, Native};
    assert_eq!(
        sources(None).unwrap(),
        [Environment, Containers, Native, Installed]
    );
    assert_eq!(sources(Some("containers")).unwrap(), [Containers]);
    assert_eq!(sources(Some("native")).unwrap(), [Native, Installed]);
    let refused = sources(Some("magic")).unwrap_err().to_string();
    assert_eq!(
        refused,
        r#"SERVERS is "magic"; it may be environment, containers or native"#
    );
}

#[test]
fn a_url_for_another_database_keeps_server_user_and_options() {
    for (url, expected) in [
        (
            "postgres://u:p@host:1/postgres",
            "postgres://u:p@host:1/games",
        ),
        ("postgres://host", "postgres://host/games"),
        (
            "postgres://host/?sslmode=disable",
            "postgres://host/games?sslmode=disable",
        ),
    ] {
        assert_eq!(with_database(url, "games"), expected);
    }
}

/// Nobody else's, so that specs can run side by side and again.
fn unique(word: &str) -> String {
    format!("servers-{word}-{}", uuid::Uuid::now_v7())
}
