//! The permission policy at the path layer: what each call is to the policy, what does not get around it, and random work on
//! random trees against a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

mod around;
mod calls;
mod model;
mod race;

mod world;
