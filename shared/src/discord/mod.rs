//! Discord REST.

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("discord")]
pub struct Failure;
