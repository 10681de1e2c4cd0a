//! Addresses: direct, query and header form, base paths, and what leads nowhere.

use ::http::Method;
use agentos_value::Value;
use agentos_wire::{Encoding, ToClient};

use crate::support::actors::SLOW;
use crate::support::{http, serve, ws};

const QUERY: &str = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default";

#[tokio::test]
async fn the_query_form_gets_and_creates() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let post = |target: String| async move { http::call(address, Method::POST, &target, &[], br#"{"args":[]}"#).await };
    let missing =
        post("/gateway/counter/action/increment?rvt-namespace=default&rvt-method=get&rvt-key=a,b".into()).await;
    assert_eq!(
        (missing.status().as_u16(), http::error(&missing).as_str()),
        (404, "actor/not_found")
    );
    let made = post(format!(
        "/gateway/counter/action/increment?{QUERY}&rvt-key=a%2Cb&rvt-input=oWFhAQ"
    ))
    .await;
    assert_eq!(
        (made.status().as_u16(), &made.headers()["x-rivet-actor-key"]),
        (200, &"a/b".parse().unwrap())
    );
    let got = post("/gateway/counter/action/increment?rvt-namespace=default&rvt-method=get&rvt-key=a,b".into()).await;
    assert_eq!(http::json(&got)["output"], 2);
    for (target, code) in [
        (
            format!("/gateway/counter/action/x?{QUERY}&rvt-key=a&rvt-key=b"),
            "guard/query_duplicate_param",
        ),
        (
            format!("/gateway/counter/action/x?{QUERY}&rvt-new=1"),
            "guard/query_invalid_params",
        ),
        (
            format!("/gateway/counter@tok/action/x?{QUERY}"),
            "guard/query_path_token_syntax",
        ),
        (format!("/gateway//action/x?{QUERY}"), "guard/no_route"),
        (
            "/gateway/counter/action/x?rvt-namespace=default&rvt-method=get&rvt-input=oA".into(),
            "guard/query_get_disallowed_params",
        ),
        (
            "/gateway/counter/action/x?rvt-namespace=default&rvt-method=getOrCreate".into(),
            "guard/query_missing_pool",
        ),
        (format!("/gateway/nobody/action/x?{QUERY}"), "actor/not_registered"),
        (
            format!("/gateway/counter/action/x?{}", QUERY.replace("default", "other")),
            "actor/invalid_params",
        ),
    ] {
        let answer = post(target.clone()).await;
        assert_eq!(http::error(&answer), code, "{target}");
        assert!((400..=404).contains(&answer.status().as_u16()));
    }
}

#[tokio::test]
async fn the_header_form_counts_only_without_a_gateway_path() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let headers = [
        ("x-rivet-target", "actor"),
        ("x-rivet-actor", id.as_str()),
        ("x-rivet-skip-ready-wait", "1"),
    ];
    let raw = http::call(server.address(), Method::GET, "/request/hello?x=1", &headers, b"").await;
    assert_eq!(raw.status(), 418);
    // Actions have no header form; a gateway path wins over headers.
    let action = http::call(
        server.address(),
        Method::POST,
        "/action/increment",
        &headers,
        br#"{"args":[]}"#,
    )
    .await;
    assert_eq!(http::error(&action), "guard/no_route");
    let wrong = [("x-rivet-target", "actor"), ("x-rivet-actor", "other")];
    let target = format!("/gateway/{id}/action/increment");
    assert_eq!(
        http::call(server.address(), Method::POST, &target, &wrong, br#"{"args":[]}"#)
            .await
            .status(),
        200
    );
    let protocols = format!("rivet, rivet_target.actor, rivet_actor.{id}, rivet_skip_ready_wait, rivet_encoding.bare");
    let stream = ws::open(server.address(), "/connect", &protocols).await;
    let mut socket = ws::Socket {
        stream,
        encoding: Encoding::Bare,
        version: 4,
    };
    assert!(matches!(socket.message().await, agentos_wire::ToClient::Init { actor_id, .. } if actor_id == id));
}

#[tokio::test]
async fn who_skips_the_wait_is_answered_while_the_actor_starts() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let id = http::actor(address, "counter", SLOW).await;
    let action = format!("/gateway/{id}/action/increment");
    let body = br#"{"args":[]}"#;
    let skip = ("x-rivet-skip-ready-wait", "1");
    let header = http::call(address, Method::POST, &action, &[skip], body).await;
    assert_eq!(http::json(&header)["output"], 1);
    let query = format!("/gateway/counter/action/increment?{QUERY}&rvt-key={SLOW}&rvt-skip-ready-wait=true");
    assert_eq!(
        http::json(&http::call(address, Method::POST, &query, &[], body).await)["output"],
        2
    );
    let form = [("x-rivet-target", "actor"), ("x-rivet-actor", id.as_str()), skip];
    let raw = http::call(address, Method::GET, "/request/hello", &form, b"").await;
    assert_eq!(raw.status(), 418);
    let protocols = format!("rivet, rivet_target.actor, rivet_actor.{id}, rivet_skip_ready_wait, rivet_encoding.bare");
    let stream = ws::open(address, "/connect", &protocols).await;
    let mut socket = ws::Socket {
        stream,
        encoding: Encoding::Bare,
        version: 4,
    };
    socket.message().await;
    socket.act(1, "increment", vec![]).await;
    assert_eq!(socket.message().await, answer(1, 3));
    // Who says nothing waits.
    let mut patient = std::pin::pin!(http::call(address, Method::POST, &action, &[], body));
    socket.act(2, "increment", vec![]).await;
    tokio::select! {
        biased;
        answered = &mut patient => panic!("{answered:?}"),
        message = socket.message() => assert_eq!(message, answer(2, 4)),
    }
    server.log.open_gate();
    assert_eq!(http::json(&patient.await)["output"], 5);
}

fn answer(id: u64, output: i64) -> ToClient {
    ToClient::Response {
        id,
        output: Value::from(output),
    }
}

#[tokio::test]
async fn paths_of_actors() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let address = server.address();
    for (method, path, status, code) in [
        (Method::GET, "/nothing", 404, "actor/route_not_found"),
        (Method::POST, "/action/a/b", 404, "actor/route_not_found"),
        (Method::GET, "/action/increment", 405, "actor/method_not_allowed"),
        (Method::GET, "/queue/q", 405, "actor/method_not_allowed"),
        (Method::POST, "/connect", 405, "actor/method_not_allowed"),
        (Method::GET, "/connect", 426, "guard/upgrade_required"),
        (Method::GET, "/websocket/x", 426, "guard/upgrade_required"),
        (Method::POST, "/health", 405, "actor/method_not_allowed"),
        (Method::GET, "//health", 404, "guard/no_route"),
    ] {
        let answer = http::call(address, method.clone(), &format!("/gateway/{id}{path}"), &[], b"").await;
        assert_eq!(
            (answer.status().as_u16(), http::error(&answer).as_str()),
            (status, code),
            "{method} {path}"
        );
    }
    for path in ["/metadata", "/health", "/", ""] {
        let answer = http::get(address, &format!("/gateway/{id}{path}")).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["x-rivet-actor"].as_bytes()),
            (200, id.as_bytes()),
            "{path}"
        );
        assert_eq!(
            http::get(address, &format!("/gateway/unknown{path}")).await.status(),
            404
        );
    }
    assert_eq!(server.log.lines(), Vec::<String>::new(), "nobody was woken or asked");
}

#[tokio::test]
async fn errors_of_routing_are_in_the_requests_encoding() {
    let server = serve(|gateway| gateway);
    for encoding in Encoding::ALL {
        let header = [("x-rivet-encoding", encoding.name())];
        let answer = http::call(server.address(), Method::POST, "/gateway/a//b", &header, b"").await;
        assert_eq!(answer.headers()["content-type"], encoding.content_type());
        let (_, body) =
            agentos_wire::decode_http_error(answer.body(), encoding, &agentos_wire::Limits::default()).unwrap();
        assert_eq!(body.error.code, "no_route");
    }
}

#[tokio::test]
async fn a_base_path_stands_before_everything() {
    let server = serve(|gateway| gateway.base_path("/agents/v1/"));
    let address = server.address();
    assert!(server.running.url().ends_with("/agents/v1"));
    assert_eq!(http::get(address, "/agents/v1/metadata").await.status(), 200);
    assert_eq!(http::get(address, "/agents/v1?x=1").await.status(), 404);
    for path in ["/metadata", "/agents/v1x/metadata", "/agents", "/"] {
        assert_eq!(http::error(&http::get(address, path).await), "guard/no_route", "{path}");
    }
    let target = format!("/agents/v1/gateway/counter/action/increment?{QUERY}&rvt-key=k");
    assert_eq!(
        http::call(address, Method::POST, &target, &[], br#"{"args":[]}"#)
            .await
            .status(),
        200
    );
}
