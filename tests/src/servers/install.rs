//! The distribution's packages, installed without starting what they bring.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::native::{Binaries, on_path};
use super::{postgres, rabbitmq, redis};

/// A package's server is told not to start by a policy that is there only meanwhile, unless there is one already.
const SCRIPT: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=120 update &&
apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"
"#;

/// Installs what is missing, and says so; nothing is asked and no password is needed.
pub(super) async fn missing() -> Result<()> {
    let packages = packages();
    if packages.is_empty() {
        bail!("nothing to install: the servers are there and do not start");
    }
    ensure!(on_path("apt-get").is_some(), "there is no apt-get to install {} with", packages.join(", "));
    let mut shell = shell()?;
    eprintln!("servers: installing the distribution's packages {}", packages.join(", "));
    shell.args(["sh", "-c", SCRIPT, "install"]).args(&packages).stdin(Stdio::null());
    let output = tokio::process::Command::from(shell).output().await.context("running apt-get")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "apt-get could not install {}: {}", packages.join(", "), said.trim());
    Binaries::find().map(drop).context("after installing the packages")
}

fn packages() -> Vec<&'static str> {
    let wanted = [
        ("postgresql", postgres::binary().is_none()),
        ("redis-server", redis::binary().is_none()),
        ("rabbitmq-server", rabbitmq::binary().is_none() || rabbitmq::epmd().is_none()),
    ];
    wanted.into_iter().filter(|(_, missing)| *missing).map(|(package, _)| package).collect()
}

/// What runs the rest of its arguments as root.
fn shell() -> Result<Command> {
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("-n");
    let mut asked = Command::new("sudo");
    let allowed = asked.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(
        allowed.is_ok_and(|status| status.success()),
        "this user is not root and sudo is missing or wants a password"
    );
    Ok(sudo)
}
