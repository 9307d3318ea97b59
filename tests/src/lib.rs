//! The test harness as a library.
pub mod otlp;
pub mod report;
pub mod trace;
