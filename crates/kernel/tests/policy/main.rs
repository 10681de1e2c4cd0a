//! The permission policy: a corpus of cases, refused configurations, and random policies against a second, simple evaluator.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod corpus;
mod invalid;
mod naive;
mod random;
mod t11;
