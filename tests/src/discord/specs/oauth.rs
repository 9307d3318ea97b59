//! Specs of signing in.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::redirect::Policy;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::ids;
use super::Scene;

const RETURN: &str = "http://127.0.0.1:8000/callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-one-0123456789";

/// Somebody's browser, and the product behind it.
struct Visitor {
    base: String,
    http: reqwest::Client,
}

impl Visitor {
    fn of(scene: &Scene) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { base: scene.simulator.url(), http }
    }

    fn address(&self, more: &str) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        format!(
            "{}/oauth2/authorize?client_id={}&response_type=code&scope=identify+guilds&state=s%26t&redirect_uri={}\
             &code_challenge={challenge}&code_challenge_method=S256{more}",
            self.base,
            ids::BOT,
            "http%3A%2F%2F127.0.0.1%3A8000%2Fcallback",
        )
    }

    async fn sent_to(&self, more: &str) -> String {
        let answer = self.http.get(self.address(more)).send().await.expect("an answer");
        assert_eq!(answer.status(), 302);
        answer.headers()["location"].to_str().expect("text").to_owned()
    }

    async fn code(&self) -> String {
        let place = self.sent_to(&format!("&as={}", ids::ADA)).await;
        let (code, state) =
            place.strip_prefix(&format!("{RETURN}?code=")).expect("a code").split_once('&').expect("a state");
        assert_eq!(state, "state=s%26t");
        code.to_owned()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let id = ids::BOT.to_string();
        let request = self.http.post(format!("{}/api/oauth2/token", self.base));
        let answer = request.basic_auth(id, Some("demo-client-secret")).form(fields).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    async fn redeem(&self, code: &str, verifier: &str) -> (u16, Value) {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", RETURN),
            ("code_verifier", verifier),
        ];
        self.token(&fields).await
    }

    async fn look(&self, path: &str, token: &Value) -> (u16, Value) {
        let request = self.http.get(format!("{}/api/v10{path}", self.base));
        let answer = request.bearer_auth(token.as_str().expect("a token")).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }
}

#[tokio::test]
async fn a_person_signs_in_once_with_each_code() {
    let scene = Scene::new().await;
    let visitor = Visitor::of(&scene);
    let code = visitor.code().await;
    let (status, tokens) = visitor.redeem(&code, VERIFIER).await;
    assert_eq!(status, 200);
    assert_eq!(visitor.look("/users/@me", &tokens["access_token"]).await.1["username"], "ada");
    assert_eq!(visitor.look("/users/@me/guilds", &tokens["access_token"]).await.1[0]["name"], "Tavern");
    assert_eq!(visitor.redeem(&code, VERIFIER).await.1["error"], "invalid_grant");
    assert_eq!(visitor.look("/gateway/bot", &tokens["access_token"]).await.0, 401);
}

#[tokio::test]
async fn a_code_is_worthless_without_its_verifier() {
    let scene = Scene::new().await;
    let visitor = Visitor::of(&scene);
    let code = visitor.code().await;
    assert_eq!(visitor.redeem(&code, "another verifier").await, (400, serde_json::json!({ "error": "invalid_grant" })));
}

#[tokio::test]
async fn refreshing_rotates_and_revoking_ends_the_whole_authorization() {
    let scene = Scene::new().await;
    let visitor = Visitor::of(&scene);
    let (_, first) = visitor.redeem(&visitor.code().await, VERIFIER).await;
    let refresh = first["refresh_token"].as_str().expect("a token");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let (status, second) = visitor.token(&fields).await;
    assert_eq!(status, 200);
    assert_eq!(visitor.token(&fields).await.0, 400, "a refresh token works once");

    let id = ids::BOT.to_string();
    let request = visitor.http.post(format!("{}/api/oauth2/token/revoke", visitor.base));
    let form = [("token", second["refresh_token"].as_str().expect("a token"))];
    let answer = request.basic_auth(id, Some("demo-client-secret")).form(&form).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(visitor.look("/users/@me", &second["access_token"]).await.0, 401);
}

#[tokio::test]
async fn a_person_may_refuse_or_choose_who_they_are() {
    let scene = Scene::new().await;
    let visitor = Visitor::of(&scene);
    assert!(visitor.sent_to("&deny=1").await.starts_with(&format!("{RETURN}?error=access_denied")));
    let page = visitor.http.get(visitor.address("")).send().await.expect("a page").text().await.expect("text");
    assert!(page.contains(&format!("&amp;as={}\">eve</a>", ids::EVE)), "{page}");
}
