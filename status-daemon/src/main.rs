//! Starts the status daemon.

use std::process::ExitCode;

use status_daemon::Settings;

/// Spans are made on one thread and freed on another (docs/decisions/0036).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    shared::service::main("status-daemon", "127.0.0.1:8084", |settings: Settings, process| {
        status_daemon::run(settings, process)
    })
}
