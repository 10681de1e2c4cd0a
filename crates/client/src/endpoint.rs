//! Where a server is.

use crate::error::{Error, Result};
use agentos_wire::Encoding;
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in one segment of a path.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Scheme, host and base path of a server, with what every request to it carries.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    /// `host:port`.
    pub(crate) authority: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Without a trailing slash; empty for none.
    pub(crate) base: String,
    pub(crate) namespace: String,
    pub(crate) token: Option<String>,
    pub(crate) encoding: Encoding,
}

impl core::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.url())
    }
}

impl Endpoint {
    /// Reads `http(s)://[namespace:token@]host[:port][/base]`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let invalid = |expected| Error::Invalid {
            field: "endpoint",
            given: without_credentials(url),
            expected,
        };
        let uri: Uri = url.parse().map_err(|_| invalid("a URL like http://127.0.0.1:6420"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid("a URL that begins with http:// or https://")),
        };
        if uri.query().is_some() || url.contains('#') {
            return Err(invalid("a URL without query and fragment"));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| invalid("a URL with a host"))?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let (namespace, token) = credentials(uri.authority().map_or("", http::uri::Authority::as_str))
            .ok_or_else(|| invalid("credentials in percent-encoded UTF-8"))?;
        Ok(Self {
            tls,
            authority: format!("{host}:{port}"),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            base: uri.path().trim_end_matches('/').to_owned(),
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            token,
            encoding: Encoding::Bare,
        })
    }

    /// The URL without credentials, for people.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.base)
    }

    /// What requests say to whom they are: the port stands there unless it is the scheme's own.
    pub(crate) fn host_header(&self) -> &str {
        let own = if self.tls { ":443" } else { ":80" };
        self.authority.strip_suffix(own).unwrap_or(&self.authority)
    }

    /// Path of an actor's route in the direct form. The token is left to a header, which no log of targets shows.
    pub(crate) fn actor_path(&self, id: &str, rest: &str) -> String {
        format!("{}/gateway/{}{rest}", self.base, utf8_percent_encode(id, SEGMENT))
    }
}

/// Namespace and token of the part before the `@`.
fn credentials(authority: &str) -> Option<(Option<String>, Option<String>)> {
    let Some((credentials, _)) = authority.rsplit_once('@') else {
        return Some((None, None));
    };
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    Some(match credentials.split_once(':') {
        None => (Some(decode(credentials)?), None),
        Some((namespace, token)) => (Some(decode(namespace)?), Some(decode(token)?)),
    })
}

/// The URL as an error may show it.
fn without_credentials(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let endpoint = Endpoint::parse("https://space:s%40cret@example.com/api/").unwrap();
        assert!(endpoint.tls);
        assert_eq!(
            (endpoint.authority.as_str(), endpoint.base.as_str()),
            ("example.com:443", "/api")
        );
        assert_eq!(
            (endpoint.namespace.as_str(), endpoint.token.as_deref()),
            ("space", Some("s@cret"))
        );
        assert_eq!(format!("{endpoint:?}"), "https://example.com:443/api");
        assert_eq!(endpoint.host_header(), "example.com");
        let plain = Endpoint::parse("http://[::1]:6420").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.token), ("::1", 6420, None));
    }

    #[test]
    fn a_refused_url_does_not_show_its_token() {
        for url in [
            "ftp://a:secret@host",
            "http://a:secret@host/?q",
            "http://a:secret@host/#f",
            "http://a:secret@",
        ] {
            let error = Endpoint::parse(url).unwrap_err().to_string();
            assert!(error.contains("endpoint") && !error.contains("secret"), "{error}");
        }
    }
}
