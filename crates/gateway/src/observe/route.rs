//! What a path is about, without what it says.

/// The kinds of paths that requests are counted and logged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// `/metadata` and `/health`.
    About,
    /// `/actors` and below.
    Actors,
    /// An action of an actor.
    Action,
    /// The protocol connection of an actor.
    Connect,
    /// A queue of an actor.
    Queue,
    /// A preview, in the path form.
    Preview,
    /// A raw request or socket of an actor.
    Raw,
    /// Metrics, the interface's description, the inspector.
    Operations,
    /// Anything else, previews on origins of their own among it.
    Other,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::About,
        Self::Actors,
        Self::Action,
        Self::Connect,
        Self::Queue,
        Self::Preview,
        Self::Raw,
        Self::Operations,
        Self::Other,
    ];

    /// Its template.
    pub fn name(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Actors => "/actors",
            Self::Action => "/gateway/{actor}/action/{name}",
            Self::Connect => "/gateway/{actor}/connect",
            Self::Queue => "/gateway/{actor}/queue/{name}",
            Self::Preview => "/gateway/{actor}/request/fetch/{token}",
            Self::Raw => "/gateway/{actor}/raw",
            Self::Operations => "operations",
            Self::Other => "other",
        }
    }

    pub(super) fn of(path: &str) -> Self {
        let mut parts = path.split('/').skip(1);
        match (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default()) {
            ("metadata" | "health", _) => Self::About,
            ("actors", _) => Self::Actors,
            ("metrics" | "openapi.json" | "inspector", _) => Self::Operations,
            ("gateway", "action") => Self::Action,
            ("gateway", "connect") => Self::Connect,
            ("gateway", "queue") => Self::Queue,
            ("gateway", "request") if parts.next() == Some("fetch") => Self::Preview,
            ("gateway", "request" | "websocket") => Self::Raw,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_kinds_that_say_nothing_of_them() {
        for (path, route) in [
            ("/metadata", Route::About),
            ("/actors/abc", Route::Actors),
            ("/gateway/abc@secret/action/exec", Route::Action),
            ("/gateway/abc/connect", Route::Connect),
            ("/gateway/abc/request/fetch/secret/x", Route::Preview),
            ("/gateway/abc/request/x", Route::Raw),
            ("/inspector/", Route::Operations),
            ("/", Route::Other),
            ("*", Route::Other),
            ("/secret", Route::Other),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
            assert!(!route.name().contains("secret"));
        }
    }

    #[test]
    fn each_has_its_place() {
        for (index, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, index);
        }
    }
}
