//! The locale of a VM: C.UTF-8 unless the environment asks for bytes.
//!
//! This replaces the ICU-based locales of the original: collation is by bytes, numbers use a point and no grouping, names
//! of months and days are English. What remains to ask is whether characters are UTF-8.

use std::sync::OnceLock;

#[cfg(feature = "i18n-charmap")]
pub mod charmap;
#[cfg(feature = "i18n-collator")]
pub mod collator;
#[cfg(feature = "i18n-datetime")]
pub mod datetime;
#[cfg(feature = "i18n-decimal")]
pub mod decimal;

/// The encoding of characters.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum UEncoding {
    Ascii,
    Utf8,
}

/// The only locale; prints as `und`, the original's mark of C and POSIX.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Locale;

impl std::fmt::Display for Locale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("und")
    }
}

/// The locale of a category: bytes for `C` and `POSIX`, else UTF-8.
pub fn get_locale_from_env(category: &str) -> (Locale, UEncoding) {
    let named = ["LC_ALL", category, "LANG"]
        .iter()
        .find_map(|key| std::env::var(key).ok().filter(|value| !value.is_empty()));
    let encoding = match named.as_deref() {
        Some("C" | "POSIX") => UEncoding::Ascii,
        _ => UEncoding::Utf8,
    };
    (Locale, encoding)
}

macro_rules! cached {
    ($name:ident, $category:literal) => {
        #[doc = concat!("The locale of `", $category, "`.")]
        pub fn $name() -> &'static (Locale, UEncoding) {
            static CACHE: OnceLock<(Locale, UEncoding)> = OnceLock::new();
            CACHE.get_or_init(|| get_locale_from_env($category))
        }
    };
}
cached!(get_collating_locale, "LC_COLLATE");
cached!(get_numeric_locale, "LC_NUMERIC");
cached!(get_ctype_locale, "LC_CTYPE");

/// The encoding by `LC_COLLATE`.
pub fn get_locale_encoding() -> UEncoding {
    get_collating_locale().1
}

/// The encoding by `LC_CTYPE`.
pub fn get_ctype_encoding() -> UEncoding {
    get_ctype_locale().1
}
