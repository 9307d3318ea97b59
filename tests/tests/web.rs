//! What only the web can do: repeat a request, edit, list, name starters, sign out.

use reqwest::Method;
use tests::discord::ids;
use tests::world::{World, in_minutes};

#[tokio::test(flavor = "multi_thread")]
async fn rx_01_a_repeated_creation_makes_one_game_and_another_body_is_refused() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let template = host.default_template().await.expect("there is one");
    let start = in_minutes(60);
    let create = |title: &str| {
        let form = [("template_id", template.as_str()), ("title", title), ("scheduled_at", start.as_str())];
        host.request(Method::POST, "/api/v1/games").header("idempotency-key", "once").form(&form)
    };
    let (first, second) = (host.sends(create("Dune")).await, host.sends(create("Dune")).await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    assert_eq!(
        host.sends(create("Arrakis")).await.problem().expect("a problem"),
        (422, "idempotency_key_reused".into())
    );
    assert_eq!(world.ask("select count(*)::text from games").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn rx_01_a_creation_that_died_before_its_answer_makes_the_same_game_again() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let template = host.default_template().await.expect("there is one");
    let start = in_minutes(60);
    let create = || {
        let form = [("template_id", template.as_str()), ("title", "Dune"), ("scheduled_at", start.as_str())];
        host.sends(host.request(Method::POST, "/api/v1/games").header("idempotency-key", "once").form(&form))
    };
    let first = create().await;
    assert_eq!(first.status, 201, "{first:?}");
    // What a process leaves that ends between the commit and the answer.
    let died = "update idempotency_keys set state = 'running', status = null, response = null,
                locked_until = now() - interval '1 second' returning 'died'";
    assert_eq!(world.ask(died).await, "died");

    let second = create().await;
    assert_eq!((second.status, second.text("id")), (201, first.text("id")), "{second:?}");
    assert_eq!(world.ask("select count(*)::text from games").await, "1");
    assert_eq!(world.ask("select count(*)::text from audit_log where verb = 'create'").await, "1");
    assert_eq!(world.ask("select state from idempotency_keys").await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn au_02_two_tabs_may_sign_in_at_once_and_a_state_works_once() {
    let world = World::new().await;
    let mut ada = world.person("ada");
    let first = ada.begins_sign_in().await.expect("one tab begins");
    let second = ada.begins_sign_in().await.expect("another tab begins");
    ada.ends_sign_in(&first).await.expect("the first tab ends");
    ada.ends_sign_in(&second).await.expect("the second tab ends");
    assert_eq!(ada.gets("/api/v1/auth/user").await.status, 200);
    let again = ada.gets(&format!("/api/v1/auth/callback?{second}")).await;
    assert_eq!(again.problem().expect("a problem"), (400, "sign_in_failed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn li_25_an_edit_changes_what_is_sent_and_leaves_the_rest() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let starters = format!("[\"<@{}>\", \"Guest\"]", ids::ADA);
    let fields = [
        ("title", "Dune"),
        ("scheduled_at", &in_minutes(60)),
        ("where", "Table 4"),
        ("initial_participants", &starters),
    ];
    let created = host.creates(&fields).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body["confirmed_participants"][0]["discord_id"], ids::ADA.to_string());
    assert_eq!(created.body["confirmed_participants"][1]["display_name"], "Guest");
    let path = format!("/api/v1/games/{}", created.text("id"));
    let edited = host.sends(host.request(Method::PUT, &path).form(&[("title", "Arrakis"), ("where", "")])).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    assert_eq!((edited.text("title"), edited.body["where"].is_null()), ("Arrakis", true));
    assert_eq!(edited.body["scheduled_at"], created.body["scheduled_at"]);
    world.settle().await;
    let shown = host.gets(&path).await;
    let list = host.gets("/api/v1/games?status=SCHEDULED&role=host&limit=1").await;
    assert_eq!((list.status, &list.body["total"]), (200, &1.into()), "{list:?}");
    assert_eq!(list.body["games"][0], shown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn li_24_a_name_that_nobody_has_comes_back_with_the_form() {
    let world = World::new().await;
    let host = world.signed_in("dm").await;
    let fields =
        [("title", "Dune"), ("scheduled_at", &in_minutes(60)), ("initial_participants", "[\"@nobody-at-all\"]")];
    let answer = host.creates(&fields).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let detail = &answer.body["detail"];
    assert_eq!(detail["error"], "invalid_mentions");
    assert_eq!(detail["invalid_mentions"][0]["input"], "@nobody-at-all");
    assert_eq!(detail["form_data"]["title"], "Dune");
    assert_eq!(world.ask("select count(*)::text from games").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn au_11_signing_out_ends_the_session_at_once() {
    let world = World::new().await;
    let ada = world.signed_in("ada").await;
    assert_eq!(ada.posts("/api/v1/auth/refresh").await.status, 200);
    assert_eq!(ada.gets("/api/v1/auth/user").await.text("id"), ids::ADA.to_string());
    assert_eq!(ada.posts("/api/v1/auth/logout").await.status, 200);
    assert_eq!(ada.gets("/api/v1/auth/user").await.status, 401);
    assert_eq!(ada.posts("/api/v1/auth/logout").await.status, 200);
    assert_eq!(world.ask("select count(*)::text from sessions").await, "0");
}
