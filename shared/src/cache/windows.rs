//! Rate windows that all replicas share: GCRA, by Redis' own clock.

use std::time::Duration;

use super::door::AT_ONCE;
use super::{Away, Cache, scripts};

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
        let cell = per.as_micros() / u128::from(limit.max(1));
        let arguments = vec![cell.to_string(), (cell * u128::from(burst.max(1))).to_string()];
        let key = self.door.key(&format!("rate:{key}"));
        let answer = self.door.script(&scripts::PERMIT, key, arguments, AT_ONCE).await?;
        let wait = answer.first().and_then(|wait| wait.parse().ok()).ok_or(Away("unreadable"))?;
        Ok(if wait == 0 { Permit::Granted } else { Permit::Wait(Duration::from_micros(wait)) })
    }
}
