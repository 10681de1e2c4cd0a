//! A client of an agentOS server.
#![forbid(unsafe_code)]
