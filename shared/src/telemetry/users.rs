//! How people are told apart in telemetry: by their id, by a keyed hash of it, or not at all.

use std::fmt::Display;
use std::sync::OnceLock;

use clap::ValueEnum;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;
/// Hexadecimal digits that are shown: enough to tell the people of an installation apart.
const DIGITS: usize = 12;

static SHOWN: OnceLock<Shown> = OnceLock::new();

/// What stands in `gamesched.user.id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UserIds {
    /// The id in Discord
    #[default]
    Plain,
    /// "u:" and 12 digits of a hash under TELEMETRY_USER_KEY
    Hashed,
    /// Nothing
    Off,
}

#[derive(Clone, Debug)]
enum Shown {
    Plain,
    Hashed(SecretString),
    Off,
}

/// Says how people are shown, once, before anything is told. Hashing without a key shows nobody.
pub fn install(how: UserIds, key: Option<&SecretString>) {
    let shown = match (how, key) {
        (UserIds::Plain, _) => Shown::Plain,
        (UserIds::Hashed, Some(key)) => Shown::Hashed(key.clone()),
        (UserIds::Hashed, None) | (UserIds::Off, _) => Shown::Off,
    };
    let _ = SHOWN.set(shown);
}

/// A person as telemetry may name them; none when it may not.
#[must_use]
pub fn shown(id: impl Display) -> Option<String> {
    SHOWN.get().map_or_else(|| Some(id.to_string()), |shown| shown.of(&id.to_string()))
}

impl Shown {
    fn of(&self, id: &str) -> Option<String> {
        match self {
            Self::Plain => Some(id.to_owned()),
            Self::Hashed(key) => Some(format!("u:{}", digits(key.expose_secret().as_bytes(), id.as_bytes()))),
            Self::Off => None,
        }
    }
}

/// The beginning of HMAC-SHA256 (RFC 2104).
fn digits(key: &[u8], text: &[u8]) -> String {
    let mut block = [0; BLOCK];
    match key.len() <= BLOCK {
        true => block[..key.len()].copy_from_slice(key),
        false => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_rfc_4231_expects() {
        assert_eq!(digits(b"Jefe", b"what do ya want for nothing?"), "5bdcc146bf60");
        assert_eq!(digits(&[0x0b; 20], b"Hi There"), "b0344c61d8db");
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(digits(&[0xaa; 131], long), "60e431591ee0");
    }

    #[test]
    fn a_person_is_told_plainly_hashed_or_not_at_all() {
        assert_eq!(Shown::Plain.of("42").as_deref(), Some("42"));
        assert_eq!(Shown::Off.of("42"), None);
        let hashed = |key: &str| Shown::Hashed(key.into()).of("42").unwrap();
        assert!(hashed("one").starts_with("u:") && hashed("one").len() == 14);
        assert_eq!(hashed("one"), hashed("one"));
        assert_ne!(hashed("one"), hashed("other"));
    }
}
