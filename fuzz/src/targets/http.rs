//! The beginning of connections that may carry a secret: request headers, TLS greetings, anything else.

use agentos_net::intercept::{fuzz_head, fuzz_opening};

/// A value may go to the host of the connection and to no other, whatever a request says.
pub(crate) fn run(bytes: &[u8]) {
    fuzz_opening(bytes);
    let complete = fuzz_head(bytes);
    let ended = [bytes, b"\r\n\r\n"].concat();
    for host in [complete, fuzz_head(&ended)].into_iter().flatten() {
        assert_eq!(host, "api.example.com");
    }
    // The same in the middle of an otherwise good header.
    let inside = [b"GET / HTTP/1.1\r\nhost: api.example.com\r\n", bytes, b"\r\n\r\n"].concat();
    fuzz_opening(&inside);
    if let Some(host) = fuzz_head(&inside) {
        assert_eq!(host, "api.example.com");
    }
}
