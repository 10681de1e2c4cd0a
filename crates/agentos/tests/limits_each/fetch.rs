//! Limits of requests from the host to servers in the VM. The guest is the server.

use crate::tools::{audited, breach, check, limited, lives, serve};
use agentos::http::Request;
use agentos::{AgentOs, Errno, Error, RequestBody};
use bytes::Bytes;
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

fn get(uri: &str) -> Request<()> {
    Request::builder().uri(uri).body(()).unwrap()
}

/// The whole answer to a request, or why there is none.
async fn ask<B: Into<RequestBody>>(vm: &AgentOs, port: u16, request: Request<B>) -> Result<Bytes, Error> {
    vm.fetch(port, request).await?.into_body().bytes().await
}

pub(crate) mod max_fetch_response_bytes {
    use super::*;

    const PATH: &str = "http.maxFetchResponseBytes";

    pub(crate) async fn program() {
        let vm = limited(&[(PATH, 1000)]).await;
        let mut events = vm.events();
        vm.exec("head -c 1000 /dev/zero > fits; head -c 1001 /dev/zero > large")
            .await
            .unwrap();
        let _server = serve(&vm, "exec httpd -p 8080").await;
        assert_eq!(ask(&vm, 8080, get("/fits")).await.unwrap().len(), 1000);
        let full = (PATH, "bytes", 1001, 1000, Errno::EMSGSIZE);
        check(ask(&vm, 8080, get("/large")).await.unwrap_err().limit().unwrap(), full);
        audited(&mut events, full).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[(PATH, 1000)]).await;
        let mut events = vm.events();
        // Without an announcement of the length, and without end.
        let mut endless = serve(&vm, r"(printf 'HTTP/1.1 200 OK\r\n\r\n'; yes) | nc -v -l 8081").await;
        let error = ask(&vm, 8081, get("/")).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(limit, (PATH, "bytes", limit.observed, 1000, Errno::EMSGSIZE));
        assert!(limit.observed > 1000 && limit.observed < 1 << 20, "{limit}");
        assert_eq!(&breach(&mut events, "maxFetchResponseBytes").await, limit);
        // The connection is closed, so that the server ends.
        endless.wait().await.unwrap();
        // One that announces more than there is.
        let lie = r"(printf 'HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n'; sleep 1000) | nc -v -l 8082";
        let _lie = serve(&vm, lie).await;
        let full = (PATH, "bytes", 999_999_999_999, 1000, Errno::EMSGSIZE);
        check(ask(&vm, 8082, get("/")).await.unwrap_err().limit().unwrap(), full);
        lives(&vm).await;
    }
}

/// The same byte again and again.
struct Endless;

impl Stream for Endless {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::from_static(b"x"))))
    }
}

pub(crate) mod max_fetch_request_bytes {
    use super::*;

    const PATH: &str = "http.maxFetchRequestBytes";
    const FULL: crate::tools::Expected = (PATH, "bytes", 5, 4, Errno::EMSGSIZE);

    pub(crate) async fn program() {
        let vm = limited(&[(PATH, 4)]).await;
        let mut events = vm.events();
        let _server = serve(&vm, "exec httpd -p 8080").await;
        let post = |body: &'static str| Request::post("/").body(body).unwrap();
        assert!(vm.fetch(8080, post("1234")).await.is_ok());
        check(vm.fetch(8080, post("12345")).await.unwrap_err().limit().unwrap(), FULL);
        audited(&mut events, FULL).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[(PATH, 4)]).await;
        let mut events = vm.events();
        // A server that takes all it is given, and a body without end.
        let _server = serve(&vm, "exec nc -v -l 8081 > /dev/null").await;
        let request = Request::post("/").body(RequestBody::stream(Endless)).unwrap();
        check(vm.fetch(8081, request).await.unwrap_err().limit().unwrap(), FULL);
        audited(&mut events, FULL).await;
        lives(&vm).await;
    }
}

pub(crate) mod max_header_bytes {
    use super::*;

    const PATH: &str = "http.maxHeaderBytes";
    const FULL: crate::tools::Expected = (PATH, "bytes", 8193, 8192, Errno::EMSGSIZE);

    pub(crate) async fn program() {
        let vm = limited(&[(PATH, 8192)]).await;
        let mut events = vm.events();
        let long =
            r"(printf 'HTTP/1.1 200 OK\r\nX: '; head -c 9000 /dev/zero | tr '\0' x; printf '\r\n\r\n') | nc -v -l 8081";
        let _long = serve(&vm, long).await;
        check(vm.fetch(8081, get("/")).await.unwrap_err().limit().unwrap(), FULL);
        audited(&mut events, FULL).await;
        // What the host asks for has a head, too.
        let _server = serve(&vm, "exec httpd -p 8080").await;
        let request = Request::get("/").header("x-long", "x".repeat(9000)).body(()).unwrap();
        let error = vm.fetch(8080, request).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(limit, (PATH, "bytes", limit.observed, 8192, Errno::EMSGSIZE));
        assert!((9000..9200).contains(&limit.observed), "{limit}");
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[(PATH, 8192)]).await;
        let mut events = vm.events();
        for endless in ["yes | tr -d '\\n'", "yes 'X: y'", "yes ''"] {
            let script = format!(r"(printf 'HTTP/1.1 200 OK\r\nX: '; {endless}) | nc -v -l 8081");
            let mut server = serve(&vm, &script).await;
            match vm.fetch(8081, get("/")).await {
                Err(Error::Limit(limit)) => {
                    check(&limit, FULL);
                    audited(&mut events, FULL).await;
                }
                // An empty line ends the head, and what follows is body.
                answered => assert!(endless.ends_with("''"), "{answered:?}"),
            }
            server.wait().await.unwrap();
        }
        lives(&vm).await;
    }
}

pub(crate) mod fetch_timeout_ms {
    use super::*;

    const PATH: &str = "http.fetchTimeoutMs";
    const LATE: crate::tools::Expected = (PATH, "ms", 200, 200, Errno::ETIMEDOUT);

    pub(crate) async fn program() {
        let vm = limited(&[(PATH, 200)]).await;
        let mut events = vm.events();
        let _mute = serve(&vm, "sleep 1000 | nc -v -l 8081").await;
        check(ask(&vm, 8081, get("/")).await.unwrap_err().limit().unwrap(), LATE);
        audited(&mut events, LATE).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[(PATH, 200)]).await;
        let mut events = vm.events();
        for half in ["HTTP/1.1 200 O", r"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
            let server = serve(&vm, &format!("(printf '{half}'; sleep 1000) | nc -v -l 8082")).await;
            check(ask(&vm, 8082, get("/")).await.unwrap_err().limit().unwrap(), LATE);
            audited(&mut events, LATE).await;
            drop(server);
            crate::tools::idle(&vm).await;
        }
    }
}
