//! What a guest's answer becomes before a client sees it, and the answers of the proxy itself (security.md section 3.2).
//!
//! A page of the path form stands on the gateway's own origin. Invariant: none of its headers can change anything of that
//! origin (cookies, storage, transport, reports, service workers), and it runs in a sandbox whose origin is opaque.

use super::address::Form;
use super::request::remove_hop_by_hop;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Method, StatusCode};

/// An answer of the proxy's own: fixed texts that say nothing about what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Preflight,
    Denied,
    NotFound,
    TooManyFailures { seconds: u64 },
    NoAnswer,
    Busy,
    TooSlow,
}

impl Own {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Preflight => StatusCode::NO_CONTENT,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoAnswer => StatusCode::BAD_GATEWAY,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Preflight => "",
            Self::Denied => "This preview is not available: its address is wrong, or it has expired or was revoked.\n",
            Self::NotFound => "There is nothing at this address.\n",
            Self::TooManyFailures { .. } => "Too many failed requests for previews; try again later.\n",
            Self::NoAnswer => "No server answers at the port of this preview.\n",
            Self::Busy => "This preview is busy; try again later.\n",
            Self::TooSlow => "The server of this preview did not answer in time.\n",
        }
    }

    fn retry_after(self) -> Option<u64> {
        match self {
            Self::TooManyFailures { seconds } => Some(seconds),
            Self::Busy => Some(1),
            _ => None,
        }
    }

    /// Headers of the answer; `asked` is what a preflight asks to send.
    pub(super) fn headers(self, asked: Option<&HeaderMap>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.text().is_empty() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            );
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        cross_origin(&mut headers);
        if let (Self::Preflight, Some(asked)) = (self, asked) {
            allow(&mut headers, asked);
        }
        quiet(&mut headers);
        headers
    }
}

/// Headers by which a page speaks for its whole origin; not for a page on the gateway's.
static ORIGIN_WIDE: [HeaderName; 15] = [
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    header::PUBLIC_KEY_PINS,
    HeaderName::from_static("set-cookie2"),
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("critical-ch"),
    HeaderName::from_static("expect-ct"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("origin-agent-cluster"),
    HeaderName::from_static("set-login"),
];

const SANDBOX: &str = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";

/// Applies the rules to a guest's head. `false` if the head contradicts itself about where its body ends, or ends a protocol
/// change that nobody asked for; nothing may be passed on then.
pub(super) fn clean(parts: &mut Parts, method: &Method, form: Form, sandbox: bool, websocket: bool) -> bool {
    let headers = &mut parts.headers;
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return false;
    }
    let switching = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    if parts.status.is_informational() && !(switching && websocket) {
        return false;
    }
    // Where there is no body, the length describes the one there would be; elsewhere hyper says it anew.
    let bodiless = *method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .filter(|value| bodiless && is_number(value))
        .cloned();
    remove_hop_by_hop(headers);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    remove_where(headers, |name| {
        ["x-rivet-", "x-agentos-", "proxy-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    match form {
        Form::Path => {
            for name in &ORIGIN_WIDE {
                headers.remove(name);
            }
            remove_where(headers, |name| name.starts_with("access-control-"));
            cross_origin(headers);
            if sandbox {
                headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
            }
        }
        Form::Origin => {
            confine_cookies(headers);
            if !headers.keys().any(|name| name.as_str().starts_with("access-control-")) {
                cross_origin(headers);
            }
        }
    }
    quiet(headers);
    if switching {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    true
}

/// Trailers may say no more than headers may.
pub(super) fn clean_trailers(trailers: &mut HeaderMap, form: Form) {
    remove_hop_by_hop(trailers);
    remove_where(trailers, |name| {
        ["x-rivet-", "x-agentos-", "proxy-", "access-control-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    });
    trailers.remove(header::CONTENT_SECURITY_POLICY);
    if form == Form::Path {
        for name in &ORIGIN_WIDE {
            trailers.remove(name);
        }
    }
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

fn cross_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// `*` does not cover `Authorization`, so what is asked for is named, too.
fn allow(headers: &mut HeaderMap, asked: &HeaderMap) {
    let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    let named = asked
        .get_all(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let mut allowed = "*".to_owned();
    for name in named.take(128) {
        allowed.push_str(", ");
        allowed.push_str(name.as_str());
    }
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
}

/// The address is a secret: no referrers, no search engines.
fn quiet(headers: &mut HeaderMap) {
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
}

/// A cookie belongs to the preview's own host, whatever it asks for.
fn confine_cookies(headers: &mut HeaderMap) {
    let confined: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| HeaderValue::from_bytes(&without_domain(cookie.as_bytes())).ok())
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in confined {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn without_domain(cookie: &[u8]) -> Vec<u8> {
    let mut parts = cookie.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let kept = parts.filter(|part| {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
        !name.trim_ascii().eq_ignore_ascii_case(b"domain")
    });
    std::iter::once(pair).chain(kept).collect::<Vec<_>>().join(&b';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn cleaned(form: Form, sandbox: bool, headers: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let mut response = Response::builder().status(200);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        let show = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        clean(&mut parts, &Method::GET, form, sandbox, false).then(|| {
            let mut shown: Vec<_> = parts.headers.iter().map(show).collect();
            shown.sort();
            shown
        })
    }

    fn sorted(headers: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let quiet = [("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex")];
        let mut all: Vec<_> = headers
            .iter()
            .chain(&quiet)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.sort();
        Some(all)
    }

    const HOSTILE: &[(&str, &str)] = &[
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("x-rivet-actor", "other"),
        ("set-cookie", "a=1; Domain=gate; Path=/; HttpOnly"),
        ("set-cookie", "b=2;domain"),
        ("service-worker-allowed", "/"),
        ("clear-site-data", "\"*\""),
        ("strict-transport-security", "max-age=1"),
        ("alt-svc", "h3"),
        ("nel", "{}"),
        ("access-control-allow-origin", "https://one"),
        ("access-control-allow-credentials", "true"),
        ("referrer-policy", "unsafe-url"),
        ("content-security-policy", "default-src 'self'"),
        ("etag", "\"x\""),
    ];

    #[test]
    fn a_page_on_the_gateways_origin_cannot_speak_for_it() {
        let policy = ("content-security-policy", "default-src 'self'");
        let kept = [policy, ("etag", "\"x\""), ("access-control-allow-origin", "*")];
        assert_eq!(cleaned(Form::Path, false, HOSTILE), sorted(&kept));
        let with = [kept.as_slice(), &[("content-security-policy", SANDBOX)]].concat();
        assert_eq!(cleaned(Form::Path, true, HOSTILE), sorted(&with));
    }

    #[test]
    fn a_page_on_its_own_origin_may_but_not_for_others() {
        let kept = [
            ("set-cookie", "a=1; Path=/; HttpOnly"),
            ("set-cookie", "b=2"),
            ("service-worker-allowed", "/"),
            ("clear-site-data", "\"*\""),
            ("strict-transport-security", "max-age=1"),
            ("alt-svc", "h3"),
            ("nel", "{}"),
            ("access-control-allow-origin", "https://one"),
            ("access-control-allow-credentials", "true"),
            ("content-security-policy", "default-src 'self'"),
            ("etag", "\"x\""),
        ];
        assert_eq!(cleaned(Form::Origin, true, HOSTILE), sorted(&kept));
        let plain = [("etag", "\"x\"")];
        let ours = [("etag", "\"x\""), ("access-control-allow-origin", "*")];
        assert_eq!(cleaned(Form::Origin, true, &plain), sorted(&ours));
    }

    #[test]
    fn two_framings_are_refused_and_so_is_an_unasked_protocol() {
        let both = [("transfer-encoding", "chunked"), ("content-length", "3")];
        assert_eq!(cleaned(Form::Path, true, &both), None);
        let (mut parts, ()) = Response::builder().status(101).body(()).unwrap().into_parts();
        assert!(!clean(&mut parts, &Method::GET, Form::Path, true, false));
        assert!(clean(&mut parts, &Method::GET, Form::Path, true, true));
        assert_eq!(parts.headers["upgrade"], "websocket");
    }

    #[test]
    fn a_length_is_kept_where_there_is_no_body() {
        for (method, status, value, kept) in [
            (Method::HEAD, 200, "12", true),
            (Method::HEAD, 200, "12, 12", false),
            (Method::GET, 304, "12", true),
            (Method::GET, 200, "12", false),
        ] {
            let response = Response::builder().status(status).header("content-length", value);
            let (mut parts, ()) = response.body(()).unwrap().into_parts();
            assert!(clean(&mut parts, &method, Form::Path, true, false));
            assert_eq!(
                parts.headers.contains_key("content-length"),
                kept,
                "{method} {status} {value}"
            );
        }
    }

    #[test]
    fn a_preflight_allows_what_is_asked_and_no_credentials() {
        let mut asked = HeaderMap::new();
        asked.append(
            "access-control-request-headers",
            HeaderValue::from_static("X-One, authorization"),
        );
        asked.append(
            "access-control-request-headers",
            HeaderValue::from_static("bad header,x-two"),
        );
        let headers = Own::Preflight.headers(Some(&asked));
        assert_eq!(
            headers["access-control-allow-headers"],
            "*, x-one, authorization, x-two"
        );
        assert_eq!(
            headers["access-control-allow-methods"],
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        );
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn own_answers_are_no_error_objects_and_may_be_read_by_all() {
        for own in [
            Own::Denied,
            Own::NotFound,
            Own::TooManyFailures { seconds: 7 },
            Own::NoAnswer,
            Own::Busy,
            Own::TooSlow,
        ] {
            let headers = own.headers(None);
            assert_eq!(headers["access-control-allow-origin"], "*");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            assert!(!own.text().contains('{'));
        }
        assert_eq!(Own::TooManyFailures { seconds: 7 }.headers(None)["retry-after"], "7");
        assert_eq!(Own::Busy.headers(None)["retry-after"], "1");
    }
}
