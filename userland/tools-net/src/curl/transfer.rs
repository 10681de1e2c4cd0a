//! One URL: its request, the redirects that follow, and another attempt where that may help.

use super::config::{Config, Global, Netrc, Resume};
use super::headers::{self, Facts as HeaderFacts};
use super::output::Output;
use super::progress::{Bar, Table};
use super::sink::{Sink, returned};
use super::writeout::Facts;
use super::{form, local, netrc};
use crate::engine::{
    Body, Client, Control, Exit, Failure, Jar, Meter, Piece, Proxy, Reply, Request, Result, Url, no_proxy,
};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What one URL is fetched with.
pub(super) struct Transfer<'a> {
    pub(super) global: &'a Global,
    pub(super) config: &'a Config,
    pub(super) client: &'a mut Client,
    pub(super) jar: Option<&'a mut Jar>,
    pub(super) output: &'a mut Output,
    pub(super) url: Url,
    pub(super) upload: Option<OsString>,
    /// Progress is shown.
    pub(super) meter: bool,
    pub(super) facts: Facts,
}

/// How far redirects have led.
struct Hop {
    url: Url,
    method: String,
    body: Body,
    content_type: Option<String>,
    referer: Option<String>,
    followed: u32,
    expects: bool,
}

impl Transfer<'_> {
    /// Carries it out once. What is known of it is in `facts` afterwards.
    pub(super) fn attempt(&mut self) -> Result<()> {
        let mut control = Control::new(self.config.max_time, self.config.connect_timeout);
        control.set_rate(self.config.rate);
        control.set_slow(self.config.slow);
        control.set_meter(self.meter.then(|| meter(self.global)));
        let before = self.client.opened();
        let mut outcome = self.run(&mut control);
        if outcome.is_ok() && self.facts.head.is_some() || !self.config.fail {
            outcome = outcome.and_then(|()| self.output.open());
        }
        control.finish();
        self.facts.counts = control.counts;
        self.facts.times = control.times;
        self.facts.total = control.elapsed();
        self.facts.connects = self.client.opened() - before;
        outcome
    }

    fn run(&mut self, control: &mut Control) -> Result<()> {
        let (config, global) = (self.config, self.global);
        if self.url.scheme == "file" {
            return self.local(control);
        }
        let mut hop = self.first_hop()?;
        let resumed = self.resumed();
        let (output, jar) = (&mut *self.output, self.jar.as_deref_mut());
        let mut sink = Sink::new(global, config, output, jar, self.url.clone());
        sink.resumed = resumed;
        loop {
            sink.url = hop.url.clone();
            sink.exhausted = config.max_redirects.is_some_and(|most| hop.followed >= most);
            let outcome = send(&mut hop, &self.url, config, self.client, control, &mut sink);
            self.facts.effective = hop.url.to_string();
            self.facts.scheme = hop.url.scheme.clone();
            self.facts.method = hop.method.clone();
            self.facts.referer = hop.referer.clone().unwrap_or_default();
            self.facts.redirects = hop.followed;
            self.facts.head = sink.last.clone();
            self.facts.redirect = redirect_of(&self.facts, &hop.url);
            let reply = outcome?;
            (self.facts.remote, self.facts.local) = (reply.remote, reply.local);
            let Some(location) = sink.redirect.take() else {
                sink.finish()?;
                return self.judge(&reply);
            };
            control.times.redirect = control.elapsed();
            hop = next_hop(hop, &location, &reply, config)?;
            sink.info(&format!("Issue another request to this URL: '{}'", hop.url));
        }
    }

    fn judge(&mut self, reply: &Reply) -> Result<()> {
        let modified = reply
            .head
            .value("last-modified")
            .and_then(|value| crate::engine::parse_date(&value));
        if let Some(at) = modified.filter(|_| self.config.remote_time) {
            self.output.open()?;
            self.output.set_time(at);
        }
        if self.config.fail_with_body && reply.head.status >= 400 {
            return Err(returned(reply.head.status));
        }
        Ok(())
    }

    fn local(&mut self, control: &mut Control) -> Result<()> {
        if self.upload.is_some() {
            return Err(Failure::new(Exit::NotBuiltIn, "uploads to file: are not supported"));
        }
        self.facts.effective = self.url.to_string();
        self.facts.scheme = "file".to_owned();
        let resumed = self.resumed();
        let range = match &self.config.range {
            Some(range) => local_range(range),
            None => (resumed > 0).then_some((resumed, None)),
        };
        let mut sink = Sink::new(self.global, self.config, self.output, None, self.url.clone());
        local::fetch(&self.url, range, self.config.head, control, &mut sink)
    }

    /// Where the transfer is resumed.
    fn resumed(&self) -> u64 {
        match self.config.resume {
            None => 0,
            Some(Resume::At(at)) => at,
            Some(Resume::Auto) => {
                let known = self.output.path().and_then(|path| std::fs::metadata(path).ok());
                known.filter(|known| known.is_file()).map_or(0, |known| known.len())
            }
        }
    }

    fn first_hop(&self) -> Result<Hop> {
        let config = self.config;
        let mut url = self.url.clone();
        let mut content_type = None;
        let body = if let Some(name) = &self.upload {
            upload(name)?
        } else if !config.form.is_empty() {
            let (body, kind) = form::body(&config.form)?;
            content_type = Some(kind);
            body
        } else if let Some(data) = &config.data {
            if config.get {
                append_query(&mut url, &String::from_utf8_lossy(data));
                Body::default()
            } else {
                let kind = if config.json {
                    "application/json"
                } else {
                    "application/x-www-form-urlencoded"
                };
                content_type = Some(kind.to_owned());
                Body::bytes(data.as_slice())
            }
        } else {
            Body::default()
        };
        for query in &config.query {
            append_query(&mut url, query);
        }
        let usual = if config.head {
            "HEAD"
        } else if self.upload.is_some() {
            "PUT"
        } else if body.is_some() {
            "POST"
        } else {
            "GET"
        };
        Ok(Hop {
            url,
            method: config.method.clone().unwrap_or_else(|| usual.to_owned()),
            body,
            content_type,
            referer: config.referer.clone(),
            followed: 0,
            expects: true,
        })
    }
}

/// Sends the request of a hop; once more without waiting for leave where the server does not know of that.
fn send(
    hop: &mut Hop,
    first: &Url,
    config: &Config,
    client: &mut Client,
    control: &mut Control,
    sink: &mut Sink<'_>,
) -> Result<Reply> {
    let proxy = proxy_for(config, &hop.url)?;
    loop {
        let request = request(hop, first, config, proxy.as_ref(), sink)?;
        let reply = client.perform(&request, proxy.as_ref(), control, sink)?;
        if reply.head.status == 417 && request.has("expect") && request.body.replays() {
            hop.expects = false;
            continue;
        }
        return Ok(reply);
    }
}

fn request(hop: &Hop, first: &Url, config: &Config, proxy: Option<&Proxy>, sink: &Sink<'_>) -> Result<Request> {
    let trusted = config.trusted || hop.url.same_origin(first);
    let etag = match &config.etag_compare {
        Some(file) => std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned()),
        None => None,
    };
    let resumed = (sink.resumed > 0).then(|| format!("{}-", sink.resumed));
    let near = proxy.filter(|proxy| !proxy.socks && !proxy.tunnel && !hop.url.is_secure());
    let facts = HeaderFacts {
        url: &hop.url,
        body: &hop.body,
        content_type: hop.content_type.as_deref(),
        trusted,
        login: login(config, &hop.url, trusted)?,
        cookies: cookies(config, &hop.url, trusted, sink),
        referer: hop.referer.as_deref(),
        range: config.range.as_deref().or(resumed.as_deref()),
        etag: etag.as_deref().filter(|etag| !etag.is_empty()),
        proxy: near,
        expects: hop.expects,
    };
    Ok(Request {
        method: hop.method.clone(),
        headers: headers::build(config, &facts),
        url: hop.url.clone(),
        target: config.target.clone(),
        version: config.version,
        body: hop.body.clone(),
        http09: config.http09,
    })
}

/// User and password for a host: the URL's own, the command line's where the host is trusted with them, netrc's.
fn login(config: &Config, url: &Url, trusted: bool) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    if let Some(user) = config.user.as_ref().filter(|_| trusted) {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        return Ok(Some((user.into(), password.into())));
    }
    let own = url.credentials();
    if config.netrc == Netrc::No || own.is_some() && config.netrc == Netrc::Optional {
        return Ok(own);
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    let file = config
        .netrc_file
        .clone()
        .map_or_else(|| Path::new(&home).join(".netrc"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(&file) else {
        return if config.netrc == Netrc::Required && config.netrc_file.is_some() {
            Err(Failure::new(Exit::Read, format!("could not read {}", file.display())))
        } else {
            Ok(own)
        };
    };
    let user = own.as_ref().map(|(user, _)| String::from_utf8_lossy(user).into_owned());
    let found = netrc::find(&text, &url.host, user.as_deref());
    Ok(found.map(|(user, password)| (user.into(), password.into())).or(own))
}

fn cookies(config: &Config, url: &Url, trusted: bool, sink: &Sink<'_>) -> Option<String> {
    let literal = config
        .cookies
        .iter()
        .filter(|text| text.contains('=') && trusted)
        .cloned();
    let literal = literal.collect::<Vec<_>>().join(";");
    let all: Vec<String> = sink
        .cookies(url)
        .into_iter()
        .chain((!literal.is_empty()).then_some(literal))
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The hop to which a redirect leads.
fn next_hop(hop: Hop, location: &str, reply: &Reply, config: &Config) -> Result<Hop> {
    let url = hop.url.join(location, config.path_as_is)?;
    if !config.redirect_protocols.admit(&url.scheme) || !config.protocols.admit(&url.scheme) {
        return Err(unsupported(&url.scheme));
    }
    let referer = if config.auto_referer {
        Some(hop.url.without_user())
    } else {
        hop.referer
    };
    let mut next = Hop {
        url,
        referer,
        followed: hop.followed + 1,
        ..hop
    };
    let status = reply.head.status;
    let kept = match status {
        301 => config.keep_post[0],
        302 => config.keep_post[1],
        _ => config.keep_post[2],
    };
    let drops = match status {
        301 | 302 => next.method == "POST" || config.method.is_some() && next.content_type.is_some(),
        303 => next.method != "HEAD",
        _ => false,
    };
    if drops && !kept {
        (next.body, next.content_type) = (Body::default(), None);
        if config.method.is_none() {
            next.method = "GET".to_owned();
        }
    } else if next.body.is_some() && !next.body.replays() {
        return Err(Failure::new(Exit::Rewind, "necessary data rewind wasn't possible"));
    }
    Ok(next)
}

/// Where a redirect that was not followed leads.
fn redirect_of(facts: &Facts, url: &Url) -> String {
    let head = facts.head.as_ref().filter(|head| (300..400).contains(&head.status));
    let location = head.and_then(|head| head.value("location"));
    location
        .and_then(|location| url.join(&location, false).ok())
        .map_or_else(String::new, |url| url.to_string())
}

/// The failure of a scheme that is not spoken.
pub(super) fn unsupported(scheme: &str) -> Failure {
    let text = format!("Protocol \"{scheme}\" not supported or disabled in libcurl");
    Failure::new(Exit::UnsupportedProtocol, text)
}

/// The proxy for a URL: the command line's or the environment's.
fn proxy_for(config: &Config, url: &Url) -> Result<Option<Proxy>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let excepted = config
        .no_proxy
        .clone()
        .or_else(|| variable("no_proxy"))
        .or_else(|| variable("NO_PROXY"))
        .is_some_and(|list| no_proxy(&list, &url.host));
    let of_environment = || {
        let own = if url.is_secure() {
            variable("https_proxy").or_else(|| variable("HTTPS_PROXY"))
        } else {
            // The name in capitals is a header of requests to CGI programs.
            variable("http_proxy")
        };
        own.or_else(|| variable("all_proxy")).or_else(|| variable("ALL_PROXY"))
    };
    let text = config
        .proxy
        .clone()
        .or_else(of_environment)
        .filter(|text| !text.is_empty() && !excepted);
    let Some(mut proxy) = text.map(|text| Proxy::parse(&text)).transpose()? else {
        return Ok(None);
    };
    if let Some(user) = &config.proxy_user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        proxy.credentials = Some((user.into(), password.into()));
    }
    proxy.tunnel = config.proxy_tunnel;
    proxy.agent = config.agent.clone().unwrap_or_else(|| super::help::AGENT.to_owned());
    Ok(Some(proxy))
}

fn upload(name: &OsString) -> Result<Body> {
    if name == "-" || name == "." {
        return Ok(Body::new(vec![Piece::Stdin]));
    }
    let path = PathBuf::from(name);
    let unreadable = |_| Failure::new(Exit::Read, format!("Can't open '{}'!", path.display()));
    let known = std::fs::metadata(&path).map_err(unreadable)?;
    let len = known.is_file().then_some(known.len());
    Ok(Body::new(vec![Piece::File { path, from: 0, len }]))
}

fn append_query(url: &mut Url, text: &str) {
    url.query = Some(match url.query.take() {
        Some(query) if !query.is_empty() => format!("{query}&{text}"),
        _ => text.to_owned(),
    });
}

fn local_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()))
}

fn meter(global: &Global) -> Box<dyn Meter> {
    if global.bar {
        Box::new(Bar::new())
    } else {
        Box::new(Table::default())
    }
}
