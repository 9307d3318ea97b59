//! Free ports below the range from which clients get theirs.
//!
//! A server that restarts on an ephemeral port can find it taken by a client, even one that connected to itself.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that nobody listens on and that this process has not been given before.
pub(crate) fn free() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let start = getrandom::u32().context("choosing a port")? % u32::from(COUNT);
    let start = u16::try_from(start).context("choosing a port")?;
    let port = (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port between 20000 and 32000")?;
    given.insert(port);
    Ok(port)
}
