//! Pages of browsers: which origins may talk to the gateway, and what they are told.
//!
//! A request with an `Origin` header comes from a page. Pages of origins that nobody listed are refused before anything
//! else happens, since a browser lends every page its user's place in the network. Pages that guests serve are never
//! admitted, whatever is listed: they could otherwise drive the API of the user who looks at them.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::auth::host::{is_below, is_loopback_name};
use crate::body::Body;
use crate::error::GatewayError;

const EXPOSED: &str = "x-rivet-ray-id, x-rivet-actor, x-rivet-actor-generation, x-rivet-actor-key";
const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, PATCH";
const PRIVATE_REQUEST: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_ALLOW: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The admitted origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    listed: Vec<String>,
    /// Pages of this machine are admitted, as the server itself is bound to loopback.
    loopback: bool,
    preview_host: Option<String>,
}

/// What came of looking at a request's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No page is involved.
    None,
    /// A page that may talk to the gateway.
    Admitted(HeaderValue),
    /// A page that may not.
    Refused,
}

impl Origins {
    pub(crate) fn new(listed: Vec<String>, loopback: bool, preview_host: Option<String>) -> Result<Self, GatewayError> {
        let listed: Vec<_> = listed.into_iter().map(|origin| origin.to_ascii_lowercase()).collect();
        for origin in &listed {
            let host =
                host_of(origin).filter(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']));
            let Some(host) = host else {
                let problem = format!("\"{origin}\" is not an origin such as https://app.example.com");
                return Err(GatewayError::config("cors.origins", problem));
            };
            if preview_host.as_deref().is_some_and(|preview| is_preview(host, preview)) {
                let problem = format!("\"{origin}\" is an origin of previews, whose pages come from guests");
                return Err(GatewayError::config("cors.origins", problem));
            }
        }
        Ok(Self {
            listed,
            loopback,
            preview_host,
        })
    }

    /// Judges the origin of a request.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Origin {
        let mut lines = headers.get_all(ORIGIN).iter();
        let Some(value) = lines.next() else { return Origin::None };
        if lines.next().is_some() {
            return Origin::Refused;
        }
        match value.to_str() {
            Ok(origin) if self.admits(&origin.to_ascii_lowercase()) => Origin::Admitted(value.clone()),
            _ => Origin::Refused,
        }
    }

    fn admits(&self, origin: &str) -> bool {
        let Some(host) = host_of(origin) else { return false };
        if self
            .preview_host
            .as_deref()
            .is_some_and(|preview| is_preview(host, preview))
        {
            return false;
        }
        self.listed.iter().any(|listed| listed == origin) || (self.loopback && is_loopback_name(host))
    }
}

/// Host and port of an origin that browsers send for pages of the web.
fn host_of(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
}

/// Whether a host belongs to one preview. The preview host itself serves none.
fn is_preview(host: &str, preview_host: &str) -> bool {
    is_below(host, preview_host) && !host.eq_ignore_ascii_case(preview_host)
}

/// The answer to a preflight of an admitted page, if the request is one.
pub(crate) fn preflight(head: &Parts) -> Option<Response<Body>> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    if let Some(asked) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if head.headers.contains_key(PRIVATE_REQUEST) {
        headers.insert(PRIVATE_ALLOW, HeaderValue::from_static("true"));
    }
    Some(response)
}

/// Says on a response that the page may read it.
pub(crate) fn admit(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origins: &Origins, origin: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
        matches!(origins.judge(&headers), Origin::Admitted(_))
    }

    #[test]
    fn listed_and_loopback_origins_and_never_previews() {
        let local = Origins::new(
            vec!["https://app.example.com".into()],
            true,
            Some("localhost:6420".into()),
        )
        .expect("valid");
        for yes in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:1",
            "https://[::1]:5",
            "http://localhost:6420",
        ] {
            assert!(judge(&local, yes), "{yes}");
        }
        for no in [
            "null",
            "",
            "http://app.example.com",
            "https://app.example.com:444",
            "https://app.example.com.evil.com",
            "http://abcdefghijklmnopqrstuvwxyz012345.localhost:6420",
            "file://localhost",
            "http://localhost.evil.com",
        ] {
            assert!(!judge(&local, no), "{no}");
        }
        let public = Origins::new(vec![], false, Some("p.example.com".into())).expect("valid");
        assert!(!judge(&public, "http://localhost:3000") && !judge(&public, "https://t.p.example.com"));
        assert_eq!(public.judge(&HeaderMap::new()), Origin::None);
    }

    #[test]
    fn two_origins_are_none() {
        let origins = Origins::new(vec![], true, None).expect("valid");
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, HeaderValue::from_static("http://localhost"));
        headers.append(ORIGIN, HeaderValue::from_static("http://localhost"));
        assert_eq!(origins.judge(&headers), Origin::Refused);
    }

    #[test]
    fn lists_are_checked() {
        for bad in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://a.example.com/path",
            "https://*.example.com",
        ] {
            assert!(Origins::new(vec![bad.into()], true, None).is_err(), "{bad}");
        }
        assert!(
            Origins::new(
                vec!["https://t.p.example.com".into()],
                false,
                Some("p.example.com".into())
            )
            .is_err()
        );
    }
}
