//! Everything that can be set; `--help` is its reference.

use clap::Parser;

/// Moves games along when they are due: start, completion, deferred posts.
#[derive(Debug, Parser)]
#[command(name = "status-daemon", version)]
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
