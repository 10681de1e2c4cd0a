//! Hook, proxies and secrets as a guest meets them: through a guard, over real sockets of this host's loopback.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;
mod peers;

use agentos_kernel::Errno;
use agentos_kernel::net::{Egress, Outgoing};
use agentos_net::hook::{EgressHook, Route, Traffic};
use agentos_net::proxy::Proxy;
use agentos_net::secrets::{Secret, SecretSet};
use agentos_net::{BoxFuture, DnsConfig, Guard, GuardConfig, Outlet, OutletConfig, Target};
use common::{PID, connect, resolve, text};
use peers::{Authority, Guest, HttpProxy, SocksProxy, answer_once, listener};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const VALUE: &str = "sk-live-0123456789abcdef";
const PUBLIC: &str = "93.184.216.34:443";

fn guard(exempt: &[SocketAddr], set: impl FnOnce(&mut OutletConfig)) -> Guard {
    let mut outlet = OutletConfig::default();
    set(&mut outlet);
    let mut config = GuardConfig::new(Arc::default());
    config.loopback_exempt_ports = exempt.iter().map(SocketAddr::port).collect();
    let local = || vec!["127.0.0.1".parse().unwrap()];
    let names = ["api.example.com", "other.test"].map(|name| (name.into(), local()));
    config.dns = Arc::new(DnsConfig::new(vec![], names));
    config.interceptor = Outlet::new(outlet).unwrap().map(|outlet| outlet as _);
    Guard::new(config)
}

/// Does what it is told and tells what it sees.
struct Told {
    route: Box<dyn Fn(&Target) -> Route + Send + Sync>,
    closed: Mutex<mpsc::Sender<(SocketAddr, Traffic)>>,
}

impl EgressHook for Told {
    fn route<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Route> {
        Box::pin(async move { (self.route)(target) })
    }

    fn closed(&self, target: &Target, traffic: Traffic) {
        let _ = self.closed.lock().unwrap().send((target.address, traffic));
    }
}

fn told(
    route: impl Fn(&Target) -> Route + Send + Sync + 'static,
) -> (Arc<Told>, mpsc::Receiver<(SocketAddr, Traffic)>) {
    let (sender, closed) = mpsc::channel();
    let hook = Told {
        route: Box::new(route),
        closed: Mutex::new(sender),
    };
    (Arc::new(hook), closed)
}

#[test]
fn a_hook_sees_the_target_and_what_went_over_it() {
    let (peer, address) = listener();
    let seen: Arc<Mutex<Vec<Target>>> = Arc::default();
    let (hook, closed) = told({
        let seen = Arc::clone(&seen);
        move |target| {
            seen.lock().unwrap().push(target.clone());
            Route::Allow
        }
    });
    let guard = guard(&[address], |outlet| outlet.hook = Some(hook));
    resolve(&guard, "api.example.com").unwrap();
    let mut guest = Guest::connect(&guard, address);
    let mut host = peer.accept().unwrap().0;
    guest.write_all(b"question").unwrap();
    host.read_exact(&mut [0; 8]).unwrap();
    host.write_all(b"answer").unwrap();
    drop(host);
    let mut got = String::new();
    guest.read_to_string(&mut got).unwrap();
    assert_eq!(got, "answer");
    drop(guest);
    let (where_, traffic) = closed.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!((where_, traffic.sent, traffic.received), (address, 8, 6));
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), seen[0].address, seen[0].pid), (1, address, PID));
    assert_eq!(&*seen[0].names[0], "api.example.com");
}

/// Why a connection failed.
fn refusal(guard: &Guard, to: SocketAddr) -> String {
    text(&connect(guard, to).unwrap_err())
}

#[test]
fn a_hook_refuses_with_its_reason_and_whatever_goes_wrong_is_a_refusal() {
    let (peer, address) = listener();
    let with = |route: fn(&Target) -> Route| {
        guard(&[address], |outlet| {
            outlet.hook = Some(told(route).0);
        })
    };
    let denied = with(|_| Route::Deny {
        reason: "not on\nMondays".to_owned(),
    });
    assert_eq!(
        refusal(&denied, address),
        format!(
            "EACCES: blocked outbound network access to tcp://{address}: denied by the egress hook: not on\\nMondays"
        )
    );
    let panicking = with(|_| panic!("a bug of the host's"));
    assert!(refusal(&panicking, address).ends_with("denied by the egress hook: the egress hook failed"));
    struct Silent;
    impl EgressHook for Silent {
        fn route<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Route> {
            Box::pin(core::future::pending())
        }
    }
    let silent = guard(&[address], |outlet| {
        outlet.hook = Some(Arc::new(Silent));
        outlet.hook_deadline = Duration::from_millis(50);
    });
    assert!(refusal(&silent, address).contains("did not answer in time"));
    assert_eq!(silent.usage().denied, 1);
    // Datagrams are not for a hook that knows only of connections.
    let error = silent.datagrams(&Outgoing::new(address, PID)).err().unwrap();
    assert!(text(&error).starts_with(&format!(
        "EACCES: blocked outbound network access to udp://{address}: denied"
    )));
    peer.set_nonblocking(true).unwrap();
    assert!(peer.accept().is_err(), "somebody connected");
}

#[test]
fn a_hook_cannot_admit_what_the_guard_refuses() {
    let asked: Arc<Mutex<u32>> = Arc::default();
    let (hook, _) = told({
        let asked = Arc::clone(&asked);
        move |_| {
            *asked.lock().unwrap() += 1;
            Route::Allow
        }
    });
    let guard = guard(&[], |outlet| outlet.hook = Some(hook));
    for address in ["10.0.0.1:80", "169.254.169.254:80", "127.0.0.1:1"] {
        assert!(
            refusal(&guard, address.parse().unwrap()).contains("blocked outbound"),
            "{address}"
        );
    }
    assert_eq!(*asked.lock().unwrap(), 0);
}

#[test]
fn a_rewritten_connection_passes_all_checks_again() {
    let (peer, address) = listener();
    let (asked, _unused) = listener();
    let asked = asked.local_addr().unwrap();
    let rewrite = |host: &'static str, port: u16| {
        let (hook, closed) = told(move |_| Route::Rewrite {
            host: host.to_owned(),
            port,
        });
        (guard(&[address, asked], |outlet| outlet.hook = Some(hook)), closed)
    };
    for host in ["127.0.0.1", "localhost", "api.example.com", "2130706433"] {
        let (guard, closed) = rewrite(host, address.port());
        let mut guest = Guest::connect(&guard, asked);
        let mut host = peer.accept().unwrap().0;
        host.write_all(b"here").unwrap();
        let mut got = [0; 4];
        guest.read_exact(&mut got).unwrap();
        drop((guest, host));
        assert_eq!(closed.recv_timeout(common::PATIENCE).unwrap().0, address);
    }
    for (host, port, said) in [
        ("10.0.0.1", 80, "within restricted private range"),
        ("169.254.169.254", 80, "within restricted metadata range"),
        ("::ffff:169.254.169.254", 80, "within restricted metadata range"),
        ("localhost", 1, "not listed in loopbackExemptPorts"),
        ("api.example.com", 1, "not listed in loopbackExemptPorts"),
        ("", 80, "EINVAL"),
        ("a b", 80, "EINVAL"),
        ("93.184.216.34", 0, "EINVAL"),
    ] {
        let error = text(&connect(&rewrite(host, port).0, asked).unwrap_err());
        assert!(error.contains(said), "{host}: {error}");
    }
}

#[test]
fn connections_go_through_an_http_proxy_by_number() {
    for tls in [false, true] {
        let authority = Authority::new();
        let proxy = HttpProxy::start(
            tls.then(|| authority.server("127.0.0.1")),
            "HTTP/1.1 200 Fine\r\n\r\nearly",
        );
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://me:pass%20word@{}", proxy.address);
        let guard = guard(&[], |outlet| {
            outlet.proxy = Some(Proxy::parse(&url).unwrap());
            outlet.trust_roots = authority.roots();
        });
        let mut guest = Guest::connect(&guard, PUBLIC.parse().unwrap());
        let mut got = [0; 5];
        guest.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"early");
        guest.write_all(b"through").unwrap();
        let mut echo = [0; 7];
        guest.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"through");
        drop(guest);
        let head = proxy.asked();
        assert!(head.starts_with(&format!("CONNECT {PUBLIC} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("host: {PUBLIC}\r\n")), "{head}");
        assert!(
            head.contains("proxy-authorization: Basic bWU6cGFzcyB3b3Jk\r\n"),
            "{head}"
        );
    }
}

#[test]
fn what_a_proxy_refuses_the_guest_gets_as_an_error() {
    for (answer, said) in [
        ("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", "refused by the proxy"),
        ("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "refused by the proxy"),
        ("HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", "ECONNREFUSED"),
        ("HTTP/1.1 504 No\r\ncontent-length: 0\r\n\r\n", "ETIMEDOUT"),
        ("nonsense\r\n\r\n", "ECONNABORTED"),
    ] {
        let proxy = HttpProxy::start(None, answer);
        let url = format!("http://me:hunter2hunter2@{}", proxy.address);
        let guard = guard(&[], |outlet| outlet.proxy = Some(Proxy::parse(&url).unwrap()));
        let error = text(&connect(&guard, PUBLIC.parse().unwrap()).unwrap_err());
        assert!(
            error.contains(said) && !error.contains("hunter2") && !error.contains("bWU6"),
            "{error}"
        );
    }
    // A proxy over TLS whose certificate is not valid gets no credentials.
    let proxy = HttpProxy::start(Some(Authority::new().server("127.0.0.1")), "HTTP/1.1 200 Fine\r\n\r\n");
    let url = format!("https://me:hunter2hunter2@{}", proxy.address);
    let guard = guard(&[], |outlet| outlet.proxy = Some(Proxy::parse(&url).unwrap()));
    assert!(connect(&guard, PUBLIC.parse().unwrap()).is_err());
    assert_eq!(proxy.asked(), "");
}

#[test]
fn connections_go_through_a_socks_proxy_by_number() {
    for credentials in [None, Some(("me", "pass"))] {
        let proxy = SocksProxy::start(credentials, 0);
        let user_info = credentials.map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
        let url = format!("socks5://{user_info}{}", proxy.address);
        let guard = guard(&[], |outlet| outlet.proxy = Some(Proxy::parse(&url).unwrap()));
        let mut guest = Guest::connect(&guard, PUBLIC.parse().unwrap());
        guest.write_all(b"through").unwrap();
        let mut echo = [0; 7];
        guest.read_exact(&mut echo).unwrap();
        drop(guest);
        assert_eq!(proxy.asked(), [1, 93, 184, 216, 34, 1, 187]);
    }
    for (code, said) in [
        (2, "refused by the proxy"),
        (3, "ENETUNREACH"),
        (4, "EHOSTUNREACH"),
        (5, "ECONNREFUSED"),
        (6, "ETIMEDOUT"),
    ] {
        let proxy = SocksProxy::start(None, code);
        let url = format!("socks5://{}", proxy.address);
        let guard = guard(&[], |outlet| outlet.proxy = Some(Proxy::parse(&url).unwrap()));
        let error = text(&connect(&guard, PUBLIC.parse().unwrap()).unwrap_err());
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_proxy_widens_nothing_and_carries_no_datagrams() {
    let proxy = HttpProxy::start(None, "HTTP/1.1 200 Fine\r\n\r\n");
    let (peer, address) = listener();
    let url = format!("http://{}", proxy.address);
    let guard = guard(&[address], |outlet| outlet.proxy = Some(Proxy::parse(&url).unwrap()));
    for blocked in ["10.0.0.1:80", "169.254.169.254:80"] {
        assert!(refusal(&guard, blocked.parse().unwrap()).contains("within restricted"));
    }
    // Not even the proxy's own port is reachable for guests.
    assert!(refusal(&guard, proxy.address).contains("loopbackExemptPorts"));
    // An exempted port is this host's, not the proxy's.
    let guest = Guest::connect(&guard, address);
    drop(peer.accept().unwrap());
    drop(guest);
    let error = guard
        .datagrams(&Outgoing::new(PUBLIC.parse().unwrap(), PID))
        .err()
        .unwrap();
    assert!(text(&error).contains("datagrams cannot pass the configured proxy"));
    assert!(proxy.was_left_alone());
}

#[test]
fn a_hook_chooses_a_proxy() {
    let proxy = HttpProxy::start(None, "HTTP/1.1 200 Fine\r\n\r\n");
    let url = format!("http://{}", proxy.address);
    let (hook, _closed) = told(move |_| Route::Proxy(Proxy::parse(&url).unwrap()));
    let guard = guard(&[], |outlet| outlet.hook = Some(hook));
    drop(Guest::connect(&guard, PUBLIC.parse().unwrap()));
    assert!(proxy.asked().starts_with("CONNECT 93.184.216.34:443 "));
}

#[test]
fn a_rewritten_connection_goes_through_the_proxy_too() {
    let proxy = HttpProxy::start(None, "HTTP/1.1 200 Fine\r\n\r\n");
    let url = format!("http://{}", proxy.address);
    let (hook, closed) = told(|_| Route::Rewrite {
        host: "8.8.4.4".to_owned(),
        port: 853,
    });
    let guard = guard(&[], |outlet| {
        outlet.hook = Some(hook);
        outlet.proxy = Some(Proxy::parse(&url).unwrap());
    });
    drop(Guest::connect(&guard, PUBLIC.parse().unwrap()));
    assert!(proxy.asked().starts_with("CONNECT 8.8.4.4:853 "));
    let (address, _) = closed.recv_timeout(common::PATIENCE).unwrap();
    assert_eq!(address, "8.8.4.4:853".parse().unwrap());
}

fn secrets(port: u16) -> Arc<SecretSet> {
    let secret = Secret::new("KEY", VALUE).hosts([format!("api.example.com:{port}")]);
    Arc::new(SecretSet::new(vec![secret], &peers::SomeEntropy).unwrap())
}

#[test]
fn a_secret_reaches_its_host_and_no_other() {
    for tls in [false, true] {
        let authority = Authority::new();
        let (peer, address) = listener();
        let secrets = secrets(address.port());
        let placeholder = secrets.environment().next().unwrap().1.to_owned();
        let guard = guard(&[address], |outlet| {
            outlet.secrets = Some(Arc::clone(&secrets));
            outlet.trust_roots = authority.roots();
        });
        for name in ["api.example.com", "other.test"] {
            resolve(&guard, name).unwrap();
        }
        for (name, sent) in [("api.example.com", VALUE), ("other.test", &*placeholder)] {
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{VALUE}", VALUE.len());
            let config = tls.then(|| authority.server(name));
            let host = answer_once(peer.try_clone().unwrap(), config, response);
            let request = format!(
                "GET / HTTP/1.1\r\nhost: {name}:{}\r\nauthorization: {placeholder}\r\nconnection: close\r\n\r\n",
                address.port()
            );
            let guest = Guest::connect(&guard, address);
            let listed = sent == VALUE;
            let got = match tls {
                false => guest.exchange(&request),
                // What is not listed is end to end, so the guest sees the host's own certificate.
                true if listed => guest.tls(name, secrets.certificate().as_bytes()).exchange(&request),
                true => guest.tls(name, authority.pem().as_bytes()).exchange(&request),
            };
            let seen = host.join().unwrap();
            assert!(
                seen.contains(&format!("authorization: {sent}\r\n")),
                "{tls} {name}: {seen}"
            );
            let unsearched = tls && !listed;
            assert_eq!(got.contains(VALUE), unsearched, "{tls} {name}: {got}");
        }
    }
}

#[test]
fn an_address_that_was_never_looked_up_gets_nothing() {
    let (peer, address) = listener();
    let secrets = secrets(address.port());
    let placeholder = secrets.environment().next().unwrap().1.to_owned();
    let guard = guard(&[address], |outlet| outlet.secrets = Some(secrets));
    let host = answer_once(peer, None, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned());
    let request = format!(
        "GET / HTTP/1.1\r\nhost: api.example.com:{}\r\nauthorization: {placeholder}\r\n\r\n",
        address.port()
    );
    Guest::connect(&guard, address).exchange(&request);
    assert!(host.join().unwrap().contains(&placeholder));
}

#[test]
fn a_connection_without_a_secret_has_nothing_in_its_way() {
    let (peer, address) = listener();
    let secrets = secrets(address.port());
    let guard = guard(&[address], |outlet| outlet.secrets = Some(secrets));
    resolve(&guard, "other.test").unwrap();
    let mut guest = Guest::connect(&guard, address);
    let mut host = peer.accept().unwrap().0;
    // The host speaks first, and nobody waits for a greeting.
    host.write_all(b"hello").unwrap();
    guest.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(
        connect(&guard, "127.0.0.2:1".parse().unwrap()).unwrap_err().errno(),
        Errno::EACCES
    );
}

#[test]
fn a_body_that_is_cut_off_does_not_pass_for_a_whole_one() {
    let (peer, address) = listener();
    let secrets = secrets(address.port());
    let guard = guard(&[address], |outlet| outlet.secrets = Some(secrets));
    resolve(&guard, "api.example.com").unwrap();
    let host = answer_once(
        peer,
        None,
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart".to_owned(),
    );
    let mut guest = Guest::connect(&guard, address);
    let request = format!("GET / HTTP/1.1\r\nhost: api.example.com:{}\r\n\r\n", address.port());
    guest.write_all(request.as_bytes()).unwrap();
    host.join().unwrap();
    let mut got = Vec::new();
    assert!(
        guest.read_to_end(&mut got).is_err(),
        "{}",
        String::from_utf8_lossy(&got)
    );
}

#[test]
fn deadlines_hold_for_connections_with_something_in_their_way() {
    for total in [false, true] {
        let (_peer, address) = listener();
        let (hook, _closed) = told(|_| Route::Allow);
        let mut outlet = OutletConfig::default();
        outlet.hook = Some(hook);
        let mut config = GuardConfig::new(Arc::default());
        config.loopback_exempt_ports = [address.port()].into();
        config.interceptor = Outlet::new(outlet).unwrap().map(|outlet| outlet as _);
        match total {
            true => config.limits.total_timeout = Some(Duration::from_millis(50)),
            false => config.limits.idle_timeout = Some(Duration::from_millis(50)),
        }
        let guard = Guard::new(config);
        let mut guest = Guest::connect(&guard, address);
        let error = guest.read(&mut [0]).unwrap_err().to_string();
        assert!(error.contains("ETIMEDOUT"), "{error}");
    }
}
