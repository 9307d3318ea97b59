//! The library every service uses.

pub mod error;
pub mod clock;
pub mod domain;
pub mod events;
pub mod telemetry;
pub mod store;
pub mod amqp;
pub mod daemon;
pub mod discord;
pub mod service;
