//! `httpd`: a small server of files. HTTP/1.1, GET and HEAD, ranges, index pages; a connection carries one request.
//!
//! Paths never lead out of the served directory: they are taken apart, `..` is refused, and what a path resolves to,
//! symbolic links followed, must lie inside.

use super::wire;
use crate::cli::{self, Arg, Parser};
use crate::codec;
use crate::io::{bytes_of, complain, os, reason, shown};
use chrono::DateTime;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SPECS: &[&str] = &[
    "p,port=",
    "h,directory=",
    "d,",
    "b,bind=",
    "q,quiet",
    "v,verbose",
    "f,foreground",
    "i",
    "index=",
    "once",
    "help",
    "version",
];

const HELP: &str = "\
Usage: httpd [-p [ADDR:]PORT] [-b ADDR] [-h DIR] [-q] [DIR]

  -p PORT   listen on PORT (8000; 0 lets the system choose)
  -b ADDR   listen on ADDR (0.0.0.0)
  -h DIR    serve DIR (.)
  -q        do not print a line for each request
  --once    end after one request
";

/// Longest request, in bytes.
const REQUEST_LIMIT: usize = 16 * 1024;
/// How long a client may take over its request.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// Most clients that may be sending a request at a time.
const CLIENT_LIMIT: usize = 256;

struct Options {
    host: String,
    port: u16,
    root: PathBuf,
    quiet: bool,
    once: bool,
}

/// The applet.
pub fn httpd(args: Vec<OsString>) -> i32 {
    let mut o = Options {
        host: "0.0.0.0".to_owned(),
        port: 8000,
        root: PathBuf::from("."),
        quiet: false,
        once: false,
    };
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("httpd", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(folder))) => match shown(&folder).parse() {
                Ok(port) => o.port = port,
                Err(_) => o.root = PathBuf::from(folder),
            },
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("httpd"),
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_ref().map(|value| shown(value)).unwrap_or_default();
                match key {
                    "port" => match wire::split_address(&text, &o.host) {
                        Some((host, port)) => (o.host, o.port) = (host, port),
                        None => {
                            complain("httpd", format_args!("bad port '{text}'"));
                            return 1;
                        }
                    },
                    "directory" => o.root = PathBuf::from(text),
                    "bind" => o.host = text,
                    "quiet" => o.quiet = true,
                    "once" => o.once = true,
                    _ => {}
                }
            }
        }
    }
    match run(&mut o) {
        Ok(()) => 0,
        Err(error) => {
            complain("httpd", reason(&error));
            1
        }
    }
}

fn run(o: &mut Options) -> io::Result<()> {
    o.root = fs::canonicalize(&o.root)?;
    let listener = TcpListener::bind((o.host.as_str(), o.port))?;
    if !o.quiet {
        eprintln!(
            "serving {} on {} port {}",
            o.root.display(),
            o.host,
            listener.local_addr()?.port()
        );
    }
    serve_all(o, &listener)
}

fn serve_all(o: &Options, listener: &TcpListener) -> io::Result<()> {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        // Clients that are slow to send wait beside the listener; one that has sent is served to its end.
        let mut sources: Vec<BorrowedFd<'_>> = vec![listener.as_fd()];
        sources.extend(clients.iter().map(|client| client.stream.as_fd()));
        let ready = wire::wait(&sources, Some(Duration::from_secs(1)))?;
        if ready.first() == Some(&true) {
            match listener.accept() {
                Ok((stream, peer)) if clients.len() < CLIENT_LIMIT => clients.push(Client::new(stream, peer)),
                Ok(_) => {}
                Err(error) => complain("httpd", reason(&error)),
            }
        }
        for at in (0..clients.len()).rev() {
            // What was accepted just now was not waited for yet; on a host, nothing ever is.
            let readable = ready.get(at + 1).copied().unwrap_or(!cfg!(target_os = "wasi"));
            let done = if readable {
                clients[at].read()
            } else {
                clients[at].since.elapsed() > REQUEST_TIME
            };
            if !done {
                continue;
            }
            let mut client = clients.swap_remove(at);
            client.answer(o);
            if o.once {
                return Ok(());
            }
        }
    }
}

/// A client and what it sent so far.
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    request: Vec<u8>,
    since: Instant,
}

/// A request's first line and the headers that matter.
struct Request {
    method: String,
    target: String,
    range: Option<String>,
    modified_since: Option<String>,
}

impl Client {
    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self {
            stream,
            peer,
            request: Vec::new(),
            since: Instant::now(),
        }
    }

    /// Reads what is there; true when the request is complete or never will be.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => true,
            Ok(count) => {
                self.request.extend_from_slice(&buffer[..count]);
                self.request.windows(4).any(|part| part == b"\r\n\r\n")
                    || self.request.windows(2).any(|part| part == b"\n\n")
                    || self.request.len() > REQUEST_LIMIT
            }
        }
    }

    fn answer(&mut self, o: &Options) {
        if self.request.is_empty() {
            return;
        }
        let (status, line) = match parse(&self.request) {
            _ if self.request.len() > REQUEST_LIMIT => (
                self.error(431, "Request Header Fields Too Large", false),
                "-".to_owned(),
            ),
            None => (self.error(400, "Bad Request", false), "-".to_owned()),
            Some(request) => {
                let line = format!("{} {}", request.method, request.target);
                (self.serve(o, &request), line)
            }
        };
        if !o.quiet {
            let peer = self.peer.ip();
            let clean: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
            match status {
                Ok(status) => eprintln!("{peer} \"{clean}\" {status}"),
                Err(error) => eprintln!("{peer} \"{clean}\" {}", reason(&error)),
            }
        }
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn head(&mut self, status: &str, headers: &[(&str, String)]) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {status}\r\nServer: httpd\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.stream.write_all(text.as_bytes())
    }

    fn error(&mut self, code: u16, words: &str, head_only: bool) -> io::Result<u16> {
        let body = format!("<!DOCTYPE html>\n<title>{code} {words}</title>\n<h1>{code} {words}</h1>\n");
        let mut headers = vec![
            ("Content-Type", "text/html; charset=utf-8".to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        if code == 405 {
            headers.push(("Allow", "GET, HEAD".to_owned()));
        }
        self.head(&format!("{code} {words}"), &headers)?;
        if !head_only {
            self.stream.write_all(body.as_bytes())?;
        }
        Ok(code)
    }

    fn serve(&mut self, o: &Options, request: &Request) -> io::Result<u16> {
        let head_only = request.method == "HEAD";
        if !head_only && request.method != "GET" {
            return self.error(405, "Method Not Allowed", false);
        }
        let target = request.target.split(['?', '#']).next().unwrap_or("/");
        let Some(path) = locate(&o.root, target) else {
            return self.error(404, "Not Found", head_only);
        };
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(_) => return self.error(404, "Not Found", head_only),
        };
        if !meta.is_dir() {
            return self.file(&path, request, head_only);
        }
        if !target.ends_with('/') {
            let location = format!("{}/", target.replace(['\r', '\n'], ""));
            self.head(
                "301 Moved Permanently",
                &[("Location", location), ("Content-Length", "0".to_owned())],
            )?;
            return Ok(301);
        }
        for index in ["index.html", "index.htm"] {
            let page = path.join(index);
            if page.is_file() {
                return self.file(&page, request, head_only);
            }
        }
        let body = listing(&path, target);
        let headers = [
            ("Content-Type", "text/html; charset=utf-8".to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        self.head("200 OK", &headers)?;
        if !head_only {
            self.stream.write_all(body.as_bytes())?;
        }
        Ok(200)
    }

    fn file(&mut self, path: &Path, request: &Request, head_only: bool) -> io::Result<u16> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|meta| (file, meta)));
        let (mut file, meta) = match opened {
            Ok(found) if found.1.is_file() => found,
            Ok(_) => return self.error(403, "Forbidden", head_only),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return self.error(403, "Forbidden", head_only);
            }
            Err(_) => return self.error(404, "Not Found", head_only),
        };
        let size = meta.len();
        let modified = meta.modified().ok().map(http_date);
        if modified.is_some() && modified == request.modified_since {
            self.head("304 Not Modified", &[])?;
            return Ok(304);
        }
        let mut headers = vec![("Content-Type", mime(path)), ("Accept-Ranges", "bytes".to_owned())];
        headers.extend(modified.map(|date| ("Last-Modified", date)));
        let (status, start, length) = match request.range.as_deref().map(|range| byte_range(range, size)) {
            None | Some(Range::Ignore) => ("200 OK", 0, size),
            Some(Range::Part(start, end)) => {
                headers.push(("Content-Range", format!("bytes {start}-{end}/{size}")));
                ("206 Partial Content", start, end - start + 1)
            }
            Some(Range::Beyond) => {
                headers.push(("Content-Range", format!("bytes */{size}")));
                ("416 Range Not Satisfiable", 0, 0)
            }
        };
        headers.push(("Content-Length", length.to_string()));
        self.head(status, &headers)?;
        if !head_only && length > 0 {
            file.seek(SeekFrom::Start(start))?;
            codec::copy(&mut file.take(length), &mut self.stream)?;
        }
        Ok(status[..3].parse().unwrap_or(200))
    }
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return None;
    }
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        range: None,
        modified_since: None,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.trim().to_owned()),
            "if-modified-since" => request.modified_since = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(request)
}

enum Range {
    Part(u64, u64),
    Beyond,
    /// Not understood, or several: the whole file is a right answer.
    Ignore,
}

fn byte_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Ignore;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(count)) if first.trim().is_empty() && count > 0 => {
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        _ => return Range::Ignore,
    };
    if range.0 >= size {
        Range::Beyond
    } else {
        Range::Part(range.0, range.1)
    }
}

/// The file that a request's path means; `None` for what leads out of `root`.
fn locate(root: &Path, target: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for part in target.split('/').filter(|part| !part.is_empty()) {
        let part = decode(part);
        if part == b"." {
            continue;
        }
        if part == b".." || part.contains(&0) || part.contains(&b'/') {
            return None;
        }
        path.push(os(part));
    }
    let real = fs::canonicalize(&path).ok()?;
    real.starts_with(root).then_some(path)
}

fn decode(part: &str) -> Vec<u8> {
    let bytes = part.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fn encode(name: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.iter()
        .map(|&b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A page with the names in a directory.
fn listing(folder: &Path, target: &str) -> String {
    let title = escape(&String::from_utf8_lossy(&decode(target)));
    let mut names: Vec<(bool, OsString)> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| (!entry.path().is_dir(), entry.file_name()))
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    let mut out = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Index of {title}</title></head>\n<body><h1>Index of {title}</h1>\n<ul>\n"
    );
    if target != "/" {
        out.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for (is_file, name) in names {
        let slash = if is_file { "" } else { "/" };
        out.push_str(&format!(
            "<li><a href=\"{}{slash}\">{}{slash}</a></li>\n",
            encode(bytes_of(&name)),
            escape(&shown(&name))
        ));
    }
    out.push_str("</ul></body></html>\n");
    out
}

fn http_date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs() as i64);
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// MIME types by suffix.
const MIME: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("ts", "text/plain; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

fn mime(path: &Path) -> String {
    let suffix = path
        .extension()
        .map(|suffix| shown(suffix).to_ascii_lowercase())
        .unwrap_or_default();
    if let Some((_, mime)) = MIME.iter().find(|(known, _)| *known == suffix) {
        return (*mime).to_owned();
    }
    let mut head = vec![0; 512];
    let count = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let text = !head[..count].iter().any(|b| *b < 7 || (14..27).contains(b));
    if text {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let root = std::env::temp_dir().join(format!("httpd-{}", std::process::id()));
        fs::create_dir_all(root.join("d")).unwrap();
        fs::write(root.join("d/a b"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("out")).unwrap();
        let root = fs::canonicalize(root).unwrap();
        assert!(locate(&root, "/d/a%20b").is_some());
        assert!(locate(&root, "/").is_some());
        for bad in [
            "/../etc/passwd",
            "/d/%2e%2e/%2e%2e/etc",
            "/out/passwd",
            "/d%2fa",
            "/nosuch",
            "/%00",
        ] {
            assert!(locate(&root, bad).is_none(), "{bad}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    /// The answer to one request.
    fn ask(root: &Path, request: &str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let o = Options {
            host: String::new(),
            port,
            root: root.to_owned(),
            quiet: true,
            once: true,
        };
        let server = std::thread::spawn(move || serve_all(&o, &listener).unwrap());
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        server.join().unwrap();
        answer
    }

    #[test]
    fn answers_requests() {
        let root = std::env::temp_dir().join(format!("httpd-serve-{}", std::process::id()));
        fs::create_dir_all(root.join("d")).unwrap();
        fs::write(root.join("d/x.txt"), "0123456789").unwrap();
        let root = fs::canonicalize(root).unwrap();
        let get = |target: &str, more: &str| ask(&root, &format!("GET {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n"));
        let full = get("/d/x.txt", "");
        assert!(
            full.starts_with("HTTP/1.1 200 OK\r\n") && full.ends_with("\r\n\r\n0123456789"),
            "{full}"
        );
        assert!(
            full.contains("Content-Type: text/plain; charset=utf-8\r\n") && full.contains("Content-Length: 10\r\n")
        );
        let part = get("/d/x.txt", "Range: bytes=2-4\r\n");
        assert!(
            part.starts_with("HTTP/1.1 206 ") && part.ends_with("\r\n\r\n234"),
            "{part}"
        );
        assert!(get("/d", "").starts_with("HTTP/1.1 301 "));
        assert!(get("/d/", "").contains("<a href=\"x.txt\">x.txt</a>"));
        assert!(get("/nosuch", "").starts_with("HTTP/1.1 404 "));
        assert!(get("/../etc/passwd", "").starts_with("HTTP/1.1 404 "));
        assert!(ask(&root, "POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert!(ask(&root, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(ask(&root, "HEAD /d/x.txt HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn ranges() {
        assert!(matches!(byte_range("bytes=0-4", 10), Range::Part(0, 4)));
        assert!(matches!(byte_range("bytes=5-", 10), Range::Part(5, 9)));
        assert!(matches!(byte_range("bytes=-3", 10), Range::Part(7, 9)));
        assert!(matches!(byte_range("bytes=10-", 10), Range::Beyond));
        assert!(matches!(byte_range("bytes=0-1,3-4", 10), Range::Ignore));
    }
}
