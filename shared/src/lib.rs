//! The library every service uses. In the order of dependency: a line may use what stands above it, never below.
#![cfg_attr(rustfmt, rustfmt_skip)]

pub mod clock;
pub mod domain;
pub mod error;
pub mod events;
pub mod telemetry;
pub mod cache;
pub mod store;
pub mod discord;
pub mod faults;
pub mod service;
pub mod amqp;
pub mod daemon;
pub mod app;
pub mod actions;
pub mod worker;
