//! What a client makes of compat tags.
//!
//! Versions of the binary schema settle it: native up to 3, compat from 4 on. JSON and CBOR name no version, and
//! clients disagree, so the user agent and the form of the address have to tell.

use crate::Hints;

/// Which compat tags a client understands where the encoding does not settle it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// JavaScript 2.0 to 2.2, browsers, and whoever cannot be told: native CBOR; JSON without `$Undefined` and `$Set`.
    #[default]
    Plain,
    /// JavaScript 2.3 and later: revives tags everywhere, so that `$` arrays must be escaped.
    Modern,
    /// The Rust client: plain JSON values in every encoding, hence compat tags instead of native bytes.
    Rust,
}

impl Dialect {
    /// The dialect of a request, from its user agent and whether it used the query form of addresses (2.3 alone does)
    /// or asked to skip the wait for readiness in headers or subprotocols (2.3 alone does, too).
    pub fn of_request(user_agent: Option<&str>, query_form: bool) -> Self {
        let agent = user_agent.unwrap_or("");
        if agent.starts_with("ActorClient-Rust/") {
            return Self::Rust;
        }
        if query_form || agent.strip_prefix("RivetKit/").is_some_and(is_modern) {
            return Self::Modern;
        }
        Self::Plain
    }

    /// The dialect of a WebSocket, where the user agent is the runtime's. What subprotocols say about the address tells
    /// more: the Rust client always names the actor there as well, JavaScript only when it skips the wait for readiness.
    pub fn of_upgrade(user_agent: Option<&str>, query_form: bool, hints: &Hints<'_>) -> Self {
        if hints.target.is_some() && !hints.skip_ready_wait {
            return Self::Rust;
        }
        Self::of_request(user_agent, query_form || hints.skip_ready_wait)
    }
}

/// Whether a version, followed by whatever, is at least 2.3.
fn is_modern(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= (2, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_tell_dialects() {
        for (agent, query, dialect) in [
            (Some("RivetKit/2.0.33 Node.js/22"), false, Dialect::Plain),
            (Some("RivetKit/2.2.1 Node.js/22"), false, Dialect::Plain),
            (Some("RivetKit/2.3.19 Node.js/22"), false, Dialect::Modern),
            (Some("RivetKit/2.10.0"), false, Dialect::Modern),
            (Some("RivetKit/3.0.1-preview.1"), false, Dialect::Modern),
            (Some("ActorClient-Rust/2.3.0"), false, Dialect::Rust),
            (Some("node"), true, Dialect::Modern),
            (Some("node"), false, Dialect::Plain),
            (None, false, Dialect::Plain),
        ] {
            assert_eq!(Dialect::of_request(agent, query), dialect, "{agent:?} {query}");
        }
    }

    #[test]
    fn subprotocols_tell_dialects() {
        let hints = Hints {
            target: Some("actor"),
            actor: Some("id"),
            skip_ready_wait: false,
        };
        assert_eq!(Dialect::of_upgrade(None, false, &hints), Dialect::Rust);
        let skipping = Hints {
            skip_ready_wait: true,
            ..hints
        };
        assert_eq!(Dialect::of_upgrade(Some("node"), false, &skipping), Dialect::Modern);
        assert_eq!(
            Dialect::of_upgrade(Some("node"), true, &Hints::default()),
            Dialect::Modern
        );
        assert_eq!(
            Dialect::of_upgrade(Some("node"), false, &Hints::default()),
            Dialect::Plain
        );
    }
}
