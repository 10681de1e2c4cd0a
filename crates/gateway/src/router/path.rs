//! Paths within an actor.

use percent_encoding::percent_decode_str;

/// What a path within an actor stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActorPath {
    Action(String),
    Queue(String),
    /// A raw request, with its path and query within the handler.
    Request(String),
    Connect,
    /// A raw socket, with its path and query within the handler.
    WebSocket(String),
    Metadata,
    Health,
    Root,
    Unknown,
}

impl ActorPath {
    /// Reads a path with its query, as it came.
    pub(crate) fn parse(raw: &str) -> Self {
        let path = raw.split('?').next().unwrap_or(raw);
        match path {
            "/" | "" => Self::Root,
            "/connect" => Self::Connect,
            "/metadata" => Self::Metadata,
            "/health" => Self::Health,
            _ => Self::longer(raw, path),
        }
    }

    fn longer(raw: &str, path: &str) -> Self {
        if let Some(name) = path.strip_prefix("/action/").and_then(segment) {
            return Self::Action(name);
        }
        if let Some(name) = path.strip_prefix("/queue/").and_then(segment) {
            return Self::Queue(name);
        }
        if let Some(inner) = below(raw, "/request") {
            return Self::Request(inner);
        }
        below(raw, "/websocket").map_or(Self::Unknown, Self::WebSocket)
    }
}

/// One segment, decoded once. A name may hold dots and, escaped, anything.
fn segment(text: &str) -> Option<String> {
    if text.is_empty() || text.contains('/') {
        return None;
    }
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// What follows a prefix: a path that begins with a slash, and the query.
fn below(raw: &str, prefix: &str) -> Option<String> {
    let rest = raw.strip_prefix(prefix)?;
    match rest.as_bytes().first() {
        Some(b'/') => Some(rest.to_owned()),
        None | Some(b'?') => Some(format!("/{rest}")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (raw, path) in [
            ("/action/increment", ActorPath::Action("increment".into())),
            ("/action/a.b%2Fc?x=1", ActorPath::Action("a.b/c".into())),
            ("/action/", ActorPath::Unknown),
            ("/action/a/b", ActorPath::Unknown),
            ("/action/%ff", ActorPath::Unknown),
            ("/queue/q", ActorPath::Queue("q".into())),
            ("/request", ActorPath::Request("/".into())),
            ("/request?x=1", ActorPath::Request("/?x=1".into())),
            ("/request/a%2Fb?x=1?y", ActorPath::Request("/a%2Fb?x=1?y".into())),
            ("/requests", ActorPath::Unknown),
            ("/connect", ActorPath::Connect),
            ("/connect?a=b", ActorPath::Connect),
            ("/connect/", ActorPath::Unknown),
            ("/websocket/x", ActorPath::WebSocket("/x".into())),
            ("/metadata", ActorPath::Metadata),
            ("/health", ActorPath::Health),
            ("/", ActorPath::Root),
            ("/?x", ActorPath::Root),
            ("/inspect", ActorPath::Unknown),
        ] {
            assert_eq!(ActorPath::parse(raw), path, "{raw}");
        }
    }
}
