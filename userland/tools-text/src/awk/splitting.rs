//! From the text of a separator to a way of splitting.

use super::record::Splitter;
use super::regexes::Cache;

/// The splitter that `FS`, or the third argument of `split`, stands for.
///
/// # Errors
///
/// The message about a bad expression.
pub fn splitter(text: &[u8], cache: &mut Cache) -> Result<Splitter, String> {
    Ok(match text {
        b" " => Splitter::Blanks,
        [] => Splitter::Characters,
        b"\\" => Splitter::Byte(b'\\'),
        [byte] if byte.is_ascii() && !(cache.ignores_case() && byte.is_ascii_alphabetic()) => Splitter::Byte(*byte),
        _ => match text.strip_prefix(b"\\") {
            Some([byte]) if byte.is_ascii_punctuation() && !matches!(byte, b'<' | b'>' | b'`' | b'\'') => {
                Splitter::Byte(*byte)
            }
            Some(b"t") => Splitter::Byte(b'\t'),
            _ => Splitter::Regex(cache.get(text)?),
        },
    })
}

/// Most columns of `FIELDWIDTHS`.
const COLUMN_LIMIT: usize = 1 << 16;

/// The columns of `FIELDWIDTHS`: `[skip:]width` or `*` for the rest.
///
/// # Errors
///
/// A message about a bad item.
pub fn widths(text: &[u8]) -> Result<Vec<(usize, usize)>, String> {
    let shown = String::from_utf8_lossy(text);
    let mut out = Vec::new();
    for item in shown.split_whitespace().take(COLUMN_LIMIT) {
        let (skip, width) = item.split_once(':').unwrap_or(("0", item));
        let width = if width == "*" {
            Some(usize::MAX)
        } else {
            width.parse().ok()
        };
        match (skip.parse(), width) {
            (Ok(skip), Some(width)) => out.push((skip, width)),
            _ => {
                return Err(format!(
                    "fatal: invalid FIELDWIDTHS value, for field {}, near `{item}'",
                    out.len() + 1
                ));
            }
        }
    }
    Ok(out)
}
