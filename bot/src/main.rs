//! The bot's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    shared::service::main("bot", "127.0.0.1:8082", bot::run)
}
