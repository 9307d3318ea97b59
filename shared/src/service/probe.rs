//! `health`: asks the running process whether it is ready, for images that have neither a shell nor a client.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Command;
use serde_json::Value;

/// The command's name.
pub(super) const NAME: &str = "health";
/// For connecting, and for each read: the answer needs nobody else.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer of ours is longer.
const LENGTH: u64 = 64 * 1024;

/// As `--help` shows it.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Asks the running process whether it is ready: 0 if so, else 1 and why; only HEALTH_ADDR is needed")
}

/// Asks, and says why if the answer is no.
pub(super) fn run(name: &str, address: SocketAddr) -> ExitCode {
    match ask(reachable(address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            let _ = writeln!(io::stderr(), "{name}: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Who listens on every address is asked on the one that leads nowhere else.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

fn ask(address: SocketAddr) -> Result<(), String> {
    let answer = exchange(address).map_err(|fault| format!("nobody answers on {address}: {fault}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_whitespace().nth(1) == Some("200") { Ok(()) } else { Err(why(body)) }
}

/// One request over a connection that ends with its answer.
fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /ready HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(LENGTH).read_to_string(&mut answer)?;
    Ok(answer)
}

/// The checks that fail, each with its reason.
fn why(body: &str) -> String {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(word) = told["status"].as_str() else { return "something else answers there".to_owned() };
    let checks = told["checks"].as_object().into_iter().flatten();
    let failing = checks.filter(|(_, check)| check["required"] == true && check["ok"] == false);
    let reasons: Vec<_> =
        failing.map(|(name, check)| format!("{name}: {}", check["reason"].as_str().unwrap_or_default())).collect();
    if reasons.is_empty() { word.to_owned() } else { format!("{word}, {}", reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said to an answer of this status and body.
    fn said(status: &str, body: &str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                // To the end: who closes before what was sent is read takes the answer away with it.
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut some = [0; 64];
                    let length = stream.read(&mut some).unwrap();
                    assert_ne!(length, 0, "the question ends: {}", asked.escape_ascii());
                    asked.extend_from_slice(&some[..length]);
                }
                assert!(asked.starts_with(b"GET /ready HTTP/1.0\r\n"));
                write!(stream, "HTTP/1.0 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            });
            ask(address)
        })
    }

    #[test]
    fn who_answers_200_is_ready_even_degraded() {
        assert_eq!(said("200 OK", r#"{"status":"degraded","checks":{}}"#), Ok(()));
    }

    #[test]
    fn who_is_not_ready_says_what_is_missing_and_leaves_out_what_it_can_do_without() {
        let body = r#"{"status":"not_ready","checks":{
            "postgres":{"ok":false,"required":true,"reason":"the database is away (io)"},
            "rabbitmq":{"ok":false,"required":false,"reason":"connecting"},
            "redis":{"ok":true,"required":true}}}"#;
        assert_eq!(
            said("503 Service Unavailable", body),
            Err("not_ready, postgres: the database is away (io)".to_owned())
        );
        assert_eq!(said("503 Service Unavailable", r#"{"status":"stopping","checks":{}}"#), Err("stopping".to_owned()));
        assert_eq!(said("404 Not Found", "<html>"), Err("something else answers there".to_owned()));
    }

    #[test]
    fn silence_is_one_sentence() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sentence = ask(free).unwrap_err();
        assert!(sentence.starts_with(&format!("nobody answers on {free}: ")), "{sentence}");
    }

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        let asked = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:8081"), "127.0.0.1:8081");
        assert_eq!(asked("[::]:8081"), "[::1]:8081");
        assert_eq!(asked("10.0.0.7:8081"), "10.0.0.7:8081");
    }
}
