//! The library every service uses.

pub mod error;
pub mod clock;
pub mod domain;
pub mod telemetry;
pub mod cache;
pub mod store;
pub mod discord;
