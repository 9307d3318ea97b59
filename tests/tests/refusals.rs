//! Bad input: a status, a code, a field and a sentence; nothing written.

use reqwest::Method;
use serde_json::{Value, json};
use tests::discord::ids;
use tests::world::{World, in_minutes};

const WRITTEN: &str = "select (select count(*) from games) || ' ' || (select count(*) from participants) || ' '
                       || (select count(*) from outbox) || ' ' || (select count(*) from audit_log)
                       || ' ' || (select count(*) from users)";

#[tokio::test(flavor = "multi_thread")]
async fn ge_07_every_wrong_field_of_a_form_is_named_at_once_and_nothing_is_written() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let before = world.ask(WRITTEN).await;

    let long = "x".repeat(201);
    let answer = host
        .creates(&[
            ("title", &long),
            ("scheduled_at", &in_minutes(-5)),
            ("max_players", "101"),
            ("where", &"y".repeat(501)),
        ])
        .await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let details = answer.body["details"].as_array().expect("one entry a field");
    let fields: Vec<_> = details.iter().map(|entry| entry["field"].as_str().unwrap_or_default()).collect();
    for field in ["body.title", "body.scheduled_at", "body.max_players", "body.where"] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert!(answer.body["detail"].is_string() && answer.body["trace_id"].is_string(), "{answer:?}");
    assert_eq!(world.ask(WRITTEN).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn ge_06_bad_requests_are_problems_with_a_code_and_a_sentence() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let before = world.ask(WRITTEN).await;
    let template = host.default_template().await.expect("there is one");
    let form = |fields: &[(&str, &str)]| {
        let all: Vec<_> = [("template_id", template.as_str())].into_iter().chain(fields.iter().copied()).collect();
        host.request(Method::POST, "/api/v1/games").form(&all)
    };
    let (unknown, starter) = (uuid::Uuid::now_v7(), format!("[\"<@{}>\"]", ids::BOB));
    let json = host.request(Method::POST, "/api/v1/games").header("content-type", "application/json");
    let cases = [
        ("a past start", form(&[("title", "T"), ("scheduled_at", &in_minutes(-1))]), 422, "start_out_of_range"),
        (
            "a past start with a starter whom nobody met yet",
            form(&[("title", "T"), ("scheduled_at", &in_minutes(-1)), ("initial_participants", &starter)]),
            422,
            "start_out_of_range",
        ),
        ("JSON where a form belongs", json.body("{\"title\":"), 422, ""),
        ("a wrong type", form(&[("title", "T"), ("scheduled_at", &in_minutes(5)), ("max_players", "many")]), 422, ""),
        ("a time without an offset", form(&[("title", "T"), ("scheduled_at", "yesterday")]), 422, ""),
        ("an unknown game", host.request(Method::GET, &format!("/api/v1/games/{unknown}")), 404, "not_found"),
        ("an id that is none", host.request(Method::GET, "/api/v1/games/12"), 404, "not_found"),
        (
            "joining an unknown game",
            host.request(Method::POST, &format!("/api/v1/games/{unknown}/join")),
            404,
            "not_found",
        ),
        ("an unknown path", host.request(Method::GET, "/api/v1/nothing"), 404, "not_found"),
        ("a wrong method", host.request(Method::DELETE, "/api/v1/guilds"), 405, ""),
        ("a bad query", host.request(Method::GET, "/api/v1/games?limit=many"), 422, ""),
    ];
    for (what, request, status, code) in cases {
        let answer = host.sends(request).await;
        let (got, found) = answer.problem().unwrap_or_else(|fault| panic!("{what}: {fault:#}"));
        assert_eq!(got, status, "{what}: {answer:?}");
        assert!(code.is_empty() || found == code, "{what}: {answer:?}");
    }
    assert_eq!(world.ask(WRITTEN).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn pe_01_a_stranger_and_somebody_signed_out_learn_nothing() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let answer = host.creates(&[("title", "Secret"), ("scheduled_at", &in_minutes(60))]).await;
    let game = answer.text("id").to_owned();
    let (eve, ada) = (world.signed_in("eve").await, world.signed_in("ada").await);
    let before = world.ask(WRITTEN).await;

    let nobody = world.person("ada");
    assert_eq!(
        nobody.gets(&format!("/api/v1/games/{game}")).await.problem().expect("a problem"),
        (401, "signed_out".into())
    );
    let without_trace = |mut body: Value| {
        body["trace_id"] = json!(null);
        body["instance"] = json!(null);
        body
    };
    let real = eve.gets(&format!("/api/v1/games/{game}")).await;
    let made_up = eve.gets(&format!("/api/v1/games/{}", uuid::Uuid::now_v7())).await;
    assert_eq!((real.status, made_up.status), (404, 404));
    assert_eq!(without_trace(real.body), without_trace(made_up.body), "both look the same (GE-17)");
    assert_eq!(eve.joins(&game).await.status, 404);
    assert_eq!(eve.cancels(&game).await.status, 404);
    assert_eq!(ada.cancels(&game).await.problem().expect("a problem"), (403, "forbidden".into()));
    assert_eq!(world.ask(WRITTEN).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn di_12_a_refused_press_is_answered_privately_and_the_post_stays() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let fields = [("title", "Mine"), ("scheduled_at", &in_minutes(60)), ("signup_method", "HOST_SELECTED")];
    assert_eq!(host.creates(&fields).await.status, 201);
    world.settle().await;
    let post = world.discord.channel(ids::GAMES).await.pop().expect("there is an announcement");
    let button = post.button("Join").expect("the button is there, disabled (DI-29)");

    let pressed = world.discord.press_stale(ids::ADA, post.id, &button).await.expect("the bot answers");
    assert!(pressed.answer.as_text().contains("The host picks the players"), "{}", pressed.answer.as_text());
    let after = world.discord.channel(ids::GAMES).await.pop().expect("it is still there");
    assert_eq!((after.as_text(), after.edits), (post.as_text(), post.edits));
    assert!(world.person("ada").inbox().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn gu_03_games_of_a_server_that_the_bot_has_left_are_there_for_nobody() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let game = host.plans(&[]).await;
    let path = format!("/api/v1/games/{game}");
    assert_eq!(host.gets(&path).await.status, 200);
    // The projection is still there, as it is for an instant while the bot leaves.
    world.does("update guilds set present = false".to_owned()).await;
    for (method, path) in [(Method::GET, path.clone()), (Method::PUT, path.clone()), (Method::POST, path + "/join")] {
        let answer = host.sends(host.request(method.clone(), &path)).await;
        let found = answer.problem().unwrap_or_else(|fault| panic!("{method} {path}: {fault:#}"));
        assert_eq!(found, (404, "not_found".into()), "{method} {path}: {answer:?}");
    }
}
