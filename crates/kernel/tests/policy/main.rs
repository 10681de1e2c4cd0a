//! The permission policy: a corpus of cases, refused configurations, and random policies against a second, simple evaluator.

mod corpus;
mod invalid;
mod naive;
mod random;
mod t11;
