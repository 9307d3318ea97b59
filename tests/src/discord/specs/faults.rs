//! Specs of scripted faults, rate limits and violations.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{Effect, Fault, ids};
use super::{GAMES, Scene, code};

#[tokio::test]
async fn a_careless_client_is_caught() {
    let scene = Scene::new().await;
    let client = reqwest::Client::new();
    let url = format!("{}/api/v10/channels/{}/messages", scene.simulator.url(), ids::GAMES);
    let body = json!({ "content": "x", "contents": "y" });
    let request = client.post(url).header("authorization", "Bot demo-bot-token").header("traceparent", "00-1-2-01");
    assert_eq!(request.json(&body).send().await.expect("an answer").status(), 200);
    assert_eq!(
        scene.discord.violations().await,
        [
            "traceparent arrived with POST /channels/{channel}/messages",
            "create with unknown field contents",
            "create without explicit allowed_mentions",
            "create without nonce",
            "create without enforce_nonce",
        ]
    );
}

#[tokio::test]
async fn a_message_can_be_posted_although_its_answer_never_arrives() {
    let scene = Scene::new().await;
    scene.discord.fault(Fault::commit_then_drop("POST", "/channels/*/messages")).await.expect("scripted");
    assert!(scene.post(GAMES, "n1", json!({ "content": "x" })).await.is_err());
    assert_eq!(scene.discord.channel(ids::GAMES).await.len(), 1);
    scene.post(GAMES, "n1", json!({ "content": "x" })).await.expect("it posts");
    assert_eq!(scene.discord.channel(ids::GAMES).await.len(), 1, "the nonce protects");
}

#[tokio::test]
async fn twilight_waits_out_a_429_and_a_hasty_client_is_caught() {
    let scene = Scene::new().await;
    scene.discord.fault(Fault::rate_limited("POST", "/messages", 1.0, "user")).await.expect("scripted");
    let before = Instant::now();
    scene.post(GAMES, "n1", json!({ "content": "x" })).await.expect("it posts");
    assert!(before.elapsed() >= Duration::from_millis(900), "it waited");
    assert_eq!(scene.discord.violations().await, Vec::<String>::new());

    let effect = Effect::RateLimited { retry_after: 60.0, scope: "global".into(), header_after: None };
    scene.discord.fault(Fault::once("GET", "/users/@me", effect)).await.expect("scripted");
    let client = reqwest::Client::new();
    let me = format!("{}/api/v10/users/@me", scene.simulator.url());
    let ask = async || client.get(&me).header("authorization", "Bot demo-bot-token").send().await.expect("an answer");
    let limited = ask().await;
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["x-ratelimit-scope"]),
        (429, &"global".parse().expect("text"))
    );
    ask().await;
    assert_eq!(scene.discord.violations().await, ["GET /users/@me before its rate limit was over"]);
}

#[tokio::test]
async fn scripted_refusals_come_in_order_and_then_stop() {
    let scene = Scene::new().await;
    scene.discord.fault(Fault::status("POST", "/messages", 503)).await.expect("scripted");
    scene.discord.fault(Fault::code("POST", "/messages", 50007)).await.expect("scripted");
    let first = scene.post(GAMES, "n", json!({ "content": "x" })).await.expect_err("it is refused");
    assert_eq!(code(&first), None);
    let second = scene.post(GAMES, "n", json!({ "content": "x" })).await.expect_err("it is refused");
    assert_eq!(code(&second), Some(50007));
    scene.post(GAMES, "n", json!({ "content": "x" })).await.expect("it posts");
    let statuses: Vec<_> = scene.discord.requests().await.iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), Some(403), Some(200)]);
}
