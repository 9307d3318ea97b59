//! Starts the status daemon.

use std::process::ExitCode;

use status_daemon::Settings;

fn main() -> ExitCode {
    shared::service::main("status-daemon", "127.0.0.1:8084", |settings: Settings, process| {
        status_daemon::run(settings, process)
    })
}
