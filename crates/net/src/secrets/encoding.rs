//! The forms in which a server may give a value back.
//!
//! A value is masked not only as it is: servers echo it inside JSON, HTML, URLs, or in Base64 as part of Basic credentials. Base64
//! depends on what stands before the value; whatever that is, the value begins at one of three positions within a group of three
//! bytes, and all characters but those at the edges are then known.

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize, Zeroizing};

/// A form of a value, overwritten when dropped.
pub(super) type Form = Zeroizing<Vec<u8>>;

/// All forms of a value, without repetitions.
pub(super) fn forms(value: &[u8]) -> Vec<Form> {
    let mut forms: Vec<Form> = vec![Zeroizing::new(value.to_vec())];
    let mut add = |form: Form| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    for before in 0..3 {
        add(base64_core(&STANDARD_NO_PAD, before, value));
        add(base64_core(&URL_SAFE_NO_PAD, before, value));
    }
    add(percent(value, b"0123456789ABCDEF"));
    add(percent(value, b"0123456789abcdef"));
    add(replaced(value, &[(b'"', b"\\\""), (b'\\', b"\\\\")]));
    add(replaced(value, &[(b'"', b"\\\""), (b'\\', b"\\\\"), (b'/', b"\\/")]));
    add(replaced(value, HTML));
    add(hex(value, b"0123456789ABCDEF"));
    add(hex(value, b"0123456789abcdef"));
    forms
}

const HTML: &[(u8, &[u8])] = &[
    (b'&', b"&amp;"),
    (b'<', b"&lt;"),
    (b'>', b"&gt;"),
    (b'"', b"&quot;"),
    (b'\'', b"&#39;"),
];

/// The characters of the Base64 text of `before` unknown bytes and the value that depend on the value alone.
fn base64_core(engine: &impl base64::Engine, before: usize, value: &[u8]) -> Form {
    let mut bytes = Zeroizing::new(vec![0; before]);
    bytes.extend_from_slice(value);
    let mut text = engine.encode(&*bytes);
    let known = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let core = text.as_bytes().get(known).unwrap_or_default().to_vec();
    text.zeroize();
    Zeroizing::new(core)
}

fn percent(value: &[u8], digits: &[u8; 16]) -> Form {
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() * 3));
    for &byte in value {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(byte);
        } else {
            text.extend([b'%', digit(digits, byte >> 4), digit(digits, byte)]);
        }
    }
    text
}

fn hex(value: &[u8], digits: &[u8; 16]) -> Form {
    let pairs = value
        .iter()
        .flat_map(|&byte| [digit(digits, byte >> 4), digit(digits, byte)]);
    Zeroizing::new(pairs.collect())
}

fn digit(digits: &[u8; 16], value: u8) -> u8 {
    // The index is below 16.
    digits[usize::from(value & 15)]
}

fn replaced(value: &[u8], table: &[(u8, &[u8])]) -> Form {
    let mut text = Zeroizing::new(Vec::with_capacity(value.len() * 6));
    for &byte in value {
        match table.iter().find(|(from, _)| *from == byte) {
            Some((_, to)) => text.extend_from_slice(to),
            None => text.push(byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    fn holds(text: &[u8], form: &[u8]) -> bool {
        memchr::memmem::find(text, form).is_some()
    }

    proptest! {
        #[test]
        fn base64_text_around_a_value_holds_one_of_its_forms(
            before in proptest::collection::vec(any::<u8>(), 0..8),
            value in proptest::collection::vec(33u8..127, 8..40),
            after in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let whole = [before, value.clone(), after].concat();
            let forms = forms(&value);
            for text in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                prop_assert!(forms.iter().any(|form| holds(text.as_bytes(), form)));
            }
        }
    }

    #[test]
    fn escaped_texts_are_forms() {
        let forms = forms(br#"a/b"c\d<e&f'g"#);
        for text in [
            r#"a/b\"c\\d<e&f'g"#,
            r#"a\/b\"c\\d<e&f'g"#,
            r#"a/b&quot;c\d&lt;e&amp;f&#39;g"#,
            "a%2Fb%22c%5Cd%3Ce%26f%27g",
            "a%2fb%22c%5cd%3ce%26f%27g",
        ] {
            assert!(forms.iter().any(|form| form.as_slice() == text.as_bytes()), "{text}");
        }
    }
}
