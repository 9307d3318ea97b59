//! What a fault is called where it ends.

use crate::discord::Failure;
use crate::store::Away;

/// What an edge says of a fault: the class of its innermost cause, a bounded word for `error.type`.
#[must_use]
pub fn class(fault: &anyhow::Error) -> &'static str {
    if fault.chain().any(|cause| cause.is::<crate::cache::Away>()) {
        return "redis_unavailable";
    }
    if fault.chain().any(|cause| cause.is::<Away>()) {
        return "database_unavailable";
    }
    if fault.chain().any(|cause| cause.is::<Failure>()) {
        return "discord";
    }
    "fault"
}
