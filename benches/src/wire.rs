//! A client of HTTP/1.1 that costs next to nothing: a generator that shares a machine with what it measures must be light.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that was not used for longer may be closed by the server at the moment of the next request.
const KEPT: Duration = Duration::from_secs(2);

/// A connection that is kept.
#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    used: Instant,
}

/// Connections to one server, as many as there are requests at once.
#[derive(Debug)]
pub struct Wires {
    address: SocketAddr,
    idle: Mutex<Vec<Wire>>,
}

/// What came of as many requests as could be made in a time.
#[derive(Clone, Debug)]
pub struct Made {
    /// Answered with success.
    pub answered: usize,
    /// What the others were answered with.
    pub failures: Vec<String>,
    /// Until the last answer.
    pub within: Duration,
}

impl Made {
    /// Answers with success a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.within.as_secs_f64()
    }
}

/// The bytes of a request of a session.
#[must_use]
pub fn request(method: &str, path: &str, session: &str, form: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: session_token={session}\r\n");
    if !form.is_empty() {
        text += "content-type: application/x-www-form-urlencoded\r\n";
    }
    text += &format!("content-length: {}\r\n\r\n{form}", form.len());
    text.into_bytes()
}

impl Wires {
    /// To this server; nothing connects yet.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Sends a request over a connection that is free and reads the answer to its end.
    ///
    /// # Errors
    /// What the answer was, if not a success.
    pub async fn ask(&self, request: &[u8]) -> Result<(), String> {
        let asked = tokio::time::timeout(PATIENCE, self.asked(request)).await;
        match asked.unwrap_or_else(|_| bail!("no answer in {PATIENCE:?}")) {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(format!("it answered {status}")),
            Err(fault) => Err(format!("{fault:#}")),
        }
    }

    async fn asked(&self, request: &[u8]) -> Result<u16> {
        // The one that was used last; when that is too old, so are the others.
        let free = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut wire = match free.filter(|wire| wire.used.elapsed() < KEPT) {
            Some(wire) => wire,
            None => Wire::open(self.address).await?,
        };
        let status = wire.ask(request).await?;
        wire.used = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(wire);
        Ok(status)
    }

    /// Closes what is idle: servers close such connections after a while, and a request on one would fail.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Wire {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(64 * 1024), used: Instant::now() })
    }

    async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await.context("sending")?;
        self.read.clear();
        loop {
            if let Some((status, whole)) = head(&self.read)?
                && self.read.len() >= whole
            {
                ensure!(self.read.len() == whole, "more came than was announced");
                return Ok(status);
            }
            ensure!(self.stream.read_buf(&mut self.read).await.context("reading")? > 0, "the server hung up");
        }
    }
}

/// The status, and how long head and body are together; nothing until the head has come.
fn head(read: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..end]).context("a head that is no text")?;
    let status: u16 = text.get(9..12).and_then(|status| status.parse().ok()).context("no status")?;
    let length = text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| is_length(name)));
    let body: usize = match length {
        Some((_, length)) => length.trim().parse().context("a length that is no number")?,
        None if status == 204 || status == 304 => 0,
        None => bail!("an answer without content-length"),
    };
    Ok(Some((status, end + 4 + body)))
}

fn is_length(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-length")
}

/// As many requests as `clients` that each wait for their answer can make in a time, `next` making the request of a
/// number; no number comes twice.
///
/// # Errors
/// When a client panics.
pub async fn saturate(
    wires: &Arc<Wires>,
    clients: usize,
    lasts: Duration,
    next: impl Fn(usize) -> Vec<u8> + Clone + Send + 'static,
) -> Result<Made> {
    let (since, mut asking) = (Instant::now(), JoinSet::new());
    for client in 0..clients {
        let (next, wires) = (next.clone(), Arc::clone(wires));
        asking.spawn(async move {
            let (mut number, mut answered, mut failures) = (client, 0, Vec::new());
            while since.elapsed() < lasts {
                match wires.ask(&next(number)).await {
                    Ok(()) => answered += 1,
                    Err(why) => failures.push(why),
                }
                number += clients;
            }
            (answered, failures)
        });
    }
    let mut made = Made { answered: 0, failures: Vec::new(), within: Duration::ZERO };
    while let Some(asked) = asking.join_next().await {
        let (answered, failures) = asked.context("a client panicked")?;
        made.answered += answered;
        made.failures.extend(failures);
    }
    Ok(Made { within: since.elapsed(), ..made })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_announced_length_has_come() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nyes";
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert_eq!(head(answer).unwrap(), Some((201, answer.len())));
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Some((204, 27)));
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn a_form_says_what_it_is() {
        let sent = String::from_utf8(request("POST", "/x", "t", "a=1")).unwrap();
        assert!(sent.contains("\r\ncookie: session_token=t\r\n") && sent.ends_with("content-length: 3\r\n\r\na=1"));
        assert!(sent.contains("application/x-www-form-urlencoded"));
        assert!(request("GET", "/x", "t", "").ends_with(b"content-length: 0\r\n\r\n"));
    }
}
