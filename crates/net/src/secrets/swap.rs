//! Puts values in place of placeholders, in the headers of one request.

use super::config::FRAMING;
use super::placeholder::{DIGITS, PLACEHOLDER_PREFIX};
use super::set::Entry;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use memchr::memmem;
use zeroize::Zeroizing;

/// Puts the values of `entries` in place of their placeholders, in the headers that may carry them. Headers that say where the
/// request goes or how it is framed stay as they are. Returns how many headers changed.
pub(crate) fn swap(headers: &mut HeaderMap, entries: &[&Entry]) -> usize {
    let mut changed = 0;
    for (name, value) in headers.iter_mut() {
        if FRAMING.contains(&name.as_str()) {
            continue;
        }
        let Some(bytes) = swapped(name, value.as_bytes(), entries) else {
            continue;
        };
        // Values are checked to be header text; one that is not leaves the placeholder where it is.
        if let Ok(mut new) = HeaderValue::from_bytes(&bytes) {
            new.set_sensitive(true);
            *value = new;
            changed += 1;
        }
    }
    changed
}

fn swapped(name: &HeaderName, value: &[u8], entries: &[&Entry]) -> Option<Zeroizing<Vec<u8>>> {
    if let Some(plain) = replace(name, value, entries) {
        return Some(plain);
    }
    let (scheme, rest) = value.split_at_checked(BASIC.len())?;
    if !scheme.eq_ignore_ascii_case(BASIC) {
        return None;
    }
    let text = rest.trim_ascii();
    let credentials = Zeroizing::new(LENIENT.decode(text).ok()?);
    let credentials = replace(name, &credentials, entries)?;
    let encoded = Zeroizing::new(STANDARD.encode(&*credentials));
    Some(Zeroizing::new([scheme, encoded.as_bytes()].concat()))
}

const BASIC: &[u8] = b"Basic ";

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `value` with every placeholder replaced that this header may carry, if there is one.
fn replace(name: &HeaderName, value: &[u8], entries: &[&Entry]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out: Option<Zeroizing<Vec<u8>>> = None;
    let mut copied = 0;
    for start in memmem::find_iter(value, PLACEHOLDER_PREFIX) {
        let digits = start + PLACEHOLDER_PREFIX.len();
        let end = digits + DIGITS;
        let Some(digits) = value.get(digits..end) else { break };
        let entry = entries
            .iter()
            .find(|entry| entry.placeholder.digits() == digits && entry.may_be_in(name));
        if let Some(entry) = entry {
            let secret = entry.value.expose();
            let out = out.get_or_insert_with(|| Zeroizing::new(Vec::with_capacity(value.len() + 2 * secret.len())));
            out.extend_from_slice(value.get(copied..start).unwrap_or_default());
            out.extend_from_slice(secret);
            copied = end;
        }
    }
    let mut out = out?;
    out.extend_from_slice(value.get(copied..).unwrap_or_default());
    Some(out)
}
