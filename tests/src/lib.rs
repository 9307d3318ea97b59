//! The test harness as a library.
