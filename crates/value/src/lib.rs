//! The values that actors and their clients exchange: those of JavaScript.
#![forbid(unsafe_code)]
