//! A shell that outlives this process by a moment and ends what the process started.
//!
//! A static is never dropped and a killed process runs no code, so cleaning up is left to a child that reads a
//! pipe from us: the kernel closes the pipe however we end.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};

/// Each line is a name and a value, and replaces the last of that name, except for containers.
/// Postgres is asked to stop at once, because its backends are in sessions of their own; the others are groups.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
while read -r name value; do
  case $name in
    postgres) postgres=$value ;;
    redis) redis=$value ;;
    rabbitmq) rabbitmq=$value ;;
    epmd) epmd=$value ;;
    container) containers="$containers $value" ;;
    directory) directory=$value ;;
  esac
done
if [ -n "$postgres" ]; then kill -s QUIT "$postgres"; fi
for group in $redis $rabbitmq $epmd; do kill -s KILL -- "-$group"; done
if [ -n "$containers" ]; then docker rm -fv $containers; fi
if [ -n "$postgres" ]; then
  tries=0
  while kill -s 0 "$postgres" && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$postgres"
fi
if [ -n "$directory" ]; then rm -rf "$directory"; fi
"#;

/// Tells the watchdog what to end; an empty value means that it ended already.
pub(super) fn tell(name: &str, value: &str) -> Result<()> {
    static PIPE: OnceLock<Result<Mutex<ChildStdin>, String>> = OnceLock::new();
    let pipe = PIPE.get_or_init(|| {
        start()
            .map(Mutex::new)
            .map_err(|fault| format!("{fault:#}"))
    });
    let pipe = pipe
        .as_ref()
        .map_err(|fault| anyhow::anyhow!(fault.clone()))?;
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{name} {value}").context("telling the watchdog")
}

fn start() -> Result<ChildStdin> {
    // A group of its own, so that Ctrl-C in a terminal does not reach it. Nobody waits for it: it ends after us.
    let watchdog = Command::new("sh")
        .args(["-c", SCRIPT, "game-scheduler-watchdog"])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    watchdog
        .context("starting the watchdog")?
        .stdin
        .context("the watchdog has no pipe")
}
