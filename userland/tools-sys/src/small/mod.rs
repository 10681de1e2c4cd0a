//! x
pub const fn applets() -> &'static [(&'static str, crate::Applet)] { &[] }
