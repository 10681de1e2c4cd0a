//! agentOS as a service: the VM as an actor, its actions, configuration and the registry that serves it.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports)]

mod actions;
mod errors;
mod machine;
mod shapes;
