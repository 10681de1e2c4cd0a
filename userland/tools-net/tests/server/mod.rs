//! A web server for the tests of curl and wget: HTTP/1 and HTTP/2, with and without TLS, polite and hostile, on the
//! loopback. The tests beside the tools use it, and those that run the bundled programs in a VM.
// A server of tests fails loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

mod site;

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

/// A running server.
pub(crate) struct Server {
    /// Port without TLS; HTTP/2 from the first byte is understood, too.
    pub(crate) port: u16,
    /// Port with TLS, for `web.test` and `localhost`; HTTP/2 where the client wants it.
    pub(crate) tls_port: u16,
    /// Port with TLS, for a name that nobody asks for.
    pub(crate) stranger_port: u16,
    /// The authority that vouches for both, in PEM.
    pub(crate) authority: String,
}

/// A request as a page sees it.
pub(crate) struct Asked {
    /// The request line.
    pub(crate) line: String,
    /// Header lines as they came.
    pub(crate) headers: Vec<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// What a page does.
pub(crate) enum Answer {
    /// These bytes, and the connection may go on.
    Keep(Vec<u8>),
    /// These bytes, and the connection ends.
    Close(Vec<u8>),
    /// These bytes, and silence until the client goes away.
    Stall(Vec<u8>),
}

impl Server {
    /// Starts one in a thread of its own, for as long as the process lives.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let bind = || TcpListener::bind("127.0.0.1:0");
                let (plain, tls, stranger) = (bind().await.unwrap(), bind().await.unwrap(), bind().await.unwrap());
                let (authority, known, unknown) = certificates();
                let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
                let server = Server {
                    port: port(&plain),
                    tls_port: port(&tls),
                    stranger_port: port(&stranger),
                    authority,
                };
                sender.send(server).unwrap();
                tokio::join!(
                    accept(plain, None),
                    accept(tls, Some(known)),
                    accept(stranger, Some(unknown))
                );
            });
        });
        receiver.recv().unwrap()
    }
}

/// An authority in PEM, and servers with its certificates for good and for other names.
fn certificates() -> (String, TlsAcceptor, TlsAcceptor) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name = named("authority of the tests");
    let authority = params.self_signed(&key).unwrap();
    let pem = authority.pem();
    let issuer = rcgen::Issuer::new(params, key);
    let acceptor = |names: &[&str]| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = named("server of the tests");
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], der)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    };
    (pem, acceptor(&["web.test", "localhost"]), acceptor(&["stranger.test"]))
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut out = rcgen::DistinguishedName::new();
    out.push(rcgen::DnType::CommonName, name);
    out
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        tokio::spawn(async move {
            let _ = match tls {
                None => plain(stream).await,
                Some(tls) => secure(stream, tls).await,
            };
        });
    }
}

async fn plain(stream: TcpStream) -> std::io::Result<()> {
    let mut start = [0; 3];
    while stream.peek(&mut start).await? < start.len() {
        stream.readable().await?;
        tokio::task::yield_now().await;
    }
    if start[0] == TLS_HANDSHAKE {
        return Ok(());
    }
    if &start == b"PRI" {
        two(stream).await
    } else {
        one(stream).await
    }
}

async fn secure(stream: TcpStream, tls: TlsAcceptor) -> std::io::Result<()> {
    let stream = tls.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        two(stream).await
    } else {
        one(stream).await
    }
}

/// First byte of a client that expects TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// HTTP/1: one request after the other.
async fn one<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> std::io::Result<()> {
    let mut held = Vec::new();
    while let Some(asked) = request(&mut stream, &mut held).await? {
        match site::answer(&asked) {
            Answer::Keep(bytes) => stream.write_all(&bytes).await?,
            Answer::Close(bytes) => {
                stream.write_all(&bytes).await?;
                stream.shutdown().await?;
                return linger(&mut stream).await;
            }
            Answer::Stall(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                return linger(&mut stream).await;
            }
        }
    }
    Ok(())
}

/// Reads until the client goes away, so that what it still sends does not reset what it was told.
async fn linger<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut sink = vec![0; 16 * 1024];
    let drained = async {
        while stream.read(&mut sink).await? > 0 {}
        std::io::Result::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), drained)
        .await
        .unwrap_or(Ok(()))
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    held: &mut Vec<u8>,
) -> std::io::Result<Option<Asked>> {
    let Some(end) = fill_to(stream, held, b"\r\n\r\n").await? else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    held.drain(..end);
    let mut lines = head.lines().filter(|line| !line.is_empty()).map(str::to_owned);
    let mut asked = Asked {
        line: lines.next().unwrap_or_default(),
        headers: lines.collect(),
        body: Vec::new(),
    };
    if asked.line.contains("/early") {
        return Ok(Some(asked));
    }
    if asked.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if asked.header("transfer-encoding").is_some() {
        loop {
            let Some(end) = fill_to(stream, held, b"\r\n").await? else {
                return Ok(None);
            };
            let size = usize::from_str_radix(String::from_utf8_lossy(&held[..end]).trim(), 16).unwrap();
            held.drain(..end);
            take(stream, held, size + 2, &mut asked.body).await?;
            asked.body.truncate(asked.body.len() - 2);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = asked.header("content-length") {
        take(stream, held, length.parse().unwrap(), &mut asked.body).await?;
    }
    Ok(Some(asked))
}

async fn fill_to<S: AsyncRead + Unpin>(
    stream: &mut S,
    held: &mut Vec<u8>,
    end: &[u8],
) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(at) = held.windows(end.len()).position(|window| window == end) {
            return Ok(Some(at + end.len()));
        }
        if stream.read_buf(held).await? == 0 {
            return Ok(None);
        }
    }
}

async fn take<S: AsyncRead + Unpin>(
    stream: &mut S,
    held: &mut Vec<u8>,
    count: usize,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    while held.len() < count {
        if stream.read_buf(held).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    out.extend(held.drain(..count));
    Ok(())
}

/// HTTP/2: the same pages, asked and answered in HTTP/1's words.
async fn two<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> std::io::Result<()> {
    let mut connection = h2::server::handshake(stream).await.map_err(std::io::Error::other)?;
    while let Some(next) = connection.accept().await {
        let (request, mut respond) = next.map_err(std::io::Error::other)?;
        tokio::spawn(async move {
            let (parts, mut body) = request.into_parts();
            let mut asked = Asked {
                line: format!("{} {} HTTP/2", parts.method, parts.uri.path_and_query().unwrap()),
                headers: vec![format!("host: {}", parts.uri.authority().unwrap())],
                body: Vec::new(),
            };
            let show =
                |(name, value): (&http::HeaderName, &http::HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
            asked.headers.extend(parts.headers.iter().map(show));
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                asked.body.extend(data);
            }
            if asked.line.contains("/reset") {
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
                return;
            }
            let Answer::Keep(bytes) = site::answer(&asked) else {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                return;
            };
            let _ = send_two(&bytes, respond).await;
        });
    }
    Ok(())
}

async fn send_two(bytes: &[u8], mut respond: h2::server::SendResponse<Bytes>) -> Result<(), h2::Error> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut response = http::Response::builder().status(&lines.next().unwrap()[9..12]);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        response = response.header(name, value);
    }
    let mut rest = Bytes::copy_from_slice(&bytes[end + 4..]);
    let mut stream = respond.send_response(response.body(()).unwrap(), rest.is_empty())?;
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let Some(room) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.transpose()? else {
            break;
        };
        let part = rest.split_to(room.min(rest.len()));
        stream.send_data(part, rest.is_empty())?;
    }
    Ok(())
}

impl Asked {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The path with its query.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}
