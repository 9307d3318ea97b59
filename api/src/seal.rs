//! Secrets at rest: XChaCha20-Poly1305, bound to their place, under a ring of keys.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The layout of what is sealed: version, key id, nonce, ciphertext.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 24;
/// Random bytes repeat little; a key typed by a person, or a filler, does.
const DISTINCT_BYTES: usize = 12;

/// The keys: the first seals, all of them open.
#[derive(Clone)]
pub struct Keys(Vec<([u8; KEY_ID], XChaCha20Poly1305)>);

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[redacted]")
    }
}

impl Keys {
    /// Reads keys of 32 bytes in base64, separated by commas, the active one first.
    ///
    /// # Errors
    /// When one is malformed, short or a placeholder; the message does not tell it.
    pub fn read(text: &SecretString) -> anyhow::Result<Self> {
        let keys = text.expose_secret().split(',').map(str::trim).map(key).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self(keys))
    }

    /// Seals `plain` so that it opens only with the same `place`.
    ///
    /// # Errors
    /// When the machine has no random bytes.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (id, cipher) = self.0.first().ok_or_else(|| anyhow::anyhow!("there is no key"))?;
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: plain, aad: place };
        let ciphertext =
            cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| anyhow::anyhow!("sealing did not work"))?;
        Ok([&[VERSION], id.as_slice(), &nonce, &ciphertext].concat())
    }

    /// Opens what was sealed for this place; `None` for everything else.
    #[must_use]
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = sealed.split_first_chunk::<{ 1 + KEY_ID }>()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>()?;
        let (version, id) = head.split_first()?;
        let (_, cipher) = self.0.iter().find(|(known, _)| known.as_slice() == id)?;
        if *version != VERSION {
            return None;
        }
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: place }).ok()
    }
}

fn key(text: &str) -> anyhow::Result<([u8; KEY_ID], XChaCha20Poly1305)> {
    let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() == 32);
    let Some(bytes) = bytes else { anyhow::bail!("it must be 32 random bytes in base64") };
    let mut distinct = bytes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < DISTINCT_BYTES {
        anyhow::bail!("it is a placeholder: make one of 32 random bytes");
    }
    let mut id = [0; KEY_ID];
    id.copy_from_slice(&sha256(&bytes)[..KEY_ID]);
    let key = Key::try_from(bytes.as_slice()).map_err(|_| anyhow::anyhow!("it must be 32 bytes"))?;
    Ok((id, XChaCha20Poly1305::new(&key)))
}

/// Bytes that nobody can guess.
///
/// # Errors
/// When the machine has none.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// A token of 256 random bits for a cookie or an address.
///
/// # Errors
/// When the machine has no random bytes.
pub(crate) fn token() -> anyhow::Result<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// What is stored of a token.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A hash as a name.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(first: u8) -> SecretString {
        let bytes: Vec<u8> = (first..first + 32).collect();
        BASE64_STANDARD.encode(bytes).into()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let ring = Keys::read(&keys(1)).unwrap();
        let sealed = ring.seal(b"session one", b"token").unwrap();
        assert_eq!(ring.open(b"session one", &sealed).as_deref(), Some(b"token".as_slice()));
        assert_eq!(ring.open(b"session two", &sealed), None);
    }

    #[test]
    fn a_changed_byte_does_not_open() {
        let ring = Keys::read(&keys(1)).unwrap();
        let sealed = ring.seal(b"place", b"token").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(ring.open(b"place", &changed), None, "byte {at}");
        }
        assert_eq!(ring.open(b"place", &[]), None);
    }

    #[test]
    fn an_old_key_of_the_ring_still_opens() {
        let (old, new) = (keys(1), keys(40));
        let sealed = Keys::read(&old).unwrap().seal(b"place", b"token").unwrap();
        let both = format!("{},{}", new.expose_secret(), old.expose_secret()).into();
        assert!(Keys::read(&both).unwrap().open(b"place", &sealed).is_some());
        assert_eq!(Keys::read(&new).unwrap().open(b"place", &sealed), None);
    }

    #[test]
    fn a_short_or_placeholder_key_is_refused_and_not_told() {
        for bad in ["", "changeme", "c2hvcnQ=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            let told = Keys::read(&bad.to_owned().into()).unwrap_err().to_string();
            assert!(told.starts_with("it "), "{told}");
            assert!(bad.is_empty() || !told.contains(bad), "{told}");
        }
    }
}
