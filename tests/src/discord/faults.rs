//! Scripted faults: which request they meet and what they do to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One scripted fault; faults are tried in the order in which they were scripted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// The method it waits for; none means every method.
    pub method: Option<String>,
    /// Part of the path or of its template; `*` stands for anything in between.
    pub path: String,
    /// How many matching requests pass unharmed first.
    pub skip: u32,
    /// How many requests it then meets.
    pub times: u32,
    /// What happens to them.
    pub effect: Effect,
}

/// What happens to a request that meets a fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// 429, nothing is done.
    RateLimited {
        /// Seconds, in the body.
        retry_after: f64,
        /// `user`, `global` or `shared`.
        scope: String,
        /// Seconds in the headers, if they differ from the body.
        header_after: Option<f64>,
    },
    /// A bare status such as 500 or 503, nothing is done.
    Status {
        /// The status.
        status: u16,
    },
    /// One of Discord's error objects, nothing is done.
    Code {
        /// The status.
        status: u16,
        /// Discord's code.
        code: u64,
    },
    /// An error object with a sentence of one's own, nothing is done.
    Says {
        /// The status.
        status: u16,
        /// Discord's code.
        code: u64,
        /// The sentence.
        message: String,
    },
    /// The work is done, then the connection closes without an answer.
    CommitThenDrop,
    /// The connection closes, nothing is done.
    Drop,
    /// The work waits.
    Delay {
        /// For so long.
        ms: u64,
    },
    /// The work is done at once, its answer waits.
    AnswerLate {
        /// For so long.
        ms: u64,
    },
    /// The work is done, the answer is a 200 whose JSON stops in the middle.
    Garbage,
}

impl Fault {
    /// A fault that meets the next matching request once.
    pub fn once(method: &str, path: &str, effect: Effect) -> Self {
        Self { method: Some(method.into()), path: path.into(), skip: 0, times: 1, effect }
    }

    /// 429 on the next matching request.
    pub fn rate_limited(method: &str, path: &str, retry_after: f64, scope: &str) -> Self {
        Self::once(method, path, Effect::RateLimited { retry_after, scope: scope.into(), header_after: None })
    }

    /// A bare 5xx on the next matching request.
    pub fn status(method: &str, path: &str, status: u16) -> Self {
        Self::once(method, path, Effect::Status { status })
    }

    /// Discord's error with this code on the next matching request.
    pub fn code(method: &str, path: &str, code: u64) -> Self {
        let (status, _) = super::refusal::usual(code);
        Self::once(method, path, Effect::Code { status, code })
    }

    /// The next matching request is done, but its answer never arrives.
    pub fn commit_then_drop(method: &str, path: &str) -> Self {
        Self::once(method, path, Effect::CommitThenDrop)
    }

    /// The next matching request waits before it is done.
    pub fn delay(method: &str, path: &str, wait: Duration) -> Self {
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::once(method, path, Effect::Delay { ms })
    }

    /// The same fault for several requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The same fault after so many matching requests.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method)) {
            return false;
        }
        let mut rest = path;
        self.path.split('*').all(|piece| match rest.split_once(piece) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// Takes the effect that this request meets, if any.
pub(super) fn take(faults: &mut Vec<Fault>, method: &str, path: &str, template: &str) -> Option<Effect> {
    let at = faults.iter().position(|fault| fault.matches(method, path) || fault.matches(method, template))?;
    let fault = &mut faults[at];
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    fault.times = fault.times.saturating_sub(1);
    let effect = fault.effect.clone();
    if fault.times == 0 {
        faults.remove(at);
    }
    Some(effect)
}

#[cfg(test)]
mod specs {
    use super::*;

    #[test]
    fn a_fault_meets_only_its_method_and_path_and_is_used_up() {
        let mut faults = vec![Fault::status("POST", "/channels/*/messages", 503).after(1)];
        let path = "/channels/7/messages";
        assert!(take(&mut faults, "PATCH", path, path).is_none());
        assert!(take(&mut faults, "POST", "/users/7", "/users/{user}").is_none());
        assert!(take(&mut faults, "POST", path, path).is_none(), "the first one passes");
        assert!(matches!(take(&mut faults, "POST", path, path), Some(Effect::Status { status: 503 })));
        assert!(take(&mut faults, "POST", path, path).is_none());
    }
}
