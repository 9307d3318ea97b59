//! A shell that outlives this process by a moment and ends what the process started.
//!
//! A static is never dropped and a killed process runs no code, so cleaning up is left to a child that reads a
//! pipe from us: the kernel closes the pipe however we end.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result};

/// Each line is a word and a value. `quit` is Postgres, whose backends are in sessions of their own and end with it
/// when it is asked; `kill` is a process group. Lists begin and end with a space, so that an entry can be cut out.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
quit=' ' kill=' ' containers= directories=
while read -r word value; do
  case $word in
    quit) quit="$quit$value " ;;
    kill) kill="$kill$value " ;;
    ended)
      case $quit in *" $value "*) quit="${quit%% $value *} ${quit#* $value }" ;; esac
      case $kill in *" $value "*) kill="${kill%% $value *} ${kill#* $value }" ;; esac
      ;;
    container) containers="$containers $value" ;;
    directory) directories="$directories $value" ;;
  esac
done
for id in $quit; do kill -s QUIT "$id"; done
for group in $kill; do kill -s KILL -- "-$group"; done
if [ -n "$containers" ]; then docker rm -fv $containers; fi
for id in $quit; do
  tries=0
  while kill -s 0 "$id" && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$id"
done
rm -rf $directories
"#;

/// Tells the watchdog what to end, or what ended already.
pub(super) fn tell(word: &str, value: &str) -> Result<()> {
    static PIPE: OnceLock<Result<Mutex<ChildStdin>, String>> = OnceLock::new();
    let pipe = PIPE.get_or_init(|| start().map(Mutex::new).map_err(|fault| format!("{fault:#}")));
    let pipe = pipe.as_ref().map_err(|fault| anyhow::anyhow!(fault.clone()))?;
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    pipe.write_all(format!("{word} {value}\n").as_bytes()).context("telling the watchdog")
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
    watchdog.context("starting the watchdog")?.stdin.context("the watchdog has no pipe")
}
