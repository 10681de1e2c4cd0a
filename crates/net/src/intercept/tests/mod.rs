//! Connections as a guest and a host see them: real TLS, real HTTP, and everything that either side could try.

mod http1;
mod http2;
mod leaks;
mod openings;
mod world;

use world::*;
