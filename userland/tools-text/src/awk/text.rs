//! Text counted in characters: UTF-8 where it is valid, single bytes elsewhere.

use crate::regex::literal_at;

/// Length of the character at `at`, in bytes.
pub fn char_length(text: &[u8], at: usize) -> usize {
    if text[at] < 0x80 { 1 } else { literal_at(&text[at..]).1 }
}

/// Number of characters.
pub fn length(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    if let Ok(valid) = std::str::from_utf8(text) {
        return valid.chars().count();
    }
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        at += char_length(text, at);
        count += 1;
    }
    count
}

/// Byte offset of the character with the given number, from 0; the length beyond the end.
pub fn offset_of(text: &[u8], character: usize) -> usize {
    if text.is_ascii() {
        return character.min(text.len());
    }
    let mut at = 0;
    for _ in 0..character {
        if at >= text.len() {
            return text.len();
        }
        at += char_length(text, at);
    }
    at
}

/// `substr`: positions from 1, fractions cut off; a start before the text is its first character.
pub fn substr(text: &[u8], start: f64, count: Option<f64>) -> &[u8] {
    let first = if start.trunc() > 1.0 { start.trunc() - 1.0 } else { 0.0 };
    let count = count.map_or(f64::INFINITY, f64::trunc);
    // Not-a-number selects nothing.
    if count.is_nan() || count < 1.0 || start.is_nan() || first >= text.len() as f64 {
        return b"";
    }
    let rest = &text[offset_of(text, first as usize)..];
    if count >= rest.len() as f64 {
        rest
    } else {
        &rest[..offset_of(rest, count as usize)]
    }
}

/// Upper or lower case.
pub fn change_case(text: &[u8], upper: bool) -> Vec<u8> {
    if text.is_ascii() {
        return if upper {
            text.to_ascii_uppercase()
        } else {
            text.to_ascii_lowercase()
        };
    }
    match std::str::from_utf8(text) {
        Ok(valid) if upper => valid.to_uppercase().into_bytes(),
        Ok(valid) => valid.to_lowercase().into_bytes(),
        Err(_) if upper => text.to_ascii_uppercase(),
        Err(_) => text.to_ascii_lowercase(),
    }
}
