//! The contract for programs, and a page for people that is drawn from it and loads nothing from elsewhere (RX-12).

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use utoipa::openapi::OpenApi;

use crate::seal::sha256;

const STYLE: &str = include_str!("docs/style.css");
const SCRIPT: &str = include_str!("docs/script.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let head = "<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">";
    let body = "<main><h1>Game scheduler</h1><div id=\"routes\">Loading the contract.</div></main>";
    format!(
        "<!doctype html><html lang=\"en\"><head>{head}<title>API</title><style>{STYLE}</style></head>\
         <body>{body}<script>{SCRIPT}</script></body></html>"
    )
});

/// Nothing runs on the page but its own script and style, told by their hashes.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(sha256(text.as_bytes())));
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// The contract.
pub(crate) async fn openapi(State(document): State<std::sync::Arc<OpenApi>>) -> Json<OpenApi> {
    Json((*document).clone())
}

/// The page.
pub(crate) async fn page() -> Response {
    let mut response = Html(PAGE.as_str()).into_response();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("src="));
        assert!(POLICY.contains("script-src 'sha256-") && !POLICY.contains("unsafe"));
    }
}
