//! Rate windows that all replicas share: GCRA, by Redis' own clock.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::door::AT_ONCE;
use super::{Away, Cache, Copied, scripts};

/// Whether something may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Now, and it is counted.
    Granted,
    /// After this time; nothing was counted.
    Wait(Duration),
}

impl Cache {
    /// Asks for one of `limit` in `per`, of which `burst` may come at once.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn permit(&self, key: &str, limit: u32, per: Duration, burst: u32) -> Result<Permit, Away> {
        let answer = self.door.script(&scripts::PERMIT, self.window(key), cells(limit, per, burst), AT_ONCE).await?;
        permit(answer.first())
    }

    /// What is known of a session by the hash of its token; where anything is, also whether one more of `limit` in `per`
    /// may pass, all of which may come at once. One way there and back, since it is on the way of every request.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn enter<T: DeserializeOwned>(
        &self,
        hash: &str,
        key: &str,
        limit: u32,
        per: Duration,
    ) -> Result<(Copied<T>, Option<Permit>), Away> {
        let keys = vec![self.session_key(hash), self.window(key)];
        let answer = self.door.script(&scripts::ENTER, keys, cells(limit, per, limit), AT_ONCE).await?;
        let Some(session) = answer.first() else { return Ok((Copied::Missing, None)) };
        Ok((Copied::read(session), Some(permit(answer.get(1))?)))
    }

    fn window(&self, key: &str) -> String {
        self.door.key(&format!("rate:{key}"))
    }
}

/// How long one takes, and all that may come at once.
fn cells(limit: u32, per: Duration, burst: u32) -> Vec<String> {
    let cell = per.as_micros() / u128::from(limit.max(1));
    vec![cell.to_string(), (cell * u128::from(burst.max(1))).to_string()]
}

fn permit(wait: Option<&String>) -> Result<Permit, Away> {
    let wait = wait.and_then(|wait| wait.parse().ok()).ok_or(Away("unreadable"))?;
    Ok(if wait == 0 { Permit::Granted } else { Permit::Wait(Duration::from_micros(wait)) })
}
