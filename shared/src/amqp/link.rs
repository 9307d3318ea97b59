//! Whether a link to the broker stands: read by loops, which look more often while it does not, and by health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::service::Check;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub struct LinkState {
    up: Arc<AtomicBool>,
    check: Option<Check>,
}

impl LinkState {
    /// A link that also flips a check of health.
    #[must_use]
    pub fn telling(check: Check) -> Self {
        Self { up: Arc::default(), check: Some(check) }
    }

    /// Messages flow.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn up(&self) {
        self.up.store(true, Ordering::Relaxed);
        if let Some(check) = &self.check {
            check.ok();
        }
    }

    pub(crate) fn down(&self, reason: impl Into<String>) {
        self.up.store(false, Ordering::Relaxed);
        if let Some(check) = &self.check {
            check.failing(reason);
        }
    }
}
