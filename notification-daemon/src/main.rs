//! Starts the notification daemon.

use std::process::ExitCode;

use notification_daemon::Settings;

fn main() -> ExitCode {
    shared::service::main("notification-daemon", "127.0.0.1:8083", |settings: Settings, process| {
        notification_daemon::run(settings, process)
    })
}
