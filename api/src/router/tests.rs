//! The router without any backing service: what it refuses by itself, and what it says while they are away.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use shared::amqp::relay::Hint;
use shared::app::App;
use shared::cache::Cache;
use shared::clock::Clock;
use shared::daemon::Notifier;
use shared::discord::oauth::OAuth;
use shared::store::Db;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::*;
use crate::config::tests::web;

/// Nothing listens on the discard port of this machine.
const NOBODY: &str = "127.0.0.1:9";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

async fn ask(request: http::request::Builder, body: &str) -> Answer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let db = Db::open(&format!("postgres://{NOBODY}/nothing"), "api", 1).unwrap();
    let cache = Cache::open(&format!("redis://{NOBODY}"), "").unwrap();
    let oauth = OAuth::new(&format!("http://{NOBODY}"), "42", "hush".to_owned().into()).unwrap();
    let app = App { db, clock: Clock::system(), hint: Hint::default(), notifier: Notifier::default() };
    let router = router(Api::new(app, cache, oauth, web(), CancellationToken::new()).unwrap());
    let response = router.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

async fn get(path: &str) -> Answer {
    ask(Request::get(path), "").await
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_with_code_and_sentence() {
    let answer = get("/api/v1/nothing").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let body = answer.json();
    assert_eq!((&body["code"], &body["status"]), (&"not_found".into(), &404.into()));
    assert!(body["detail"].is_string());
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_says_what_is_allowed() {
    for path in ["/api/v1/games", "/health"] {
        let answer = ask(Request::patch(path), "").await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.json()["code"], "method_not_allowed");
        assert!(answer.headers[header::ALLOW].to_str().unwrap().contains("GET"), "{path}");
    }
}

#[tokio::test]
async fn whoever_has_no_session_is_signed_out_everywhere_and_loses_the_cookie() {
    let id = "/0199c0de-0000-7000-8000-000000000000";
    let (game, roles) = (format!("/games{id}"), format!("/guilds{id}/roles"));
    for path in ["/auth/user", "/guilds", "/games", &game, &roles, "/sse/game-updates"] {
        let answer = get(&format!("/api/v1{path}")).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("signed_out")),
            "{path}"
        );
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with("session_token=;") && cookie.contains("Max-Age=0"), "{cookie}");
    }
}

#[tokio::test]
async fn a_form_that_another_site_sends_is_refused() {
    let request = Request::post("/api/v1/games").header(header::COOKIE, "session_token=t");
    let answer = ask(request.header(header::ORIGIN, "https://evil.example"), "title=x").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("cross_site")));
    assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn only_the_client_may_read_answers_across_origins() {
    let preflight = |origin| {
        let request = Request::options("/api/v1/games").header(header::ORIGIN, origin);
        ask(request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST"), "")
    };
    let ours = preflight("https://play.example").await;
    assert_eq!(ours.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://play.example");
    assert_eq!(ours.headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    let foreign = preflight("https://evil.example").await;
    assert!(!foreign.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn the_client_may_read_what_is_refused_before_any_route_is_reached() {
    let request = Request::post("/api/v1/games").header(header::COOKIE, "session_token=t");
    let request = request.header(header::ORIGIN, "https://play.example").header("sec-fetch-site", "cross-site");
    let answer = ask(request, "title=x").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("cross_site")));
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://play.example");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "etag,retry-after,idempotency-replayed");
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test]
async fn a_foreign_address_to_return_to_is_refused_before_anything_is_stored() {
    let answer = get("/api/v1/auth/login?redirect_uri=https://evil.example/").await;
    assert_eq!(answer.status, 422);
    let body = answer.json();
    assert_eq!(body["code"], "redirect_not_allowed");
    assert_eq!(body["details"][0]["field"], "query.redirect_uri");
}

#[tokio::test]
async fn every_way_in_which_a_sign_in_fails_has_one_answer() {
    for query in ["", "?code=c", "?error=access_denied"] {
        let answer = get(&format!("/api/v1/auth/callback{query}")).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("sign_in_failed")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn while_the_database_is_away_a_session_lives_and_the_answer_says_when_to_try_again() {
    let answer = ask(Request::get("/api/v1/auth/user").header(header::COOKIE, "session_token=t"), "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("try_later")));
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn signing_out_without_a_session_succeeds() {
    let answer = ask(Request::post("/api/v1/auth/logout"), "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_browsers_careful() {
    for path in ["/health", "/docs", "/api/v1/version", "/nothing"] {
        let headers = get(path).await.headers;
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'"), "{path}");
        assert!(!headers.contains_key(header::SERVER), "{path}");
    }
}

#[tokio::test]
async fn health_and_version_have_the_shapes_of_the_contract() {
    let health = get("/health").await.json();
    assert_eq!((&health["status"], &health["service"]), (&"healthy".into(), &"api".into()));
    assert!(health["version"]["git"].is_string() && health["version"]["api"].is_string());
    let version = get("/api/v1/version").await.json();
    assert_eq!(version["api_prefix"], "/api/v1");
    assert!(version["git_version"].is_string() && version["api_version"].is_string() && version["service"].is_string());
}

#[tokio::test]
async fn rx_12_the_contract_names_every_route() {
    let contract = get("/openapi.json").await.json();
    let mut routes: Vec<String> = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        routes.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    routes.sort();
    let expected = [
        "delete /api/v1/games/{id}",
        "get /api/v1/auth/callback",
        "get /api/v1/auth/login",
        "get /api/v1/auth/user",
        "get /api/v1/games",
        "get /api/v1/games/{id}",
        "get /api/v1/guilds",
        "get /api/v1/guilds/{id}",
        "get /api/v1/guilds/{id}/channels",
        "get /api/v1/guilds/{id}/config",
        "get /api/v1/guilds/{id}/roles",
        "get /api/v1/guilds/{id}/templates",
        "get /api/v1/sse/game-updates",
        "get /api/v1/templates/{id}",
        "get /api/v1/version",
        "get /health",
        "post /api/v1/auth/logout",
        "post /api/v1/auth/refresh",
        "post /api/v1/games",
        "post /api/v1/games/{id}/join",
        "post /api/v1/games/{id}/leave",
        "put /api/v1/games/{id}",
    ];
    assert_eq!(routes, expected);
}

#[tokio::test]
async fn rx_12_whatever_the_contract_refers_to_is_in_it() {
    let answer = get("/openapi.json").await;
    let contract = answer.json();
    for (_, rest) in
        answer.text.match_indices("#/components/schemas/").map(|(at, mark)| answer.text.split_at(at + mark.len()))
    {
        let name = rest.split('"').next().unwrap();
        assert!(contract["components"]["schemas"][name].is_object(), "{name}");
    }
    let asked = contract["paths"]["/api/v1/games"]["get"]["parameters"].as_array().unwrap();
    let role = asked.iter().find(|parameter| parameter["name"] == "role").unwrap();
    assert!(role.to_string().contains(r#"["host","participant"]"#), "no other Role took its name: {role}");
}
