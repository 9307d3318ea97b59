//! Against a Discord of a few lines.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::*;
use crate::domain::ids::Discord as Snowflake;

/// Answers in order, and what was asked.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<(Vec<Answer>, Vec<String>)>>);

type Answer = (u16, &'static [(&'static str, &'static str)], &'static str);

impl Board {
    async fn listen(answers: &[Answer]) -> (Self, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let board = Self::default();
        board.0.lock().unwrap().0 = answers.to_vec();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(board.clone());
        let tasks = tokio_util::task::TaskTracker::new();
        crate::telemetry::carry::root(&tasks, async move { axum::serve(listener, app).await });
        (board, url)
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

async fn answer(State(board): State<Board>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let next = {
        let mut state = board.0.lock().unwrap();
        let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8(body.to_vec()).unwrap();
        state.1.push(format!("{method} {uri} {authorization} {body}"));
        assert!(!headers.contains_key("traceparent"));
        if state.0.is_empty() { None } else { Some(state.0.remove(0)) }
    };
    let Some((status, fields, body)) = next else { std::future::pending().await };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in fields {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

fn discord(url: &str) -> Discord {
    Discord::new(url, &"token".into(), 50).unwrap()
}

const LIMITED: Answer = (
    429,
    &[
        ("x-ratelimit-scope", "user"),
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "1"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-after", "0.2"),
    ],
    r#"{"message":"slow","retry_after":0.2,"global":false}"#,
);
const LIMITED_GLOBALLY: Answer = (
    429,
    &[("x-ratelimit-scope", "global"), ("x-ratelimit-global", "true"), ("retry-after", "1")],
    r#"{"message":"slow","retry_after":1,"global":true}"#,
);
const LIMITED_BY_BODY: Answer = (
    429,
    &[("x-ratelimit-scope", "user"), ("retry-after", "1")],
    r#"{"message":"slow","retry_after":1163,"global":false}"#,
);
const DONE: Answer = (200, &[], r#"{"id":"77"}"#);
const EMPTIED: Answer = (
    200,
    &[
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "1"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-after", "0.3"),
    ],
    r#"{"id":"77"}"#,
);
const LIMITED_LONG: Answer = (
    429,
    &[
        ("x-ratelimit-scope", "user"),
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "1"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-after", "30"),
    ],
    r#"{"message":"slow","retry_after":30,"global":false}"#,
);

#[tokio::test]
async fn a_message_goes_out_as_written_and_waits_for_its_permit() {
    let (board, url) = Board::listen(&[LIMITED, (200, &[], r#"{"id":"77"}"#)]).await;
    let body = json!({ "content": "hi", "nonce": "n1", "enforce_nonce": true });
    let message = discord(&url).create_message(Snowflake::new(5), body, PATIENT).await.unwrap();
    assert_eq!(message.get(), 77);
    let asked =
        "POST /api/v10/channels/5/messages Bot token {\"content\":\"hi\",\"enforce_nonce\":true,\"nonce\":\"n1\"}";
    assert_eq!(board.asked(), [asked, asked]);
}

#[tokio::test]
async fn a_limit_of_everything_is_waited_for_although_no_bucket_has_it() {
    let (board, url) = Board::listen(&[LIMITED_GLOBALLY, (200, &[], r#"{"id":"77"}"#)]).await;
    let since = std::time::Instant::now();
    discord(&url).create_message(Snowflake::new(5), json!({}), PATIENT).await.unwrap();
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(board.asked().len(), 2);
}

#[tokio::test]
async fn a_limit_of_everything_holds_every_call_and_no_answer_to_an_interaction() {
    let (board, url) = Board::listen(&[LIMITED_GLOBALLY, (204, &[], ""), DONE, DONE]).await;
    let (discord, since) = (discord(&url), std::time::Instant::now());
    let first = discord.create_message(Snowflake::new(5), json!({}), PATIENT);
    let others = async {
        let closed = async {
            while discord.closed_until().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENT, closed).await.expect("a 429 of everything closes everything");
        discord.acknowledge(Id::new(8), "secret", Ack::DeferredUpdate).await.unwrap();
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        let soon = Duration::from_millis(100);
        let told = discord.create_message(Snowflake::new(6), json!({}), soon).await.unwrap_err();
        assert!(told.class == Class::Wait && told.retry_after > Some(soon), "{told:?}");
        discord.create_message(Snowflake::new(6), json!({}), PATIENT).await
    };
    let (first, second) = tokio::join!(first, others);
    assert_eq!((first.unwrap().get(), second.unwrap().get()), (77, 77));
    assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(board.asked().len(), 4);
}

#[tokio::test]
async fn l_44_no_more_requests_go_out_in_a_second_than_were_allowed() {
    let (board, url) = Board::listen(&[DONE; 6]).await;
    let (discord, since) = (Discord::new(&url, &"token".into(), 2).unwrap(), std::time::Instant::now());
    for channel in 1..=5 {
        discord.create_message(Snowflake::new(channel), json!({}), PATIENT).await.unwrap();
    }
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(board.asked().len(), 5);
}

#[tokio::test]
async fn a_bucket_that_an_answer_calls_empty_is_not_asked_before_it_is_full() {
    let (board, url) = Board::listen(&[EMPTIED, DONE]).await;
    let (discord, since) = (discord(&url), std::time::Instant::now());
    for _ in 0..2 {
        discord.create_message(Snowflake::new(5), json!({}), PATIENT).await.unwrap();
    }
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
    assert_eq!(board.asked().len(), 2);
}

#[tokio::test]
async fn a_call_that_would_wait_past_its_deadline_says_at_once_when_to_come_back() {
    let (board, url) = Board::listen(&[LIMITED_BY_BODY]).await;
    let since = std::time::Instant::now();
    let told = discord(&url).create_message(Snowflake::new(5), json!({}), PATIENT).await.unwrap_err();
    assert_eq!((told.class, told.retry_after), (Class::Wait, Some(Duration::from_secs(1_163))));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(board.asked().len(), 1);
}

#[tokio::test]
async fn past_its_deadline_a_limited_call_waits_and_a_silent_one_is_unknown() {
    let soon = Duration::from_millis(300);
    let (board, url) = Board::listen(&[LIMITED_LONG]).await;
    let limited = discord(&url).create_message(Snowflake::new(5), json!({}), soon).await.unwrap_err();
    assert_eq!((limited.class, board.asked().len()), (Class::Wait, 1));

    let (_board, url) = Board::listen(&[]).await;
    let silent = discord(&url).create_message(Snowflake::new(5), json!({}), soon).await.unwrap_err();
    assert_eq!(silent.class, Class::Unknown);

    let nobody = discord("http://127.0.0.1:1").create_message(Snowflake::new(5), json!({}), soon).await.unwrap_err();
    assert_eq!(nobody.class, Class::Retry);
}

#[tokio::test]
async fn answers_are_sorted_and_an_interaction_does_not_show_our_token() {
    let (board, url) = Board::listen(&[
        (404, &[], r#"{"message":"Unknown Message","code":10008}"#),
        (400, &[], r#"{"message":"Already acknowledged","code":40060}"#),
        (502, &[], "<html>"),
        (401, &[], r#"{"message":"401: Unauthorized","code":0}"#),
    ])
    .await;
    let discord = discord(&url);
    let gone = discord.edit_message(Snowflake::new(5), Snowflake::new(6), json!({}), PATIENT).await.unwrap_err();
    assert_eq!((gone.class, gone.status, gone.code), (Class::Permanent, Some(404), Some(10_008)));
    let twice = discord.acknowledge(Id::new(8), "secret", Ack::DeferredUpdate).await.unwrap_err();
    assert_eq!(twice.class, Class::Done);
    assert_eq!(board.asked()[1], "POST /api/v10/interactions/8/secret/callback  {\"type\":6}");
    let page = discord.open_dm(Snowflake::new(1), PATIENT).await.unwrap_err();
    assert_eq!((page.class, page.status), (Class::Unknown, Some(502)), "an error page keeps its status");
    assert_eq!(discord.gateway().await.unwrap_err().class, Class::Credential);
    assert_eq!(discord.gateway().await.unwrap_err().class, Class::Credential);
    assert_eq!(board.asked().len(), 4, "a token that was refused is not shown again");
}

#[tokio::test]
async fn a_sign_in_follows_no_redirect_and_knows_a_refused_code() {
    let (board, url) = Board::listen(&[
        (200, &[], r#"{"access_token":"a","refresh_token":"r","expires_in":604800,"scope":"identify guilds"}"#),
        (400, &[], r#"{"error":"invalid_grant"}"#),
        (302, &[("location", "/elsewhere")], ""),
    ])
    .await;
    let oauth = oauth::OAuth::new(&url, "client", "shh".into()).unwrap();
    let tokens = oauth.exchange("c o", "v", "http://here/cb").await.unwrap();
    assert_eq!(tokens.expires_in, 604_800);
    assert_eq!(
        board.asked()[0],
        "POST /api/v10/oauth2/token  grant_type=authorization_code&code=c+o&code_verifier=v\
         &redirect_uri=http%3A%2F%2Fhere%2Fcb&client_id=client&client_secret=shh"
    );
    assert_eq!(oauth.exchange("again", "v", "u").await.unwrap_err().class, Class::Permanent);
    assert_eq!(oauth.me(&tokens.access).await.unwrap_err().class, Class::Unknown);
    assert_eq!(board.asked().len(), 3);
}
