//! Actions over HTTP, in every encoding and version.

use ::http::Method;
use agentos_value::{INTERNAL_MESSAGE, Value};
use agentos_wire::Encoding;

use crate::support::{http, serve, soon};

#[tokio::test]
async fn an_action_answers_in_the_encoding_and_version_of_its_request() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", r"a/b\\/c").await;
    let mut client = http::Client::connect(server.address()).await;
    let mut expected = 0;
    for encoding in Encoding::ALL {
        for version in 1..=4 {
            expected += 5;
            let result = http::action(
                &mut client,
                &id,
                "increment",
                http::format(encoding, version),
                &[Value::Int(5)],
            )
            .await;
            assert_eq!(result, Ok(Value::Int(expected)), "{encoding:?} {version}");
        }
    }
}

#[tokio::test]
async fn golden_bytes_and_headers() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let target = format!("/gateway/{id}/action/increment");
    let bare = [("x-rivet-encoding", "bare"), ("x-rivet-ray-id", "ray-1")];
    let answer = http::call(server.address(), Method::POST, &target, &bare, b"\x03\x00\x02\x81\x05").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"\x03\x00\x01\x05"[..])
    );
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(
        (header("x-rivet-actor"), header("x-rivet-actor-key")),
        (id.as_str(), "k")
    );
    assert_eq!(header("x-rivet-ray-id"), "ray-1");
    assert!(header("x-rivet-actor-generation").parse::<u64>().is_ok());
    // A user's error in version 3, byte for byte.
    let target = format!("/gateway/{id}/action/forbidden");
    let answer = http::call(server.address(), Method::POST, &target, &bare, b"\x03\x00\x01\x80").await;
    assert_eq!(answer.status(), 400);
    assert!(
        answer.body().starts_with(b"\x03\x00\x04user\x09nope_code\x04Nope\x01"),
        "{:?}",
        answer.body()
    );
    // Absent and unknown encodings are JSON.
    for headers in [&[][..], &[("x-rivet-encoding", "xml")]] {
        let target = format!("/gateway/{id}/action/echo");
        let answer = http::call(server.address(), Method::POST, &target, headers, br#"{"args":[1,"a"]}"#).await;
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(http::json(&answer), serde_json::json!({"output":[1,"a"]}));
    }
}

#[tokio::test]
async fn errors_are_public_or_masked() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut client = http::Client::connect(server.address()).await;
    for encoding in Encoding::ALL {
        let format = http::format(encoding, 4);
        let (status, error) = http::action(&mut client, &id, "forbidden", format, &[])
            .await
            .unwrap_err();
        assert_eq!(
            (status, error.code.as_ref(), error.message.as_str()),
            (400, "nope_code", "Nope")
        );
        assert_eq!(error.metadata.and_then(|m| m.get("a").cloned()), Some(Value::Int(1)));
        let (status, error) = http::action(&mut client, &id, "broken", format, &[]).await.unwrap_err();
        assert_eq!((status, error.message.as_str()), (500, INTERNAL_MESSAGE));
        let (status, error) = http::action(&mut client, &id, "nothing", format, &[])
            .await
            .unwrap_err();
        assert_eq!(
            (status, error.message.as_str()),
            (404, "Action `nothing` was not found.")
        );
        let (status, error) = http::action(&mut client, "nosuchactor", "echo", format, &[])
            .await
            .unwrap_err();
        assert_eq!((status, error.code.as_ref()), (404, "not_found"));
    }
}

#[tokio::test]
async fn hooks_decide_by_parameters_and_their_absence_is_null() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "guarded", "k").await;
    let target = format!("/gateway/{id}/action/increment");
    let call = |params: Option<&[u8]>| {
        let params = params.map(<[u8]>::to_vec);
        let target = target.clone();
        let address = server.address();
        async move {
            let mut request = ::http::Request::post(target);
            if let Some(params) = params {
                request = request.header("x-rivet-conn-params", ::http::HeaderValue::from_bytes(&params).unwrap());
            }
            let body = http_body_util::Full::new(bytes::Bytes::from_static(br#"{"args":[]}"#));
            http::Client::connect(address)
                .await
                .send(request.body(body).unwrap())
                .await
        }
    };
    assert_eq!(call(Some(br#"{"authToken":"good"}"#)).await.status(), 200);
    let bad = call(Some(br#"{"authToken":"bad"}"#)).await;
    assert_eq!(
        (bad.status().as_u16(), http::error(&bad).as_str()),
        (400, "user/forbidden")
    );
    assert_eq!(http::json(&bad)["message"], "Forbidden");
    for masked in [call(None).await, call(Some(b"null")).await] {
        assert_eq!(
            (masked.status().as_u16(), http::error(&masked).as_str()),
            (500, "internal/internal_error")
        );
        assert_eq!(http::json(&masked)["message"], INTERNAL_MESSAGE);
    }
    // ISO 8859-1: the e with an accent is one octet.
    assert_eq!(
        http::error(&call(Some(b"{\"authToken\":\"\xe9\"}")).await),
        "user/forbidden"
    );
    let asked = server.log.count("asked");
    for undecodable in [&b"{"[..], b"undefined", b""] {
        let refused = call(Some(undecodable)).await;
        assert_eq!(
            (refused.status().as_u16(), http::error(&refused).as_str()),
            (400, "actor/invalid_params")
        );
    }
    assert_eq!(server.log.count("asked"), asked, "no hook saw undecodable parameters");
}

#[tokio::test]
async fn every_action_is_a_connection_of_its_own() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let mut client = http::Client::connect(server.address()).await;
    for _ in 0..3 {
        http::action(&mut client, &id, "increment", http::format(Encoding::Bare, 3), &[])
            .await
            .unwrap();
    }
    crate::support::until(|| server.log.count("disconnected") == 3).await;
    assert_eq!(server.log.count("boot"), 1);
}

#[tokio::test]
async fn handlers_see_no_gateway_headers_and_no_token() {
    let server = serve(|gateway| gateway.token("s3cret"));
    let headers = [
        ("authorization", "Bearer s3cret"),
        ("x-rivet-token", "s3cret"),
        ("x-rivet-actor", "spoofed"),
        ("x-custom", "kept"),
    ];
    let query = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-key=k&rvt-token=s3cret&mine=1";
    let target = format!("/gateway/counter/action/seen?{query}");
    let answer = http::call(server.address(), Method::POST, &target, &headers, br#"{"args":[]}"#).await;
    let seen = http::json(&answer)["output"].as_str().unwrap_or_default().to_owned();
    assert!(
        seen.contains("x-custom") && seen.contains("/action/seen?mine=1"),
        "{seen}"
    );
    assert!(
        !seen.contains("s3cret") && !seen.contains("rvt-") && !seen.contains("spoofed"),
        "{seen}"
    );
}

#[tokio::test]
async fn undecodable_bodies_are_refused_in_a_version_that_all_clients_read() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let target = format!("/gateway/{id}/action/increment");
    for body in [
        &b""[..],
        b"\x01",
        b"\x05\x00\x02\x81\x05",
        b"\x03\x00\x09\x81\x05",
        b"\x04\x00\x02\x81\x05\x00",
    ] {
        let answer = http::call(
            server.address(),
            Method::POST,
            &target,
            &[("x-rivet-encoding", "bare")],
            body,
        )
        .await;
        assert_eq!(answer.status(), 400, "{body:?}");
        let version = if body.first().is_some_and(|first| (3..=4).contains(first)) {
            body[0]
        } else {
            2
        };
        assert!(answer.body().starts_with(&[version, 0]), "{body:?} {:?}", answer.body());
    }
    assert_eq!(server.log.count("boot"), 0);
}

#[tokio::test]
async fn queues_are_not_offered() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let target = format!("/gateway/{id}/queue/q");
    let answer = http::call(server.address(), Method::POST, &target, &[], br#"{"body":1}"#).await;
    assert_eq!(
        (answer.status().as_u16(), http::error(&answer).as_str()),
        (400, "queue/unsupported")
    );
}

#[tokio::test]
async fn chunked_and_pipelined_requests() {
    let server = serve(|gateway| gateway);
    let id = http::actor(server.address(), "counter", "k").await;
    let one = format!(
        "POST /gateway/{id}/action/increment HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\n{{\"a\r\n9\r\nrgs\":[1]}}\r\n0\r\n\r\n"
    );
    let last = one.replace("host: localhost", "host: localhost\r\nconnection: close");
    let all = soon(http::raw(server.address(), format!("{one}{one}{last}").as_bytes())).await;
    assert_eq!(all.matches("HTTP/1.1 200").count(), 3, "{all}");
    assert!(
        all.contains(r#"{"output":1}"#) && all.contains(r#"{"output":3}"#),
        "{all}"
    );
}
