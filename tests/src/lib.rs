//! The test harness as a library.

pub mod alloy;
pub mod backend;
pub mod demo;
pub mod discord;
pub mod grafana;
pub mod load;
pub mod otlp;
pub mod registry;
pub mod report;
pub mod servers;
pub mod trace;
pub mod world;
