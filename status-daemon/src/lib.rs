//! The status daemon: takes due transitions and moves games along; keeps house.

mod config;
mod housekeeping;
mod transitions;

pub use config::Settings;

use shared::service::Process;
use shared::worker;

/// Runs until the process stops.
///
/// # Errors
/// When a setting cannot be used or the health address is taken.
pub async fn run(settings: Settings, process: Process) -> anyhow::Result<()> {
    housekeeping::start(&settings.common, &process)?;
    worker::run::<transitions::Transitions>(&settings.common, process).await
}
