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

/// A session may be this much older here than in the database.
const SESSION: Duration = Duration::from_secs(30);

/// Redis, which may be away at any time.
#[derive(Clone, Debug)]
pub struct Cache {
    door: Door,
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

    /// A session by the hash of its token, if it was kept in the last 30 s.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn session<T: DeserializeOwned>(&self, hash: &str) -> Result<Option<T>, Away> {
        let key = self.session_key(hash);
        let Some(text) = self.door.get(key.clone(), door::AT_ONCE).await? else { return Ok(None) };
        match serde_json::from_str(&text) {
            Ok(session) => Ok(Some(session)),
            Err(_) => {
                self.door.remove(key).await?;
                Ok(None)
            }
        }
    }

    /// Keeps a session for 30 s.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn keep_session<T: Serialize + ?Sized>(&self, hash: &str, session: &T) -> Result<(), Away> {
        let text = serde_json::to_string(session).map_err(|_| Away("unwritable"))?;
        self.door.put(self.session_key(hash), text, SESSION).await
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// When Redis cannot be asked: then a reader may find it for 30 s more.
    pub async fn forget_session(&self, hash: &str) -> Result<(), Away> {
        self.door.remove(self.session_key(hash)).await
    }

    fn session_key(&self, hash: &str) -> String {
        self.door.key(&format!("session:{hash}"))
    }
}
