//! Dates: English names, the Gregorian calendar.

/// Abbreviated months of another language than English: none.
pub fn get_locale_months() -> Option<&'static [Vec<u8>; 12]> {
    None
}

/// Whether names are other than English: never.
pub fn should_use_icu_locale() -> bool {
    false
}

/// The format as it is.
pub fn localize_format_string(format: &str, _date: jiff::civil::Date) -> String {
    format.to_owned()
}
