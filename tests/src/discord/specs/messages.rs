//! Specs of messages, direct conversations and guilds.

use std::time::Duration;

use serde_json::json;
use twilight_model::id::Id;

use super::super::{Change, ids};
use super::{ADA, GAMES, SOON, Scene, code};

#[tokio::test]
async fn the_same_nonce_gives_the_same_message_until_its_window_closes() {
    let scene = Scene::new().await;
    let first = scene.post(GAMES, "n1", json!({ "content": "hello" })).await.expect("it posts");
    let again = scene.post(GAMES, "n1", json!({ "content": "hello" })).await.expect("it posts");
    assert_eq!(first, again);
    assert_eq!(scene.discord.channel(ids::GAMES).await.len(), 1);

    scene.discord.set_nonce_window(Duration::ZERO).await.expect("set");
    let later = scene.post(GAMES, "n1", json!({ "content": "hello" })).await.expect("it posts");
    assert_ne!(first, later);
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_nonce_of_a_deleted_message_is_answered_with_unknown_message() {
    let scene = Scene::new().await;
    let id = scene.post(GAMES, "n1", json!({ "content": "hello" })).await.expect("it posts");
    scene.http.delete_message(GAMES, Id::new(id)).await.expect("it deletes");
    let error = scene.post(GAMES, "n1", json!({ "content": "hello" })).await.expect_err("it is refused");
    assert_eq!(code(&error), Some(10008));
    assert!(scene.discord.channel(ids::GAMES).await.is_empty());
}

#[tokio::test]
async fn an_edit_changes_what_people_see_and_is_counted() {
    let scene = Scene::new().await;
    let id = scene.post(GAMES, "n1", json!({ "content": "one seat" })).await.expect("it posts");
    let body = json!({ "content": "no seat", "allowed_mentions": { "parse": [] } }).to_string();
    let edited = scene.http.update_message(GAMES, Id::new(id)).payload_json(body.as_bytes()).await;
    let edited = edited.expect("it edits").model().await.expect("a message");
    assert!(edited.edited_timestamp.is_some());
    let seen = scene.discord.channel(ids::GAMES).await;
    assert_eq!((seen[0].as_text().as_str(), seen[0].edits), ("no seat", 1));
}

#[tokio::test]
async fn a_direct_message_reaches_one_inbox_and_is_refused_by_closed_and_strange_people() {
    let scene = Scene::new().await;
    let open = async |user| {
        let channel = scene.http.create_private_channel(user).await.expect("it opens");
        channel.model().await.expect("a channel").id
    };
    let channel = open(ADA).await;
    assert_eq!(open(ADA).await, channel, "opening twice gives the same conversation");
    scene.post(channel, "d1", json!({ "content": "your game starts" })).await.expect("it posts");
    assert_eq!(scene.discord.inbox(ids::ADA).await[0].as_text(), "your game starts");
    assert!(scene.discord.inbox(ids::BOB).await.is_empty());

    scene.discord.change(Change::CloseMessages { user: ids::ADA, closed: true }).await.expect("closed");
    let error = scene.post(channel, "d2", json!({ "content": "again" })).await.expect_err("it is refused");
    assert_eq!(code(&error), Some(50007));
    let stranger = open(Id::new(ids::EVE)).await;
    let error = scene.post(stranger, "d3", json!({ "content": "hello" })).await.expect_err("it is refused");
    assert_eq!(code(&error), Some(50278));
}

#[tokio::test]
async fn what_discord_refuses_is_refused() {
    let scene = Scene::new().await;
    for (body, expected) in [
        (json!({ "content": "x".repeat(2001) }), 50035),
        (json!({ "content": "" }), 50006),
        (json!({ "embeds": [{ "title": "x".repeat(257) }] }), 50035),
    ] {
        let error = scene.post(GAMES, "n", body).await.expect_err("it is refused");
        assert_eq!(code(&error), Some(expected));
    }
    scene.discord.change(Change::AllowPosting { channel: ids::GAMES, allowed: false }).await.expect("set");
    let error = scene.post(GAMES, "n", json!({ "content": "x" })).await.expect_err("it is refused");
    assert_eq!(code(&error), Some(50013));
    let error = scene.post(Id::new(4242), "n", json!({ "content": "x" })).await.expect_err("it is refused");
    assert_eq!(code(&error), Some(10003));
    assert!(scene.discord.channel(ids::GAMES).await.is_empty());
}

#[tokio::test]
async fn a_reader_waits_for_a_message_without_asking_again_and_again() {
    let scene = Scene::new().await;
    let reader = scene.discord.wait_channel(ids::GAMES, |all| !all.is_empty(), SOON);
    let (seen, posted) = tokio::join!(reader, scene.post(GAMES, "n", json!({ "content": "x" })));
    assert_eq!(seen.expect("it was seen")[0].id, posted.expect("it posts"));
}

#[tokio::test]
async fn a_list_starts_after_an_id_and_is_empty_without_the_right_to_read() {
    let scene = Scene::new().await;
    let mut posted = Vec::new();
    for nonce in ["a", "b", "c"] {
        posted.push(scene.post(GAMES, nonce, json!({ "content": nonce })).await.expect("it posts"));
    }
    let list = async || {
        let answer = scene.http.channel_messages(GAMES).after(Id::new(posted[0])).limit(100).await;
        let messages = answer.expect("a list").model().await.expect("messages");
        messages.into_iter().map(|message| message.content).collect::<Vec<_>>()
    };
    assert_eq!(list().await, ["c", "b"]);
    scene.discord.change(Change::AllowReading { channel: ids::GAMES, allowed: false }).await.expect("set");
    assert!(list().await.is_empty());
}

#[tokio::test]
async fn twilight_understands_guilds_channels_roles_and_members() {
    let scene = Scene::new().await;
    let guild = Id::new(ids::TAVERN);
    let http = &scene.http;
    assert_eq!(http.guild(guild).await.expect("a guild").model().await.expect("a guild").name, "Tavern");
    assert_eq!(http.guild_channels(guild).await.expect("channels").models().await.expect("channels").len(), 3);
    assert_eq!(http.roles(guild).await.expect("roles").models().await.expect("roles").len(), 2);
    let members = http.guild_members(guild).limit(1000).await.expect("members").models().await;
    assert_eq!(members.expect("members").len(), 6);
    assert_eq!(http.guild_member(guild, ADA).await.expect("ada").model().await.expect("ada").user.name, "ada");
    let me = http.current_user().await.expect("me").model().await.expect("me");
    assert_eq!(me.id.get(), ids::BOT);
    let application = http.current_user_application().await.expect("it").model().await.expect("it");
    assert_eq!(application.id.get(), ids::BOT);
    assert_eq!(http.gateway().authed().await.expect("it").model().await.expect("it").shards, 1);
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());
}
