//! What edges say of a fault: a bounded word for `error.type`.

/// The class of a fault's cause.
#[must_use]
pub fn class(fault: &anyhow::Error) -> &'static str {
    if fault.chain().any(|cause| cause.is::<crate::store::Away>()) {
        return "database_unavailable";
    }
    if fault.chain().any(|cause| cause.is::<crate::cache::Away>()) {
        return "redis_unavailable";
    }
    if fault.chain().any(|cause| cause.is::<crate::discord::Failure>()) {
        return "discord";
    }
    "fault"
}
