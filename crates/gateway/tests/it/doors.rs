//! Who may come in: token, host, origin, bind rules, and the record of failures.

use std::net::TcpListener;

use ::http::Method;
use agentos_gateway::{Gateway, Limits};
use agentos_wire::Encoding;

use crate::support::{self, actors, http, serve, ws};

const QUERY: &str = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default";

#[tokio::test]
async fn the_token_is_taken_from_all_places() {
    let server = serve(|gateway| gateway.token("s3c/ret"));
    let address = server.address();
    let token = [("x-rivet-token", "s3c/ret")];
    let made = http::call(
        address,
        Method::PUT,
        "/actors",
        &token,
        br#"{"name":"counter","key":"k"}"#,
    )
    .await;
    let id = http::json(&made)["actor"]["actor_id"].as_str().unwrap().to_owned();
    let post = |target: String, headers: Vec<(&'static str, &'static str)>| async move {
        http::call(address, Method::POST, &target, &headers, br#"{"args":[]}"#)
            .await
            .status()
            .as_u16()
    };
    let plain = format!("/gateway/{id}/action/increment");
    assert_eq!(post(plain.clone(), vec![]).await, 401);
    assert_eq!(post(plain.clone(), vec![("x-rivet-token", "s3c/ret")]).await, 200);
    assert_eq!(
        post(plain.clone(), vec![("authorization", "Bearer s3c/ret")]).await,
        200
    );
    assert_eq!(
        post(format!("/gateway/{id}@s3c%2Fret/action/increment"), vec![]).await,
        200
    );
    assert_eq!(
        post(format!("/gateway/{id}@s3c%2fre/action/increment"), vec![]).await,
        401
    );
    assert_eq!(
        post(
            format!("/gateway/counter/action/increment?{QUERY}&rvt-key=k&rvt-token=s3c%2Fret"),
            vec![]
        )
        .await,
        200
    );
    assert_eq!(
        post(
            format!("/gateway/{id}@s3c%2Fret/action/increment"),
            vec![("x-rivet-token", "other")]
        )
        .await,
        401
    );
    assert_eq!(
        post(
            plain,
            vec![("x-rivet-token", "s3c/ret"), ("authorization", "Bearer other")]
        )
        .await,
        401
    );
    // WebSockets: in the path and among the subprotocols.
    for (target, protocols) in [
        (
            format!("/gateway/{id}@s3c%2Fret/connect"),
            "rivet, rivet_encoding.json".to_owned(),
        ),
        (
            format!("/gateway/{id}/connect"),
            "rivet, rivet_encoding.json, rivet_token.s3c/ret".to_owned(),
        ),
    ] {
        let stream = ws::open(address, &target, &protocols).await;
        let mut socket = ws::Socket {
            stream,
            encoding: Encoding::Json,
            version: 4,
        };
        assert!(matches!(socket.message().await, agentos_wire::ToClient::Init { .. }));
    }
}

#[tokio::test]
async fn a_socket_without_the_token_is_told_so_and_closed() {
    let server = serve(|gateway| gateway.token("s3cret"));
    for encoding in Encoding::ALL {
        let mut socket = ws::Socket::open(server.address(), "whoever", encoding, None).await;
        let (error, code, reason) = socket.refused().await;
        assert!(error.starts_with("auth/unauthorized"), "{error}");
        assert_eq!((code, reason.as_str()), (1011, "auth.unauthorized"));
    }
    assert!(server.log.lines().is_empty());
}

#[tokio::test]
async fn brute_force_ends_after_its_allowance() {
    let mut limits = Limits::default();
    limits.max_auth_failures = 5;
    let server = serve(|gateway| gateway.token("s3cret").limits(limits));
    let mut client = http::Client::connect(server.address()).await;
    let mut statuses = Vec::new();
    for guess in 0..8 {
        let guess = format!("guess-{guess}");
        let answer = client
            .call(Method::GET, "/actors", &[("x-rivet-token", guess.as_str())], b"")
            .await;
        statuses.push(answer.status().as_u16());
        if answer.status() == 429 {
            assert_eq!(
                (http::error(&answer).as_str(), &answer.headers()["retry-after"]),
                ("guard/too_many_requests", &"60".parse().unwrap())
            );
        }
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    // All clients of a proxy on this machine share one address: the right token still passes here.
    assert_eq!(
        client
            .call(Method::GET, "/actors", &[("x-rivet-token", "s3cret")], b"")
            .await
            .status(),
        200
    );
    // A socket is told to come back later, in the words that clients understand.
    let mut socket = ws::Socket::open(server.address(), "whoever", Encoding::Bare, None).await;
    let (_, code, reason) = socket.refused().await;
    assert_eq!((code, reason.as_str()), (1013, "guard.service_unavailable"));
}

#[tokio::test]
async fn pages_of_strangers_are_refused_before_anything_else() {
    let server = serve(|gateway| gateway.origins(["https://app.example.com"]));
    let id = http::actor(server.address(), "guarded", "k").await;
    let target = format!("/gateway/{id}/action/increment");
    for origin in ["https://evil.example.com", "null", "http://app.example.com"] {
        let answer = http::call(
            server.address(),
            Method::POST,
            &target,
            &[("origin", origin)],
            br#"{"args":[]}"#,
        )
        .await;
        assert_eq!(
            (answer.status().as_u16(), http::error(&answer).as_str()),
            (403, "guard/forbidden_origin"),
            "{origin}"
        );
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        let socket = ws::try_open(
            server.address(),
            &format!("/gateway/{id}/connect"),
            "rivet",
            &[("origin", origin)],
        )
        .await;
        assert!(socket.is_err(), "{origin}");
    }
    let preview = format!("http://{}.localhost:{}", "a".repeat(32), server.address().port());
    let answer = http::call(
        server.address(),
        Method::GET,
        "/health",
        &[("origin", preview.as_str())],
        b"",
    )
    .await;
    assert_eq!(answer.status(), 403);
    assert!(server.log.lines().is_empty());
}

#[tokio::test]
async fn admitted_pages_get_their_headers_on_every_answer() {
    let server = serve(|gateway| gateway.origins(["https://app.example.com"]).token("s3cret"));
    for origin in ["https://app.example.com", "http://localhost:5173"] {
        for (method, target) in [
            (Method::GET, "/metadata"),
            (Method::GET, "/actors"),
            (Method::POST, "/gateway/x/action/y"),
            (Method::GET, "/nothing"),
        ] {
            let answer = http::call(server.address(), method, target, &[("origin", origin)], b"").await;
            let headers = answer.headers();
            assert_eq!(headers["access-control-allow-origin"], origin, "{target}");
            assert_eq!(headers["access-control-allow-credentials"], "true");
            assert_eq!(headers["vary"], "Origin");
            assert!(
                headers["access-control-expose-headers"]
                    .to_str()
                    .unwrap()
                    .contains("x-rivet-ray-id")
            );
        }
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-rivet-encoding,x-rivet-token"),
        ];
        let answer = http::call(
            server.address(),
            Method::OPTIONS,
            "/gateway/unknown/action/x",
            &asked,
            b"",
        )
        .await;
        assert_eq!(answer.status(), 204);
        assert_eq!(
            answer.headers()["access-control-allow-methods"],
            "GET, POST, PUT, DELETE, OPTIONS, PATCH"
        );
        assert_eq!(
            answer.headers()["access-control-allow-headers"],
            "x-rivet-encoding,x-rivet-token"
        );
        assert_eq!(answer.headers()["access-control-max-age"], "86400");
    }
    let asked = [
        ("origin", "https://evil.example.com"),
        ("access-control-request-method", "POST"),
    ];
    assert_eq!(
        http::call(server.address(), Method::OPTIONS, "/metadata", &asked, b"")
            .await
            .status(),
        403
    );
}

#[tokio::test]
async fn names_that_a_page_pointed_here_are_refused() {
    let open = serve(|gateway| gateway.preview_host("p.example.com"));
    let status = |host: &'static str| {
        let address = open.address();
        async move {
            http::call(address, Method::GET, "/metadata", &[("host", host)], b"")
                .await
                .status()
                .as_u16()
        }
    };
    for host in ["localhost", "127.0.0.1:99", "[::1]", "x.p.example.com"] {
        assert_eq!(status(host).await, 200, "{host}");
    }
    for host in ["rebound.example.com", "example.com:6420", "192.168.1.1", ""] {
        assert_eq!(status(host).await, 403, "{host}");
    }
    // With a token, who reaches the server under another name must show it anyway.
    let closed = serve(|gateway| gateway.token("s3cret"));
    let answer = http::call(
        closed.address(),
        Method::GET,
        "/metadata",
        &[("host", "agents.example.com")],
        b"",
    )
    .await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_hook_or_a_token() {
    let log = actors::Log::default();
    let registry = support::registry(agentos_actor::RegistryLimits::default(), &log);
    let listener = || TcpListener::bind("0.0.0.0:0").expect("a port");
    let refused = listener();
    let port = refused.local_addr().unwrap().port();
    let error = Gateway::builder(registry.clone())
        .build()
        .unwrap()
        .serve(refused)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "refusing to listen on 0.0.0.0:{port}: definition \"counter\" has no onBeforeConnect and no token is set; \
             add one, or pass allowInsecureBind"
        )
    );
    let with_token = Gateway::builder(registry.clone())
        .token("s3cret")
        .build()
        .unwrap()
        .serve(listener());
    assert!(with_token.unwrap().url().starts_with("http://127.0.0.1:"));
    assert!(
        Gateway::builder(registry)
            .allow_insecure_bind(true)
            .build()
            .unwrap()
            .serve(listener())
            .is_ok()
    );
    let guarded = agentos_actor::Registry::builder()
        .define("vm", actors::Counter::guarded(log))
        .build()
        .unwrap();
    assert!(Gateway::builder(guarded).build().unwrap().serve(listener()).is_ok());
}
