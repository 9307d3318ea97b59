//! The bot's process; `bot parked` works on what waits for a person, and ends.

use std::process::ExitCode;

use bot::config::Asked;
use shared::service;

/// Spans are made on one thread and freed on another (docs/decisions/0036).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match service::parsed("bot", "127.0.0.1:8082") {
        Ok(Asked::Serve(settings)) => service::serve("bot", *settings, bot::run),
        Ok(Asked::Operate { database, operation, command }) => {
            service::operate(operation, |stop| bot::operator::run(database, command, stop))
        }
        Err(code) => code,
    }
}
