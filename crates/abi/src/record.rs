//! Fixed-layout records: a struct on both sides, bytes in between.

/// A value with a fixed little-endian layout in guest memory.
pub trait Record: Sized {
    /// Bytes that the record occupies.
    const SIZE: usize;

    /// Decodes from the first [`Record::SIZE`] bytes; a shorter slice reads as if followed by zeros.
    fn decode(bytes: &[u8]) -> Self;

    /// Encodes into the first [`Record::SIZE`] bytes of `out`; bytes that do not fit are dropped.
    fn encode(&self, out: &mut [u8]);
}

/// Implements [`Record`] for the scalar kinds that records are made of.
macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Record for $t {
            const SIZE: usize = core::mem::size_of::<$t>();
            fn decode(bytes: &[u8]) -> Self {
                let mut raw = [0u8; core::mem::size_of::<$t>()];
                let n = if bytes.len() < raw.len() { bytes.len() } else { raw.len() };
                raw[..n].copy_from_slice(&bytes[..n]);
                <$t>::from_le_bytes(raw)
            }
            fn encode(&self, out: &mut [u8]) {
                let raw = self.to_le_bytes();
                let n = if out.len() < raw.len() { out.len() } else { raw.len() };
                out[..n].copy_from_slice(&raw[..n]);
            }
        }
    )*};
}
scalar!(u8, u16, u32, u64, i32, i64);

impl<const N: usize> Record for [u8; N] {
    const SIZE: usize = N;
    fn decode(bytes: &[u8]) -> Self {
        let mut raw = [0u8; N];
        let n = if bytes.len() < N { bytes.len() } else { N };
        raw[..n].copy_from_slice(&bytes[..n]);
        raw
    }
    fn encode(&self, out: &mut [u8]) {
        let n = if out.len() < N { out.len() } else { N };
        out[..n].copy_from_slice(&self[..n]);
    }
}

/// Declares a `repr(C)` struct whose fields, in order and without padding, are its guest layout.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* pub $field:ident : $t:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name { $($(#[$fdoc])* pub $field: $t,)* }

        impl $crate::Record for $name {
            const SIZE: usize = 0 $(+ <$t as $crate::Record>::SIZE)*;
            #[allow(unused_assignments)]
            fn decode(bytes: &[u8]) -> Self {
                let mut at = 0;
                $(
                    let $field = <$t as $crate::Record>::decode(bytes.get(at..).unwrap_or(&[]));
                    at += <$t as $crate::Record>::SIZE;
                )*
                Self { $($field,)* }
            }
            #[allow(unused_assignments)]
            fn encode(&self, out: &mut [u8]) {
                let mut at = 0;
                $(
                    if let Some(rest) = out.get_mut(at..) { $crate::Record::encode(&self.$field, rest); }
                    at += <$t as $crate::Record>::SIZE;
                )*
            }
        }

        // The struct that guests lay out by `repr(C)` and the bytes that hosts decode must be the same thing.
        const _: () = assert!(core::mem::size_of::<$name>() == <$name as $crate::Record>::SIZE);
    };
}
pub(crate) use record;
