//! Starts the api; `api init` prepares the database and the broker.

use std::process::ExitCode;

use api::config::Asked;

/// Spans are made on one thread and freed on another (docs/decisions/0036).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    shared::service::main("api", "127.0.0.1:8081", |asked: Asked, process| api::run::run(asked, process))
}
