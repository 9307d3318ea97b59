//! Starts the api; `api init` prepares the database and the broker.

use std::process::ExitCode;

use api::config::Asked;

fn main() -> ExitCode {
    shared::service::main("api", "127.0.0.1:8081", |asked: Asked, process| api::run::run(asked, process))
}
