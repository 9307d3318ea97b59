//! The four services as binaries, built once a process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use escargot::CargoBuild;

use super::Service;

/// The workspace's root.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// Builds the whole workspace, if that was not done, and answers where a binary is.
///
/// # Errors
/// When it does not build.
pub fn binary(name: &str) -> Result<&'static Path> {
    static BUILT: OnceLock<Result<HashMap<String, PathBuf>, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|fault| format!("{fault:#}")));
    let paths = built.as_ref().map_err(|message| anyhow::anyhow!(message.clone()))?;
    let path = paths.get(name).with_context(|| format!("cargo built no {name}"))?;
    Ok(path)
}

fn build() -> Result<HashMap<String, PathBuf>> {
    let mut build = CargoBuild::new().manifest_path(ROOT).arg("--workspace");
    // As this program was built itself: what is measured is what runs. Only the services then, since each is linked
    // for minutes.
    if cfg!(debug_assertions) {
        build = build.bins();
    } else {
        build = build.release().args(Service::ALL.iter().flat_map(|service| ["--bin", service.name()]));
    }
    // What cargo tells a test about its own package would make build scripts run again, for half a minute.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build = build.env_remove(name);
        }
    }
    let mut paths = HashMap::new();
    for message in build.exec().context("building the services")? {
        let message = message.context("building the services")?;
        if let Ok(escargot::format::Message::CompilerArtifact(artifact)) = message.decode()
            && let Some(path) = artifact.executable
        {
            paths.insert(artifact.target.name.into_owned(), path.into_owned());
        }
    }
    Ok(paths)
}
