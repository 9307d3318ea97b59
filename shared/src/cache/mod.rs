//! Redis: sessions, rate windows and the projection of guilds. Losing it loses nothing that matters.

mod breaker;
mod door;
pub mod projection;
mod scripts;
#[cfg(test)]
mod tests;
mod windows;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use door::Door;
pub use windows::Permit;

/// A session may be this much older here than in the database; its end is remembered as long.
const SESSION: Duration = Duration::from_secs(30);
/// Stands in place of a session that has ended; no JSON, so no session looks like it.
const ENDED: &str = "ended";

/// Redis, which may be away at any time.
#[derive(Clone, Debug)]
pub struct Cache {
    door: Door,
}

/// What is known here of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied<T> {
    /// It was so in the last 30 s.
    Here(T),
    /// It ended in the last 30 s.
    Ended,
    /// Nothing: the database knows.
    Missing,
}

impl<T: DeserializeOwned> Copied<T> {
    fn read(text: &str) -> Self {
        match text {
            ENDED => Self::Ended,
            // What cannot be read, another release wrote; it is kept anew.
            text => serde_json::from_str(text).map_or(Self::Missing, Self::Here),
        }
    }
}

/// Redis cannot be asked, or what it knows is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cache is away ({0})")]
pub struct Away(&'static str);

impl Cache {
    /// Opens it; the connection is made in the background, again and again. Call it inside a runtime.
    ///
    /// # Errors
    /// When `url` is no Redis URL.
    pub fn open(url: &str, namespace: &str) -> anyhow::Result<Self> {
        Ok(Self { door: Door::open(url, namespace)? })
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Away> {
        self.door.ping().await
    }

    /// Tells of a command that is not sent: what telling costs, for benches.
    pub async fn tell(&self) {
        self.door.tell().await;
    }

    /// A session by the hash of its token.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn session<T: DeserializeOwned>(&self, hash: &str) -> Result<Copied<T>, Away> {
        let text = self.door.get(self.session_key(hash), door::AT_ONCE).await?;
        Ok(text.map_or(Copied::Missing, |text| Copied::read(&text)))
    }

    /// Keeps a session for 30 s, unless its end is known: whoever read it before it ended may come here after.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn keep_session<T: Serialize + ?Sized>(&self, hash: &str, session: &T) -> Result<(), Away> {
        let text = serde_json::to_string(session).map_err(|_| Away("unwritable"))?;
        let arguments = vec![ENDED.to_owned(), text, SESSION.as_millis().to_string()];
        self.door.script(&scripts::KEEP, self.session_key(hash), arguments, door::SOON).await.map(drop)
    }

    /// Forgets a session, and remembers for 30 s that it ended.
    ///
    /// # Errors
    /// When Redis cannot be asked: then a reader may find it for 30 s more.
    pub async fn forget_session(&self, hash: &str) -> Result<(), Away> {
        self.door.put(self.session_key(hash), ENDED.to_owned(), SESSION).await
    }

    fn session_key(&self, hash: &str) -> String {
        self.door.key(&format!("session:{hash}"))
    }
}
