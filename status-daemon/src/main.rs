//! Starts the status-daemon.

fn main() {}
