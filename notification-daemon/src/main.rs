//! Starts the notification daemon.

use std::process::ExitCode;

use notification_daemon::Settings;

/// Spans are made on one thread and freed on another (docs/decisions/0036).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    shared::service::main("notification-daemon", "127.0.0.1:8083", |settings: Settings, process| {
        notification_daemon::run(settings, process)
    })
}
