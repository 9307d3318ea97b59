//! The rules: pure - no I/O, no clock, no telemetry.

pub mod ids;
pub mod game;
pub mod form;
