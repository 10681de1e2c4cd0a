//! Heads of requests for previews and of guests' answers.

use agentos_gateway::preview::fuzz_heads;

/// Nothing of the gateway reaches a guest, and nothing of a guest speaks for the gateway's origin.
pub(crate) fn run(bytes: &[u8]) {
    fuzz_heads(bytes);
    // The same with what is to be kept back certainly among it.
    let secrets = b"\nAuthorization: Bearer gate-token\nx-rivet-token: gate-token\nCookie: a=gate-token; b=1\nSet-Cookie: a=1; domain=x\n";
    fuzz_heads(&[bytes, secrets].concat());
}
