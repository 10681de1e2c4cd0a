//! The control API, as clients of all versions use it.

use ::http::Method;
use serde_json::json;

use crate::support::{http, serve};

#[tokio::test]
async fn metadata_and_health_need_nothing() {
    let server = serve(|gateway| gateway.token("s3cret"));
    let metadata = http::get(server.address(), "/metadata?namespace=default").await;
    assert_eq!(
        (metadata.status().as_u16(), &metadata.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let metadata = http::json(&metadata);
    assert_eq!(metadata["runtime"], "agentos");
    assert!(metadata.get("clientEndpoint").is_none());
    assert_eq!(
        http::json(&http::get(server.address(), "/health").await)["status"],
        "ok"
    );
    let wrong = http::call(server.address(), Method::POST, "/metadata", &[], b"").await;
    assert_eq!(
        (wrong.status().as_u16(), &wrong.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
    let head = http::call(server.address(), Method::HEAD, "/health", &[], b"").await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
}

#[tokio::test]
async fn actors_are_made_found_and_destroyed() {
    let server = serve(|gateway| gateway);
    let address = server.address();
    let body = br#"{"name":"counter","key":"a/b\\/c","runner_name_selector":"pool-1","crash_policy":"sleep"}"#;
    let made = http::json(&http::call(address, Method::PUT, "/actors?namespace=default", &[], body).await);
    assert_eq!(made["created"], true);
    let actor = &made["actor"];
    let id = actor["actor_id"].as_str().unwrap().to_owned();
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    );
    assert_eq!(
        (&actor["name"], &actor["key"], &actor["namespace_id"]),
        (&json!("counter"), &json!(r"a/b\/c"), &json!("default"))
    );
    assert!(actor["create_ts"].is_i64() && actor["destroy_ts"].is_null());
    let again = http::json(&http::call(address, Method::PUT, "/actors?namespace=default", &[], body).await);
    assert_eq!(
        (&again["created"], again["actor"]["actor_id"].as_str()),
        (&json!(false), Some(id.as_str()))
    );
    // By id, by name and key, unknown.
    for query in [
        format!("actor_ids={id}"),
        format!("actor_ids={id}&name=counter"),
        r"name=counter&key=a%2Fb%5C%2Fc".into(),
    ] {
        let found = http::json(&http::get(address, &format!("/actors?namespace=default&{query}")).await);
        assert_eq!(found["actors"][0]["actor_id"], id, "{query}");
    }
    for query in ["actor_ids=unknown", "actor_ids=%20", "name=counter&key=other"] {
        assert_eq!(
            http::json(&http::get(address, &format!("/actors?{query}")).await),
            json!({"actors": []}),
            "{query}"
        );
    }
    // A taken key.
    let taken = http::call(address, Method::POST, "/actors?namespace=default", &[], body).await;
    assert_eq!(
        (taken.status().as_u16(), http::error(&taken).as_str()),
        (400, "actor/duplicate_key")
    );
    assert_eq!(http::json(&taken)["metadata"]["existing_actor_id"], id);
    assert_eq!(
        http::json(&taken)["message"],
        format!(r"Actor key 'a/b\/c' already in use for actor '{id}'")
    );
    let other = br#"{"name":"counter","key":"other","runner_name_selector":"default","crash_policy":"destroy","input":"oWFhAQ=="}"#;
    let created = http::call(address, Method::POST, "/actors?namespace=default", &[], other).await;
    assert_eq!(created.status(), 200);
    assert!(http::json(&created).get("created").is_none());
    assert_eq!(
        http::json(&http::get(address, "/actors?name=counter").await)["actors"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Destroyed, and gone at once.
    let gone = http::call(
        address,
        Method::DELETE,
        &format!("/actors/{id}?namespace=default"),
        &[],
        b"",
    )
    .await;
    assert_eq!((gone.status().as_u16(), &gone.body()[..]), (200, &b"{}"[..]));
    assert_eq!(
        http::json(&http::get(address, &format!("/actors?actor_ids={id}")).await),
        json!({"actors": []})
    );
    let twice = http::call(address, Method::DELETE, &format!("/actors/{id}"), &[], b"").await;
    assert_eq!(
        (twice.status().as_u16(), http::error(&twice).as_str()),
        (404, "actor/not_found")
    );
}

#[tokio::test]
async fn bad_requests_have_their_codes() {
    let server = serve(|gateway| gateway);
    let put = |body: &'static str| http::call(server.address(), Method::PUT, "/actors", &[], body.as_bytes());
    for (body, code) in [
        ("{", "actor/invalid_request"),
        (r#"{"name":"nobody","key":"k"}"#, "actor/not_registered"),
        (r#"{"name":"counter","key":"a,b"}"#, "actor/invalid_params"),
        (r#"{"name":"counter","key":"a/\\0"}"#, "actor/invalid_params"),
        (r#"{"name":"counter","key":"k","input":"%"}"#, "actor/invalid_params"),
    ] {
        let answer = put(body).await;
        assert_eq!(
            (answer.status().as_u16(), http::error(&answer).as_str()),
            (400, code),
            "{body}"
        );
    }
    let long = format!(r#"{{"name":"counter","key":"{}"}}"#, "x".repeat(129));
    assert_eq!(
        http::call(server.address(), Method::PUT, "/actors", &[], long.as_bytes())
            .await
            .status(),
        400
    );
    assert_eq!(
        http::error(&http::get(server.address(), "/actors?name=nobody&key=k").await),
        "actor/not_registered"
    );
    assert_eq!(
        http::error(&http::get(server.address(), "/actors?namespace=other&name=counter&key=k").await),
        "actor/invalid_params"
    );
    let wrong = http::call(server.address(), Method::PATCH, "/actors", &[], b"").await;
    assert_eq!(
        (wrong.status().as_u16(), http::error(&wrong).as_str()),
        (405, "actor/method_not_allowed")
    );
    assert_eq!(
        http::call(server.address(), Method::GET, "/actors/x", &[], b"")
            .await
            .status(),
        405
    );
    for path in ["/", "/nothing", "/actors/", "/actors/a/b", "/gateway", "//metadata"] {
        let answer = http::get(server.address(), path).await;
        assert_eq!(
            (answer.status().as_u16(), http::error(&answer).as_str()),
            (404, "guard/no_route"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn administration_needs_the_token_or_this_machine() {
    let open = serve(|gateway| gateway);
    let id = http::actor(open.address(), "counter", "k").await;
    for header in ["forwarded", "x-forwarded-for", "x-forwarded-proto"] {
        let through_proxy = [(header, "for=192.0.2.1")];
        for (method, target) in [
            (Method::DELETE, format!("/actors/{id}")),
            (Method::GET, "/actors?name=counter".into()),
        ] {
            let answer = http::call(open.address(), method, &target, &through_proxy, b"").await;
            assert_eq!(
                (answer.status().as_u16(), http::error(&answer).as_str()),
                (403, "auth/forbidden"),
                "{header} {target}"
            );
        }
        // What clients need is served through a proxy as well.
        let found = http::call(
            open.address(),
            Method::GET,
            &format!("/actors?actor_ids={id}"),
            &through_proxy,
            b"",
        )
        .await;
        assert_eq!(found.status(), 200);
    }
    let closed = serve(|gateway| gateway.token("s3cret"));
    let token = [("authorization", "Bearer s3cret"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(http::get(closed.address(), "/actors?name=counter").await.status(), 401);
    assert_eq!(
        http::call(closed.address(), Method::GET, "/actors?name=counter", &token, b"")
            .await
            .status(),
        200
    );
    assert_eq!(
        http::call(closed.address(), Method::DELETE, "/actors/unknown", &token, b"")
            .await
            .status(),
        404
    );
    assert_eq!(
        http::call(closed.address(), Method::DELETE, "/actors/unknown", &[], b"")
            .await
            .status(),
        401
    );
}
