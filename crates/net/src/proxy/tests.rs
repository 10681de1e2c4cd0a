//! Proxies
