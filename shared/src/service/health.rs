//! What probes are told: /live, /ready and /startup with a reason for every check.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio_util::task::TaskTracker;
use tracing::error;

use super::turns;
use crate::telemetry::carry;
use crate::telemetry::instruments::loops;

/// The checks of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    checks: Mutex<BTreeMap<&'static str, Standing>>,
    started: AtomicBool,
    stopping: AtomicBool,
}

#[derive(Clone, Debug)]
struct Standing {
    required: bool,
    /// Why it fails; `None` when it does not.
    failing: Option<String>,
}

/// One check, to be flipped by whoever knows.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    health: Health,
}

impl Check {
    /// All is well.
    pub fn ok(&self) {
        self.set(None);
    }

    /// It fails, for this reason. Reasons are shown to whoever can ask: no secrets.
    pub fn failing(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, failing: Option<String>) {
        if let Some(standing) = self.health.checks().get_mut(self.name) {
            standing.failing = failing;
        }
    }
}

impl Health {
    /// Adds a check, failing until it is first asked. A required one that fails makes the process not ready, another
    /// one only degraded.
    #[must_use]
    pub fn check(&self, name: &'static str, required: bool) -> Check {
        self.checks().insert(name, Standing { required, failing: Some("not asked yet".to_owned()) });
        Check { name, health: self.clone() }
    }

    /// The process has begun to work.
    pub fn started(&self) {
        self.0.started.store(true, Ordering::Relaxed);
    }

    /// The process ends: not ready any more, while what it serves goes on.
    pub(super) fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Answers probes, outside every span, until the process is gone: it is told as stopping until then.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(&self, address: SocketAddr) -> anyhow::Result<()> {
        let listener = super::bind("HEALTH_ADDR", address).await?;
        let router = self.router();
        // Nobody waits for this task: it ends with the runtime.
        carry::root(&TaskTracker::new(), async move {
            if let Err(fault) = axum::serve(listener, router).await {
                error!("probes are not answered any more: {fault}");
            }
        });
        Ok(())
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/live", get(async |State(health): State<Health>| health.live()))
            .route("/ready", get(async |State(health): State<Health>| health.ready()))
            .route("/startup", get(async |State(health): State<Health>| health.startup()))
            .with_state(self.clone())
    }

    /// Whether every loop still turns; no backing service counts, or one outage would restart the fleet.
    fn live(&self) -> (StatusCode, Json<Value>) {
        let ages = loops::ages();
        let stuck = ages.values().any(|age| *age > turns::STUCK);
        let told = ages.iter().map(|(name, age)| {
            let told = if *age > turns::STUCK {
                json!({ "ok": false, "reason": format!("no turn for {} s", age.as_secs()) })
            } else {
                json!({ "ok": true })
            };
            ((*name).to_owned(), told)
        });
        answer(if stuck { Err("stuck") } else { Ok("live") }, told.collect())
    }

    /// Whether requests should come here.
    pub fn ready(&self) -> (StatusCode, Json<Value>) {
        let checks = self.checks().clone();
        let failing =
            |required: bool| checks.values().any(|check| check.failing.is_some() && check.required == required);
        let word = if self.0.stopping.load(Ordering::Relaxed) {
            Err("stopping")
        } else if !self.0.started.load(Ordering::Relaxed) {
            // Not all that can be missing has been named yet.
            Err("starting")
        } else if failing(true) {
            Err("not_ready")
        } else if failing(false) {
            Ok("degraded")
        } else {
            Ok("ready")
        };
        answer(word, checks.iter().map(|(name, standing)| ((*name).to_owned(), standing.told())).collect())
    }

    fn startup(&self) -> (StatusCode, Json<Value>) {
        let started = self.0.started.load(Ordering::Relaxed);
        answer(if started { Ok("started") } else { Err("starting") }, Map::new())
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Standing>> {
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn told(&self) -> Value {
        match &self.failing {
            None => json!({ "ok": true, "required": self.required }),
            Some(reason) => json!({ "ok": false, "required": self.required, "reason": reason }),
        }
    }
}

fn answer(word: Result<&str, &str>, checks: Map<String, Value>) -> (StatusCode, Json<Value>) {
    let (status, word) = match word {
        Ok(word) => (StatusCode::OK, word),
        Err(word) => (StatusCode::SERVICE_UNAVAILABLE, word),
    };
    (status, Json(json!({ "status": word, "checks": checks })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(health: &Health) -> (u16, Value) {
        let (status, Json(body)) = health.ready();
        (status.as_u16(), body)
    }

    fn begun() -> Health {
        let health = Health::default();
        health.started();
        health
    }

    #[test]
    fn who_has_not_begun_is_not_ready_since_not_all_that_can_be_missing_is_named_yet() {
        let health = Health::default();
        health.check("postgres", true).ok();
        assert_eq!((said(&health).0, &said(&health).1["status"]), (503, &json!("starting")));
        health.started();
        assert_eq!(said(&health).0, 200);
    }

    #[test]
    fn a_required_service_that_is_away_makes_not_ready() {
        let health = begun();
        let postgres = health.check("postgres", true);
        postgres.failing("the database is away (io)");
        let expected = json!({
            "status": "not_ready",
            "checks": { "postgres": { "ok": false, "required": true, "reason": "the database is away (io)" } },
        });
        assert_eq!(said(&health), (503, expected));
        postgres.ok();
        let expected = json!({ "status": "ready", "checks": { "postgres": { "ok": true, "required": true } } });
        assert_eq!(said(&health), (200, expected));
    }

    #[test]
    fn another_one_only_degrades() {
        let health = begun();
        let _redis = health.check("redis", false);
        let (status, body) = said(&health);
        assert_eq!((status, &body["status"]), (200, &json!("degraded")));
        assert_eq!(body["checks"]["redis"]["reason"], "not asked yet");
    }

    #[test]
    fn who_ends_is_not_ready() {
        let health = Health::default();
        health.stopping();
        assert_eq!(said(&health), (503, json!({ "status": "stopping", "checks": {} })));
    }
}
