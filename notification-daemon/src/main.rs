//! Starts the notification-daemon.

fn main() {}
