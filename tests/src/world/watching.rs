//! A stream of live updates, held open as a browser does.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::Person;

/// Where updates come from.
const PATH: &str = "/api/v1/sse/game-updates";
/// A test ends sooner.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A stream of live updates. Dropping it leaves.
#[derive(Debug)]
pub struct Watching {
    response: Response,
    read: String,
}

impl Person {
    /// Opens a stream of live updates and hears that whatever was known may be old.
    ///
    /// # Errors
    /// When there is no stream.
    pub async fn watches(&self) -> Result<Watching> {
        let mut watching = Watching::open(self.asks_to_watch()).await?;
        let first = watching.next(Duration::from_secs(10)).await?;
        ensure!(first.as_ref().is_some_and(|first| first["type"] == "reload"), "at first came {first:?}");
        Ok(watching)
    }

    /// The request for a stream of live updates.
    pub fn asks_to_watch(&self) -> RequestBuilder {
        self.request(Method::GET, PATH)
    }
}

impl Watching {
    /// Sends the request for a stream; nothing of the stream is read.
    ///
    /// # Errors
    /// When the answer is none.
    pub async fn open(request: RequestBuilder) -> Result<Self> {
        let response = request.timeout(FOREVER).send().await?;
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        ensure!(response.status() == StatusCode::OK, "refused with {}", response.status());
        ensure!(kind.is_some_and(|kind| kind == "text/event-stream; charset=utf-8"), "no event stream");
        Ok(Self { response, read: String::new() })
    }

    /// The next message; `None` when the stream has ended.
    ///
    /// # Errors
    /// When nothing comes in time, or what comes is no message as a browser's `onmessage` gets it.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Value>> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let data = frame.strip_prefix("data: ").with_context(|| format!("no unnamed event: {frame:?}"))?;
                let message = serde_json::from_str(data).with_context(|| format!("no JSON: {data:?}"))?;
                self.read = rest.to_owned();
                return Ok(Some(message));
            }
            let chunk =
                timeout(within, self.response.chunk()).await.with_context(|| format!("silence for {within:?}"))?;
            match chunk? {
                Some(chunk) => self.read.push_str(std::str::from_utf8(&chunk)?),
                None => {
                    ensure!(self.read.is_empty(), "the stream ended within a message: {:?}", self.read);
                    return Ok(None);
                }
            }
        }
    }

    /// The next message that is a change, as the game that it names. Nothing else may come before it.
    ///
    /// # Errors
    /// As `next`, and when something else comes.
    pub async fn change(&mut self, within: Duration) -> Result<String> {
        let message = self.next(within).await?.context("the stream ended")?;
        let keys: Vec<&String> = message.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
        ensure!(keys == ["game_id", "guild_id", "type"] && message["type"] == "game_updated", "came {message}");
        Ok(message["game_id"].as_str().unwrap_or_default().to_owned())
    }

    /// The types of all messages until the stream ends.
    ///
    /// # Errors
    /// As `next`, with one limit for them all.
    pub async fn rest(mut self, within: Duration) -> Result<Vec<String>> {
        let all = async {
            let mut types = Vec::new();
            while let Some(message) = self.next(within).await? {
                types.push(message["type"].as_str().unwrap_or_default().to_owned());
            }
            Ok(types)
        };
        timeout(within, all).await.with_context(|| format!("the stream goes on after {within:?}"))?
    }
}
