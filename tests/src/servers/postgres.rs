//! Postgres as a child process.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::native::{Binaries, is_executable, on_path};
use super::ports;
use super::process::{self, Process, Stop};

/// Everybody is let in, but whoever belongs to a role of this name has to know the password.
const DOOR: &str = "host all +asked_for_password 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";

/// The newest that has `initdb` beside it; Debian keeps both off the path.
pub(super) fn binary() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin/postgres"))))
        .collect();
    versions.sort();
    let on_path = on_path("postgres").and_then(|found| found.canonicalize().ok());
    let candidates = versions.into_iter().rev().map(|(_, file)| file).chain(on_path);
    candidates.into_iter().find(|file| is_executable(file) && is_executable(&file.with_file_name("initdb")))
}

pub(super) async fn start(binaries: &Binaries, directory: &Path) -> Result<(Process, String)> {
    let port = ports::free()?;
    let home = directory.join("postgres");
    fs::create_dir(&home).context("making Postgres's directory")?;
    let user = unprivileged()?;
    if let Some((uid, gid)) = user {
        chown(&home, Some(uid), Some(gid)).context("giving Postgres its directory")?;
    }

    let data = home.join("data");
    let mut initdb = command(&binaries.postgres.with_file_name("initdb"), &home, user);
    initdb.arg("-D").arg(&data);
    initdb.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    process::run(initdb, &directory.join("initdb.log")).await?;
    fs::write(data.join("pg_hba.conf"), DOOR).context("telling Postgres whom to let in")?;

    let settings = settings(&binaries.postgres, port);
    let binary = binaries.postgres.clone();
    let process = Process::start("postgres", (port, directory, Stop::Quit), move || {
        let mut postgres = command(&binary, &home, user);
        postgres.arg("-D").arg(&data);
        postgres.args(settings.iter().flat_map(|setting| ["-c", setting]));
        postgres
    })?;
    Ok((process, format!("postgres://postgres@127.0.0.1:{port}/postgres")))
}

/// `fsync` only guards against the machine's fall, which no test can show.
fn settings(binary: &Path, port: u16) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "max_connections=300".to_owned(),
    ];
    let libraries = ["../lib/pg_stat_statements.so", "../lib/postgresql/pg_stat_statements.so"];
    if libraries.iter().any(|library| binary.with_file_name(library).exists()) {
        settings.push("shared_preload_libraries=pg_stat_statements".to_owned());
    }
    settings
}

fn command(program: &Path, home: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = process::command(program, "PG");
    command.current_dir(home);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Postgres refuses to run as root: the user to run as instead, when we are.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").context("looking for a user to run Postgres as")?;
    let account = |wanted: &str| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (name == wanted).then_some((uid, gid))
        })
    };
    account("postgres").or_else(|| account("nobody")).map(Some).context("no user postgres or nobody to run Postgres as")
}
