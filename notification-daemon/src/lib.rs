//! The notification daemon: takes due notices and writes the letters they become.

mod config;
mod notices;

pub use config::Settings;

use shared::service::Process;
use shared::worker;

/// Runs until the process stops.
///
/// # Errors
/// When a setting cannot be used or the health address is taken.
pub async fn run(settings: Settings, process: Process) -> anyhow::Result<()> {
    worker::run::<notices::Notices>(&settings.common, process).await
}
