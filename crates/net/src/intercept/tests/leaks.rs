//! Where a value could turn up although nobody sent it there: in what libraries log, and in requests that were bent.

use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps everything that is logged, at every level.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        let _ = writeln!(self.0.lock().unwrap(), "{field}={value:?}");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn no_library_logs_a_value() {
    let log = Everything::default();
    let _on_this_thread = tracing::subscriber::set_default(log.clone());
    let world = World::new();
    let (guest, host) = world.connect(&[API], 443);
    let key = world.placeholder("KEY");
    let guest = async { super::http2::get(world.guest_tls(guest, API, &["h2"]).await.unwrap(), API, &key).await };
    // Frames without a library, so that what is logged is what the product's side does.
    let host = async {
        let mut host = world.host_tls(host, API, &["h2"]).await.unwrap();
        host.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        host.flush().await.unwrap();
        let mut seen = Vec::new();
        while !has_headers(&seen) && host.read_buf(&mut seen).await.unwrap_or(0) > 0 {}
        assert!(has_headers(&seen));
    };
    let (got, ()) = both(guest, host).await;
    let logged = log.0.lock().unwrap().clone() + &got;
    assert!(logged.contains("frame"), "nothing was logged");
    assert!(!logged.contains(VALUE), "{logged}");
}

/// Whether a frame with a header block is among what an HTTP/2 client sent.
fn has_headers(sent: &[u8]) -> bool {
    let mut rest = sent.get(24..).unwrap_or_default();
    while let Some(([high, middle, low, kind, ..], after)) = rest.split_first_chunk::<9>() {
        let length = usize::from(*high) * 65536 + usize::from(*middle) * 256 + usize::from(*low);
        let Some(next) = after.get(length..) else { return false };
        if *kind == 1 {
            return true;
        }
        rest = next;
    }
    false
}

/// A piece of a request that changes what it means.
fn bend() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just(" ".to_owned()),
        Just("\t".to_owned()),
        Just("\0".to_owned()),
        Just(":".to_owned()),
        Just("@other.test".to_owned()),
        Just("host: other.test\r\n".to_owned()),
        Just("Host: api.example.com\r\n".to_owned()),
        Just("content-length: 4\r\n".to_owned()),
        Just("transfer-encoding: chunked\r\n".to_owned()),
        Just("GET /second HTTP/1.1\r\nhost: other.test\r\n".to_owned()),
        Just("0\r\n\r\n".to_owned()),
        Just("KEY".to_owned()),
        "[ -~]{0,4}",
    ]
}

/// Whether the value stands in what the host got only where it may: in header lines of requests for the one host.
fn is_right(seen: &str) -> bool {
    let with_value = |text: &&str| text.contains(VALUE);
    seen.split("\r\n\r\n").filter(with_value).all(|block| {
        let (first, fields) = block.split_once("\r\n").unwrap_or((block, ""));
        let hosts: Vec<&str> = fields.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
        let named = |line: &str| line.split_once(": ").is_some_and(|(name, _)| !name.contains(VALUE));
        !first.contains(VALUE) && hosts == [API] && fields.lines().filter(with_value).all(named)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::default())]
    #[test]
    fn however_a_request_is_bent_the_value_stays_in_headers_for_its_host(
        bends in proptest::collection::vec((any::<prop::sample::Index>(), bend()), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (seen, got) = runtime.block_on(async {
            let world = World::shared();
            let key = world.placeholder("KEY");
            let mut request = format!("POST /a HTTP/1.1\r\nhost: {API}\r\nauthorization: {key}\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody");
            for (at, bend) in bends {
                let mut at = at.index(request.len() + 1);
                while !request.is_char_boundary(at) {
                    at -= 1;
                }
                request.insert_str(at, &bend.replace("KEY", &key));
            }
            let (mut guest, mut host) = world.connect(&[API], 80);
            let guest = async move {
                guest.write_all(request.as_bytes()).await.unwrap();
                let _ = guest.shutdown().await;
                let mut got = Vec::new();
                let _ = guest.read_to_end(&mut got).await;
                String::from_utf8_lossy(&got).into_owned()
            };
            let host = async move {
                let mut seen = Vec::new();
                // Reads what comes, echoes once, and closes.
                if host.read_buf(&mut seen).await.unwrap_or(0) > 0 {
                    let _ = host.write_all(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{VALUE}").as_bytes()).await;
                }
                let _ = host.shutdown().await;
                let _ = host.read_to_end(&mut seen).await;
                String::from_utf8_lossy(&seen).into_owned()
            };
            let (got, seen) = both(guest, host).await;
            (seen, got)
        });
        prop_assert!(!got.contains(VALUE), "{}", got);
        prop_assert!(is_right(&seen), "{}", seen);
    }
}
