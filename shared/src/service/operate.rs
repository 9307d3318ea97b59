//! A command of an operator: its answer on stdout, its log on stderr, its telemetry told before it ends.

use std::future::Future;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{asked_to_end, inside};
use crate::telemetry::{self, Format, Level, Lines};

/// How a command tells of itself.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `service.name`.
    pub service: &'static str,
    /// The least important log records that are told.
    pub level: Level,
    /// How log lines look.
    pub format: Format,
}

/// Runs a command to its exit code. It is asked to stop by the token, when a signal comes, and then ends by itself.
///
/// A fault ends it with code 1 and one log record.
pub fn operate<F>(operation: Operation, work: impl FnOnce(CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    // Not the port of a service: what a command counts would be taken for a service that starts anew.
    let told = telemetry::Settings {
        service: operation.service,
        port: 0,
        level: operation.level,
        format: operation.format,
        lines: Lines::Stderr,
    };
    inside(told, || async {
        let stop = CancellationToken::new();
        let mut work = std::pin::pin!(work(stop.clone()));
        let done = tokio::select! {
            done = &mut work => done,
            asked = asked_to_end() => {
                if let Err(fault) = asked {
                    error!("{fault:#}");
                }
                stop.cancel();
                work.await
            }
        };
        done.unwrap_or_else(|fault| {
            error!(error.type = crate::faults::class(&fault), "the command failed: {fault:#}");
            ExitCode::FAILURE
        })
    })
}
