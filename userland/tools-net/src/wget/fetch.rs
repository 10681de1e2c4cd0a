//! One document: its request, redirects, attempts.

use super::log::Log;
use super::options::Options;
use super::sink::{Sink, Target, Unwanted};
use crate::engine::{
    ACCEPTED, Body, Client, Control, Exit, Failure, Head, Header, Jar, Proxy, Request, Result, Url, Version, base64,
    format_date, no_proxy,
};
use std::time::Duration;

/// What came of a document.
pub(super) struct Fetched {
    pub(super) url: Url,
    pub(super) head: Head,
    pub(super) unwanted: Option<Unwanted>,
    /// Bytes that the file held before.
    pub(super) from: u64,
    /// Bytes received this time.
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// What documents are fetched with.
pub(super) struct Fetcher<'a> {
    pub(super) options: &'a Options,
    pub(super) log: &'a Log,
    pub(super) client: Client,
    pub(super) jar: Jar,
    /// Documents fetched so far.
    pub(super) documents: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

impl Fetcher<'_> {
    /// Fetches once, following redirects. `since` asks only for what is newer.
    pub(super) fn fetch(&mut self, first: &Url, target: &mut Target, since: Option<i64>) -> Result<Fetched> {
        let options = self.options;
        let mut control = Control::new(None, options.connect_timeout.or(options.timeout));
        control.set_rate(options.rate);
        control.set_idle(options.timeout);
        let name = target
            .path
            .as_ref()
            .map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let mut url = first.clone();
        let mut method = self.method();
        let mut body = options
            .body
            .clone()
            .map(|piece| Body::new(vec![piece]))
            .unwrap_or_default();
        let mut sink = Sink::new(self.log, options, target, &mut self.jar, url.clone());
        sink.login = options.no_challenge;
        let mut followed = 0;
        loop {
            sink.url = url.clone();
            let proxy = proxy_for(options, &url)?;
            let request = request(options, (&method, &body), (&url, first), since, &sink);
            control.set_meter(None);
            let meter = self.log.meter(options, &name, sink.target.from);
            if !options.spider {
                control.set_late_meter(meter);
            }
            let outcome = self.client.perform(&request, proxy.as_ref(), &mut control, &mut sink);
            if sink.written > 0 || outcome.is_ok() && sink.redirect.is_none() && sink.unwanted.is_none() {
                control.finish();
            }
            let reply = outcome?;
            if sink.challenged(&reply.head) {
                self.log.full("Authentication selected: Basic\n");
                (sink.login, sink.unwanted) = (true, None);
                continue;
            }
            let Some(location) = sink.redirect.take() else {
                return Ok(Fetched {
                    url,
                    head: reply.head,
                    unwanted: sink.unwanted,
                    from: sink.target.from,
                    bytes: sink.written,
                    time: control.elapsed(),
                });
            };
            followed += 1;
            url = redirected(options, &url, &location, followed)?;
            let status = reply.head.status;
            if (matches!(status, 301 | 302) && method == "POST") || (status == 303 && method != "HEAD") {
                (method, body) = ("GET".to_owned(), Body::default());
            }
            self.log.full(&format!("--{}--  {url}\n", super::log::now()));
        }
    }

    fn method(&self) -> String {
        match &self.options.method {
            Some(method) => method.clone(),
            None if self.options.spider => "HEAD".to_owned(),
            None => "GET".to_owned(),
        }
    }
}

/// Where the redirect of that number leads.
fn redirected(options: &Options, url: &Url, location: &str, number: u32) -> Result<Url> {
    if number > options.max_redirects {
        let text = format!("{} redirections exceeded.", options.max_redirects);
        return Err(Failure::new(Exit::Redirects, text));
    }
    let url = url.join(location, false)?;
    if !matches!(url.scheme.as_str(), "http" | "https") || options.https_only && !url.is_secure() {
        let text = format!("{url}: Unsupported scheme \u{2018}{}\u{2019}.", url.scheme);
        return Err(Failure::new(Exit::UnsupportedProtocol, text));
    }
    Ok(url)
}

fn request(
    options: &Options,
    (method, body): (&str, &Body),
    (url, first): (&Url, &Url),
    since: Option<i64>,
    sink: &Sink<'_>,
) -> Request {
    let trusted = url.same_origin(first);
    let mut headers: Vec<Header> = Vec::new();
    let own = |name: &str| {
        options
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let mut add = |name: &str, value: String| {
        if !own(name) {
            headers.push(Header::new(name, value));
        }
    };
    add("Host", url.authority());
    if let Some(referer) = &options.referer {
        add("Referer", referer.clone());
    }
    if let Some(since) = since {
        add("If-Modified-Since", format_date(since));
    }
    if sink.target.from > 0 {
        add("Range", format!("bytes={}-", sink.target.from));
    }
    if !options.agent.is_empty() {
        add("User-Agent", options.agent.clone());
    }
    add("Accept", "*/*".to_owned());
    add(
        "Accept-Encoding",
        if options.compressed {
            ACCEPTED.to_owned()
        } else {
            "identity".to_owned()
        },
    );
    let user = options.user.as_ref().filter(|_| trusted && sink.login);
    let login = user.map(|user| (user.clone().into_bytes(), options.password.clone().into_bytes()));
    if let Some((user, password)) = url.credentials().or(login) {
        add(
            "Authorization",
            format!("Basic {}", base64(&[&user, &b":"[..], &password].concat())),
        );
    }
    add("Connection", "Keep-Alive".to_owned());
    if body.is_some() {
        add("Content-Type", "application/x-www-form-urlencoded".to_owned());
        match body.length() {
            Some(length) => add("Content-Length", length.to_string()),
            None => add("Transfer-Encoding", "chunked".to_owned()),
        }
    }
    if let Some(cookies) = sink.jar.header(url).filter(|_| !options.no_cookies) {
        add("Cookie", cookies);
    }
    const SECRET: [&str; 3] = ["host", "authorization", "cookie"];
    let kept = options.headers.iter().filter(|(name, value)| {
        !value.is_empty() && (trusted || !SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)))
    });
    headers.extend(kept.map(|(name, value)| Header::new(name.as_str(), value.as_str())));
    if !headers.iter().any(|header| header.name.eq_ignore_ascii_case("host")) {
        headers.insert(0, Header::new("Host", url.authority()));
    }
    Request {
        method: method.to_owned(),
        url: url.clone(),
        target: None,
        version: Version::Http11,
        headers,
        body: body.clone(),
        http09: false,
    }
}

/// The environment's proxy for a URL.
fn proxy_for(options: &Options, url: &Url) -> Result<Option<Proxy>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let excepted = variable("no_proxy").is_some_and(|list| no_proxy(&list, &url.host));
    let text = variable(if url.is_secure() { "https_proxy" } else { "http_proxy" });
    match text.filter(|_| !options.no_proxy && !excepted) {
        None => Ok(None),
        Some(text) => {
            let mut proxy = Proxy::parse(&text)?;
            proxy.agent.clone_from(&options.agent);
            Ok(Some(proxy))
        }
    }
}
