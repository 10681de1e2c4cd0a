//! Numbers: a point and no grouping.

/// The decimal separator.
pub fn locale_decimal_separator() -> &'static str {
    "."
}

/// The grouping separator: none.
pub fn locale_grouping_separator() -> &'static str {
    ""
}
