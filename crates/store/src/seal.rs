//! Sealing: secrets that must survive sleep are encrypted before they reach the disk.
//!
//! XChaCha20-Poly1305 with a random nonce for each value. The *context* (which actor, which job) is authenticated along with
//! the value, so a sealed value copied to another row does not open there. The key is a file of mode 0600 in the data
//! directory, or is supplied by the operator; without it the values stay closed, with a clear error, and the rest works.
//!
//! ```text
//!   sealed = version (1) | key id (4) | nonce (24) | ciphertext and tag
//! ```

use std::io::{Read as _, Write as _};
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{Error, Result};

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + 4 + NONCE_BYTES;

/// A key that seals and opens.
#[derive(Clone)]
pub struct SealKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl SealKey {
    /// A supplied key of 32 bytes.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self {
            key: Zeroizing::new(key),
        }
    }

    /// The key in the file at `path`, which is made, with a random key and mode 0600, if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`] if others may read the file or if it is not 32 bytes long; [`Error::Io`].
    pub fn from_file(path: &Path) -> Result<Self> {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        let host = |error: std::io::Error| Error::host(path, &error);
        let refused = |why: &str| Error::Sealed(format!("{}: {why}", path.display()).into());
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::random()?;
                // Written under another name first: a crash leaves no half key.
                let draft = path.with_extension("new");
                let mut options = std::fs::OpenOptions::new();
                let mut file = options
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&draft)
                    .map_err(host)?;
                file.write_all(&*key.key).and_then(|()| file.sync_all()).map_err(host)?;
                std::fs::rename(&draft, path).map_err(host)?;
                let parent = path.parent().unwrap_or(Path::new("."));
                std::fs::File::open(parent)
                    .and_then(|parent| parent.sync_all())
                    .map_err(host)?;
                return Ok(key);
            }
            Err(error) => return Err(host(error)),
        };
        if file.metadata().map_err(host)?.permissions().mode() & 0o077 != 0 {
            return Err(refused("others may read the key file; its mode must be 0600"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
        (&file)
            .take(KEY_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(host)?;
        let key: [u8; KEY_BYTES] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| refused("the key file must hold exactly 32 bytes"))?;
        Ok(Self::new(key))
    }

    /// A new random key.
    pub fn random() -> Result<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        fill_random(&mut *key)?;
        Ok(Self { key })
    }

    /// Seals `secret` for `context`.
    pub fn seal(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let payload = Payload {
            msg: secret,
            aad: context.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::Sealed("the value is too large".into()))?;
        let mut out = Vec::with_capacity(HEAD_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&self.id());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens a value sealed for `context`.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`] saying whether the key is another one, or the value was altered or belongs elsewhere.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let refused = |why: &str| Error::Sealed(why.into());
        let (head, body) = sealed
            .split_at_checked(HEAD_BYTES)
            .ok_or_else(|| refused("the value is cut short"))?;
        if head[0] != VERSION {
            return Err(refused("the value was sealed by a newer version"));
        }
        if head[1..5] != self.id() {
            return Err(refused("it was sealed with another key"));
        }
        let nonce: [u8; NONCE_BYTES] = head[5..].try_into().map_err(|_| refused("the value is cut short"))?;
        let payload = Payload {
            msg: body,
            aad: context.as_bytes(),
        };
        let opened = self.cipher().decrypt(&XNonce::from(nonce), payload);
        opened
            .map(Zeroizing::new)
            .map_err(|_| refused("it was altered, or belongs to something else"))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }

    /// Tells keys apart without saying anything of them.
    fn id(&self) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(b"agentos seal key id")
            .chain_update(*self.key)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// Fills `bytes` from the operating system's generator.
fn fill_random(bytes: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Io(format!("getrandom: {error}").into())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_sealed_value_opens_in_its_place_with_its_key_only() {
        let key = SealKey::new([7; 32]);
        let sealed = key.seal("actor/job", b"TOKEN=secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_ne!(sealed, key.seal("actor/job", b"TOKEN=secret").unwrap());
        assert_eq!(key.open("actor/job", &sealed).unwrap().as_slice(), b"TOKEN=secret");
        let why = |outcome: Result<Zeroizing<Vec<u8>>>| outcome.unwrap_err().to_string();
        assert!(why(key.open("actor/other", &sealed)).contains("belongs to something else"));
        assert!(why(SealKey::new([8; 32]).open("actor/job", &sealed)).contains("another key"));
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(key.open("actor/job", &altered).is_err(), "byte {index}");
            assert!(key.open("actor/job", &sealed[..index]).is_err(), "length {index}");
        }
        assert_eq!(format!("{key:?}"), "SealKey(..)");
    }

    #[test]
    fn the_key_file_is_made_once_and_must_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        let sealed = SealKey::from_file(&path).unwrap().seal("c", b"x").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            SealKey::from_file(&path)
                .unwrap()
                .open("c", &sealed)
                .unwrap()
                .as_slice(),
            b"x"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(SealKey::from_file(&path).unwrap_err().code(), "sealed");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(SealKey::from_file(&path).unwrap_err().code(), "sealed");
    }
}
