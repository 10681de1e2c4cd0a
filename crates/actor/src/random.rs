//! Random bytes of the operating system, and the ids made of them.

use agentos_value::ActorId;

/// Random bytes.
///
/// The call cannot fail on a kernel that this product runs on once its generator is seeded, which it waits for; an id
/// that somebody could guess is worse than no host, so any other answer ends the process.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                tracing::error!(target: "agentos::actor", %errno, "the operating system gives no random bytes");
                std::process::abort();
            }
        }
    }
    bytes
}

/// 128 random bits as 32 hexadecimal digits, for a log record and the mask that names it.
pub(crate) fn correlation_id() -> String {
    format!("{:032x}", u128::from_le_bytes(bytes()))
}

/// A new actor's id.
pub(crate) fn actor_id() -> ActorId {
    ActorId::from_bits(u128::from_le_bytes(bytes()))
}

/// A random UUID, version 4, in its usual form.
pub(crate) fn uuid() -> String {
    let bits = u128::from_le_bytes(bytes());
    let bits = bits & !(0xf << 76) | (4 << 76);
    let bits = bits & !(0b11 << 62) | (0b10 << 62);
    let digits = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_4() {
        for _ in 0..100 {
            let uuid = uuid();
            let marks = (uuid.as_bytes()[14], uuid.as_bytes()[19]);
            assert!(
                uuid.len() == 36 && marks.0 == b'4' && b"89ab".contains(&marks.1),
                "{uuid}"
            );
        }
    }
}
