//! Everything that can be set; `--help` is its reference.

use clap::Parser;

/// Tells people what becomes due: join notices and reminders.
#[derive(Debug, Parser)]
#[command(name = "notification-daemon", version)]
pub struct Settings {
    #[expect(missing_docs, reason = "described where they are defined")]
    #[command(flatten)]
    pub common: shared::service::Settings,
}

impl AsRef<shared::service::Settings> for Settings {
    fn as_ref(&self) -> &shared::service::Settings {
        &self.common
    }
}
