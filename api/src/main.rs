//! Starts the api; `api init` prepares the database and the broker.

use std::process::ExitCode;

use api::config::Settings;

fn main() -> ExitCode {
    shared::service::main("api", "127.0.0.1:8081", |settings: Settings, process| api::run::run(settings, process))
}
