//! The rules: pure - no I/O, no clock, no telemetry.

pub mod audience;
pub mod form;
pub mod game;
pub mod ids;
pub mod letter;
pub mod lifecycle;
pub mod permission;
pub mod roster;
pub mod schedule;
pub mod text;

#[cfg(test)]
mod samples;
