//! Cookies: who may set them, whom they are sent to, and the file of Netscape's form.
//!
//! There is no list of public suffixes: a domain without a dot inside never gets a cookie for all hosts below it.

use super::date;
use super::head::Head;
use super::url::Url;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    domain: String,
    /// Hosts below the domain get it, too.
    below: bool,
    path: String,
    secure: bool,
    http_only: bool,
    /// Seconds since 1970; 0 for the end of the session.
    expires: i64,
    name: String,
    value: String,
}

/// Cookies.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

impl Jar {
    /// Takes cookies from a file's text: Netscape's form, or heads of responses.
    pub fn load(&mut self, text: &str, keep_session: bool) {
        for line in text.lines().take(LINES_MOST) {
            let cookie = match line.get(..11) {
                Some(start) if start.eq_ignore_ascii_case("set-cookie:") => continue,
                _ => Cookie::from_line(line),
            };
            if let Some(cookie) = cookie.filter(|cookie| keep_session || cookie.expires != 0) {
                self.put(cookie);
            }
        }
    }

    /// Takes the cookies of a response.
    pub fn take(&mut self, head: &Head, url: &Url) {
        for value in head.values("set-cookie").take(PER_RESPONSE) {
            if let Some(cookie) = Cookie::from_header(&String::from_utf8_lossy(value), url) {
                self.put(cookie);
            }
        }
    }

    /// Value of the header `Cookie` of a request, without what is empty.
    pub fn header(&self, url: &Url) -> Option<String> {
        let now = now();
        // Among equals the latest comes first.
        let mut fitting: Vec<&Cookie> = self
            .cookies
            .iter()
            .rev()
            .filter(|cookie| cookie.fits(url, now))
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse((cookie.path.len(), cookie.domain.len(), cookie.name.len())));
        let mut out = String::new();
        for cookie in fitting.into_iter().take(PER_REQUEST) {
            let pair = format!("{}={}", cookie.name, cookie.value);
            if out.len() + pair.len() > HEADER_MOST {
                break;
            }
            if !out.is_empty() {
                out.push_str("; ");
            }
            out.push_str(&pair);
        }
        (!out.is_empty()).then_some(out)
    }

    /// The jar as a file of Netscape's form.
    pub fn text(&self) -> String {
        let now = now();
        let mut out = String::from("# Netscape HTTP Cookie File\n# Written by curl of agentOS\n\n");
        for cookie in self.cookies.iter().rev().filter(|cookie| !cookie.is_over(now)) {
            out.push_str(&cookie.line());
            out.push('\n');
        }
        out
    }

    fn put(&mut self, cookie: Cookie) {
        let same = |other: &Cookie| {
            other.name == cookie.name && other.path == cookie.path && other.domain.eq_ignore_ascii_case(&cookie.domain)
        };
        let at = self.cookies.iter().position(same);
        if cookie.is_over(now()) {
            if let Some(at) = at {
                self.cookies.remove(at);
            }
            return;
        }
        match at.and_then(|at| self.cookies.get_mut(at)) {
            Some(place) => *place = cookie,
            None => {
                if self.cookies.len() >= COOKIES_MOST {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }
}

impl Cookie {
    fn from_header(text: &str, url: &Url) -> Option<Self> {
        if text.len() > COOKIE_MOST || text.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
            return None;
        }
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let host = url.host.to_ascii_lowercase();
        let mut cookie = Self {
            domain: host.clone(),
            below: false,
            path: default_path(&url.path),
            secure: false,
            http_only: false,
            expires: 0,
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
        };
        let mut age = None;
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .map_or((part, ""), |(key, value)| (key.trim(), value.trim()));
            match key.to_ascii_lowercase().as_str() {
                "domain" if !value.is_empty() => cookie.set_domain(value, &host)?,
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "max-age" => age = Some(value.trim_matches('"').parse().unwrap_or(i64::MAX)),
                "expires" => cookie.expires = date::parse(value).map_or(0, |at| at.max(1)),
                _ => {}
            }
        }
        if let Some(age) = age {
            cookie.expires = if age <= 0 { 1 } else { now().saturating_add(age) };
        }
        cookie.is_allowed(url).then_some(cookie)
    }

    fn set_domain(&mut self, value: &str, host: &str) -> Option<()> {
        let domain = value.trim_start_matches('.').to_ascii_lowercase();
        if domain == host {
            self.below = host.parse::<IpAddr>().is_err() && domain.contains('.');
            return Some(());
        }
        let wide = domain.trim_end_matches('.').contains('.') && host.parse::<IpAddr>().is_err();
        let inside = host.strip_suffix(&domain).is_some_and(|front| front.ends_with('.'));
        (wide && inside).then(|| {
            self.domain = domain;
            self.below = true;
        })
    }

    /// The rules on where a cookie may come from.
    fn is_allowed(&self, url: &Url) -> bool {
        let secure = url.is_secure() || is_local(&url.host);
        let prefixed = if self.name.starts_with("__Secure-") {
            self.secure
        } else if self.name.starts_with("__Host-") {
            self.secure && self.path == "/" && !self.below
        } else {
            true
        };
        !self.name.is_empty() && prefixed && (secure || !self.secure)
    }

    fn from_line(line: &str) -> Option<Self> {
        let (line, http_only) = match line.strip_prefix("#HttpOnly_") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        if line.starts_with('#') || line.len() > COOKIE_MOST {
            return None;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let (&[domain, below, path, secure, expires, name], value) = match fields.as_slice() {
            [head @ .., value] if head.len() == 6 => (head.first_chunk::<6>()?, *value),
            head if head.len() == 6 => (head.first_chunk::<6>()?, ""),
            _ => return None,
        };
        Some(Self {
            domain: domain.trim_start_matches('.').to_ascii_lowercase(),
            below: below.eq_ignore_ascii_case("TRUE"),
            path: path.to_owned(),
            secure: secure.eq_ignore_ascii_case("TRUE"),
            http_only,
            expires: expires.parse().ok()?,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    fn line(&self) -> String {
        let truth = |yes: bool| if yes { "TRUE" } else { "FALSE" };
        format!(
            "{}{}{}\t{}\t{}\t{}\t{}\t{}\t{}",
            if self.http_only { "#HttpOnly_" } else { "" },
            if self.below { "." } else { "" },
            self.domain,
            truth(self.below),
            self.path,
            truth(self.secure),
            self.expires,
            self.name,
            self.value
        )
    }

    fn is_over(&self, now: i64) -> bool {
        self.expires != 0 && self.expires <= now
    }

    fn fits(&self, url: &Url, now: i64) -> bool {
        let host = url.host.to_ascii_lowercase();
        let below = self.below
            && host
                .strip_suffix(&self.domain)
                .is_some_and(|front| front.ends_with('.'));
        let path = url.path.strip_prefix(self.path.trim_end_matches('/'));
        let under = path.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let secure = !self.secure || url.is_secure() || is_local(&url.host);
        !self.is_over(now) && (host == self.domain || below) && under && secure
    }
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path.get(..at).unwrap_or("/").to_owned(),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Most lines of a file that are looked at.
const LINES_MOST: usize = 100_000;
/// Most cookies that are kept.
const COOKIES_MOST: usize = 3000;
/// Most cookies that a response sets.
const PER_RESPONSE: usize = 50;
/// Most cookies of a request.
const PER_REQUEST: usize = 150;
/// Most bytes of a cookie.
const COOKIE_MOST: usize = 4096;
/// Most bytes of a request's cookies.
const HEADER_MOST: usize = 8190;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text, "http", false).unwrap()
    }

    fn jar(setter: &str, values: &[&str]) -> Jar {
        let mut raw = String::from("HTTP/1.1 200 OK\r\n");
        for value in values {
            raw.push_str(&format!("Set-Cookie: {value}\r\n"));
        }
        raw.push_str("\r\n");
        let mut jar = Jar::default();
        jar.take(&Head::parse(raw.as_bytes()).unwrap(), &url(setter));
        jar
    }

    #[test]
    fn a_cookie_goes_back_to_whom_it_belongs() {
        let jar = jar(
            "http://www.example.org/a/b",
            &["one=1", "two=2; Domain=example.org; Path=/", "s=3; Secure"],
        );
        let sent = |to: &str| jar.header(&url(to)).unwrap_or_default();
        assert_eq!(sent("http://www.example.org/a/x"), "one=1; two=2");
        assert_eq!(sent("http://www.example.org/ab"), "two=2");
        assert_eq!(sent("http://sub.www.example.org/a/"), "two=2");
        assert_eq!(sent("http://example.org/"), "two=2");
        assert_eq!(sent("http://badexample.org/"), "");
    }

    #[test]
    fn foreign_and_wide_domains_are_refused() {
        for value in [
            "a=1; domain=other.org",
            "a=1; domain=org",
            "a=1; domain=w.example.org.evil",
            "__Host-a=1",
            "=x",
        ] {
            assert_eq!(jar("http://www.example.org/", &[value]).cookies, [], "{value}");
        }
        assert_eq!(jar("http://10.0.0.1/", &["a=1; domain=0.0.1"]).cookies, []);
    }

    #[test]
    fn cookies_expire_and_are_replaced() {
        let jar = jar(
            "http://h/",
            &[
                "a=1",
                "b=2",
                "a=3",
                "b=; Max-Age=0",
                "c=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ],
        );
        assert_eq!(jar.header(&url("http://h/")).unwrap(), "a=3");
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let jar = jar(
            "https://x.example.org/p/q",
            &["a=1; HttpOnly; Secure; Max-Age=1000", "b=2; domain=example.org"],
        );
        let mut again = Jar::default();
        again.load(&jar.text(), true);
        again.cookies.reverse();
        assert_eq!(again.cookies, jar.cookies);
        assert!(jar.text().contains("\n.example.org\tTRUE\t/p\tFALSE\t0\tb\t2\n"));
        let mut lasting = Jar::default();
        lasting.load(&jar.text(), false);
        assert_eq!(lasting.cookies.len(), 1);
    }
}
