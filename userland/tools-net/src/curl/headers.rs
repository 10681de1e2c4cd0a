//! The header fields of a request, in the order in which curl sends them.

use super::config::Config;
use super::config::TimeCondition;
use super::help;
use crate::engine::{ACCEPTED, Body, Header, Proxy, Url, Version, base64, format_date};

/// What a request's fields depend on beside the configuration.
pub(super) struct Facts<'a> {
    pub(super) url: &'a Url,
    pub(super) body: &'a Body,
    /// Content type that the body's making suggests.
    pub(super) content_type: Option<&'a str>,
    /// What is told only to the host that the user named.
    pub(super) trusted: bool,
    /// User and password for this host.
    pub(super) login: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) cookies: Option<String>,
    pub(super) referer: Option<&'a str>,
    pub(super) range: Option<&'a str>,
    pub(super) etag: Option<&'a str>,
    /// A proxy that gets the request itself.
    pub(super) proxy: Option<&'a Proxy>,
    /// The request goes on because of a redirect that dropped its body.
    pub(super) expects: bool,
}

/// All fields.
pub(super) fn build(config: &Config, facts: &Facts<'_>) -> Vec<Header> {
    let mut custom = config.custom_headers();
    if config.json {
        for name in ["Content-Type", "Accept"] {
            if !custom.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                custom.push((name.to_owned(), Some(Header::new(name, "application/json"))));
            }
        }
    }
    if !facts.trusted {
        const SECRET: [&str; 3] = ["host", "authorization", "cookie"];
        custom.retain(|(name, _)| !SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)));
    }
    let mut fields = Fields {
        custom: &custom,
        out: Vec::new(),
    };
    fields.host(facts);
    if let Some(value) = facts.proxy.and_then(Proxy::authorization) {
        fields.add("Proxy-Authorization", value);
    }
    if let Some(value) = authorization(config, facts) {
        fields.add("Authorization", value);
    }
    if let Some(range) = facts.range {
        fields.add("Range", format!("bytes={range}"));
    }
    match config.agent.as_deref() {
        Some("") => {}
        agent => fields.add("User-Agent", agent.unwrap_or(help::AGENT)),
    }
    fields.add("Accept", "*/*");
    if config.compressed {
        fields.add("Accept-Encoding", ACCEPTED);
    }
    if let Some(referer) = facts.referer {
        fields.add("Referer", referer);
    }
    if facts.proxy.is_some() {
        fields.add("Proxy-Connection", "Keep-Alive");
    }
    if let Some(cookies) = &facts.cookies {
        fields.add("Cookie", cookies.as_str());
    }
    if let Some(etag) = facts.etag {
        fields.add("If-None-Match", etag);
    }
    match config.time {
        Some(TimeCondition::ModifiedSince(at)) => fields.add("If-Modified-Since", format_date(at)),
        Some(TimeCondition::UnmodifiedSince(at)) => fields.add("If-Unmodified-Since", format_date(at)),
        None => {}
    }
    let form = !config.form.is_empty() && facts.body.is_some();
    fields.customs(form, facts);
    fields.body(config, facts, form);
    fields.out
}

struct Fields<'a> {
    custom: &'a [(String, Option<Header>)],
    out: Vec<Header>,
}

impl Fields<'_> {
    /// Adds a field unless the user says otherwise.
    fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        if !self.is_custom(name) {
            self.out.push(Header::new(name, value));
        }
    }

    fn is_custom(&self, name: &str) -> bool {
        self.custom.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn host(&mut self, facts: &Facts<'_>) {
        let own = self.custom.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        match own {
            Some((_, Some(header))) => self.out.push(header.clone()),
            Some((_, None)) => {}
            None => self.out.push(Header::new("Host", facts.url.authority())),
        }
    }

    fn customs(&mut self, form: bool, facts: &Facts<'_>) {
        for (name, header) in self.custom {
            let of_form = form && name.eq_ignore_ascii_case("content-type");
            let of_body = name.eq_ignore_ascii_case("content-length") && !facts.body.is_some();
            if let Some(header) = header
                .as_ref()
                .filter(|_| !of_form && !of_body && !name.eq_ignore_ascii_case("host"))
            {
                self.out.push(header.clone());
            }
        }
    }

    fn body(&mut self, config: &Config, facts: &Facts<'_>, form: bool) {
        if !facts.body.is_some() {
            return;
        }
        let chunked = self.out.iter().any(|header| {
            header.name.eq_ignore_ascii_case("transfer-encoding") && header.value.eq_ignore_ascii_case(b"chunked")
        });
        match facts.body.length() {
            Some(length) if !chunked => self.add("Content-Length", length.to_string()),
            _ if config.version != Version::Http10 => self.add("Transfer-Encoding", "chunked"),
            _ => {}
        }
        if let Some(kind) = facts.content_type {
            if form {
                self.out.push(Header::new("Content-Type", self.form_type(kind)));
            } else {
                self.add("Content-Type", kind);
            }
        }
        let large = facts.body.length().is_none_or(|length| length > LARGE);
        if facts.expects && large && config.version != Version::Http10 {
            self.add("Expect", "100-continue");
        }
    }

    /// The form's type, or the user's with the form's boundary.
    fn form_type(&self, kind: &str) -> String {
        let own = self
            .custom
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let own = own
            .and_then(|(_, header)| header.as_ref())
            .map(|header| String::from_utf8_lossy(&header.value));
        let boundary = kind.split_once(';').map(|(_, boundary)| boundary).unwrap_or_default();
        match own {
            Some(own) if own.contains("boundary=") => own.into_owned(),
            Some(own) => format!("{own};{boundary}"),
            None => kind.to_owned(),
        }
    }
}

fn authorization(config: &Config, facts: &Facts<'_>) -> Option<String> {
    if let Some(token) = config.bearer.as_ref().filter(|_| facts.trusted) {
        return Some(format!("Bearer {token}"));
    }
    let (user, password) = facts.login.as_ref()?;
    Some(format!("Basic {}", base64(&[user, &b":"[..], password].concat())))
}

/// Bodies from here on are sent when the server says so.
const LARGE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(custom: &[&str], trusted: bool, body: &Body) -> Vec<String> {
        let config = Config {
            headers: custom.iter().map(|line| (*line).to_owned()).collect(),
            ..Config::default()
        };
        let url = Url::parse("http://h:81/", "http", false).unwrap();
        let facts = Facts {
            url: &url,
            body,
            content_type: Some("application/x-www-form-urlencoded"),
            trusted,
            login: None,
            cookies: None,
            referer: None,
            range: None,
            etag: None,
            proxy: None,
            expects: true,
        };
        let show = |header: Header| format!("{}: {}", header.name, String::from_utf8_lossy(&header.value));
        build(&config, &facts).into_iter().map(show).collect()
    }

    #[test]
    fn defaults_give_way_to_the_users() {
        let none = Body::default();
        assert_eq!(
            fields(&[], true, &none),
            ["Host: h:81", "User-Agent: curl/7.88.1", "Accept: */*"]
        );
        assert_eq!(
            fields(&["accept: a", "User-Agent:", "Host: x"], true, &none),
            ["Host: x", "accept: a"]
        );
    }

    #[test]
    fn a_body_is_described_behind_the_users_fields() {
        let found = fields(&["X: y"], true, &Body::bytes(&b"abc"[..]));
        let tail = [
            "X: y",
            "Content-Length: 3",
            "Content-Type: application/x-www-form-urlencoded",
        ];
        assert_eq!(found[3..], tail);
    }

    #[test]
    fn secrets_stay_with_the_host_that_was_named() {
        let found = fields(
            &["Authorization: s", "Cookie: c", "Host: x", "X: y"],
            false,
            &Body::default(),
        );
        assert_eq!(found, ["Host: h:81", "User-Agent: curl/7.88.1", "Accept: */*", "X: y"]);
    }
}
