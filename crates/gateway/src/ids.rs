//! Identifiers that the gateway makes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};
use rustix::rand::{GetRandomFlags, getrandom};

/// The header that names one request in logs and in the errors that users see.
pub(crate) const RAY: http::HeaderName = http::HeaderName::from_static("x-rivet-ray-id");

/// A random id that connects what a client was told with what the log says.
pub(crate) fn correlation_id() -> String {
    let (high, low) = (random(), random());
    format!("{high:016x}{low:016x}")
}

/// A random UUID, the form of a connection's id.
pub(crate) fn connection_id() -> String {
    let (high, low) = (random() & !0xf000 | 0x4000, random() >> 2 | 0x8000_0000_0000_0000);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// The ray id of a request: the client's if it is a plain word, else a new one. It names a request and protects nothing.
pub(crate) fn ray(headers: &HeaderMap) -> HeaderValue {
    if let Some(given) = headers.get(RAY)
        && (1..=64).contains(&given.len())
        && given
            .as_bytes()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    {
        return given.clone();
    }
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(random);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    hexadecimal(process.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn hexadecimal(number: u64) -> HeaderValue {
    let digits: [u8; 16] = std::array::from_fn(|index| {
        let nibble = usize::try_from(number >> (60 - 4 * index) & 15).unwrap_or(0);
        b"0123456789abcdef"[nibble]
    });
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("0"))
}

fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // Eight bytes are given at once once the kernel's generator is seeded, which is before any server starts. Where even
    // that fails, the clock keeps ids apart.
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| {
                u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or(1)
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_connections_are_uuids() {
        let id = connection_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((id.len(), lengths), (36, vec![8, 4, 4, 4, 12]), "{id}");
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }

    #[test]
    fn rays_are_words_and_differ() {
        let mut headers = HeaderMap::new();
        let (one, two) = (ray(&headers), ray(&headers));
        assert_ne!(one, two);
        assert_eq!(one.len(), 16);
        headers.insert(RAY, HeaderValue::from_static("client-7"));
        assert_eq!(ray(&headers), "client-7");
        headers.insert(RAY, HeaderValue::from_static("a b"));
        assert_ne!(ray(&headers), "a b");
    }
}
