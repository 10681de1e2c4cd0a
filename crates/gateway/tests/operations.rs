//! Metrics, the description of the interface, and the inspector's routes, over the wire.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use agentos_actor::{ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, Failure, Registry};
use agentos_gateway::operations::{Operations, openapi};
use agentos_gateway::preview::{PreviewOptions, PreviewProxy, RegistryPreviews};
use agentos_gateway::{Gateway, Running, Traffic};
use agentos_value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Quiet;

impl ActorDefinition for Quiet {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        (name == "hum").then_some(ActionKind::Awake)
    }

    fn action_names(&self) -> Vec<String> {
        vec!["hum".to_owned()]
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Hum) as Arc<dyn Actor>) })
    }
}

struct Hum;

impl Actor for Hum {
    fn action<'a>(&'a self, ctx: ActorContext, _: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        ctx.limit_exceeded("limits.test.maxHums", 2);
        Box::pin(async { Ok(Value::Null) })
    }
}

struct House {
    running: Running,
    registry: Registry,
    _directory: tempfile::TempDir,
}

const TOKEN: &str = "gate-token-of-this-test";

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builder()
        .define("quiet", Quiet)
        .data_dir(directory.path())
        .build()
        .unwrap();
    let traffic = Arc::new(Traffic::default());
    let previews = PreviewProxy::new(
        Arc::new(RegistryPreviews::new(registry.clone())),
        PreviewOptions::default(),
    );
    let operations = Operations::new(registry.clone(), previews.clone(), traffic.clone(), TOKEN.to_owned());
    let gateway = Gateway::builder(registry.clone())
        .token(TOKEN)
        .traffic(traffic)
        .extension(Arc::new(previews))
        .extension(Arc::new(operations))
        .build()
        .unwrap();
    let running = gateway
        .serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    House {
        running,
        registry,
        _directory: directory,
    }
}

impl House {
    async fn ask(&self, method: &str, target: &str, token: Option<&str>, body: &str) -> (u16, String, String) {
        let mut client = TcpStream::connect(self.running.address()).await.unwrap();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {token}Content-Length: {length}\r\n\r\n{body}"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    async fn get(&self, target: &str) -> (u16, String, String) {
        self.ask("GET", target, Some(TOKEN), "").await
    }

    async fn actor(&self) -> String {
        let request = r#"{"name":"quiet","key":"k","runner_name_selector":"default","crash_policy":"sleep"}"#;
        let (status, _, body) = self.ask("PUT", "/actors?namespace=default", Some(TOKEN), request).await;
        assert_eq!(status, 200, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["actor"]["actor_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let house = house();
    let id = house.actor().await;
    for _ in 0..3 {
        let (status, _, body) = house
            .ask(
                "POST",
                &format!("/gateway/{id}/action/hum"),
                Some(TOKEN),
                r#"{"args":[]}"#,
            )
            .await;
        assert_eq!(status, 200, "{body}");
    }
    let secret = "0123456789abcdefghijklmnopqrstuv";
    house.get(&format!("/gateway/{id}/request/fetch/{secret}")).await;
    house.ask("GET", "/metrics", Some("wrong"), "").await;
    let (status, head, metrics) = house.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/openmetrics-text"),
        "{head}"
    );
    for line in [
        "agentos_actors{state=\"awake\"} 1",
        "agentos_boots_total{outcome=\"ok\"} 1",
        "agentos_actions_total{outcome=\"ok\"} 3",
        "agentos_action_seconds_count 3",
        "agentos_limit_exceeded_total{limit=\"limits.test.maxHums\"} 6",
        "agentos_requests_total{route=\"/gateway/{actor}/action/{name}\",status=\"2xx\"} 3",
        "agentos_requests_total{route=\"/gateway/{actor}/request/fetch/{token}\",status=\"4xx\"} 1",
        "agentos_request_seconds_count{route=\"/gateway/{actor}/action/{name}\"} 3",
        "agentos_auth_failures_total 1",
        "agentos_preview_requests_total{outcome=\"refused\"} 1",
        "agentos_preview_denied_total 1",
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert!(!metrics.contains(&id) && !metrics.contains(secret) && !metrics.contains(TOKEN));
    assert_eq!(house.ask("GET", "/metrics", None, "").await.0, 401);
    assert_eq!(house.ask("POST", "/metrics", Some(TOKEN), "").await.0, 405);
}

#[tokio::test]
async fn the_document_names_the_routes_that_there_are_and_no_others() {
    let house = house();
    let id = house.actor().await;
    let mut paths: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in openapi::ROUTES {
        paths.entry(row.path).or_default().push(row.method);
    }
    for (path, methods) in paths {
        let target = path.replace("{actorId}", &id).replace("{name}", "hum");
        for method in ["get", "put", "post", "delete", "patch"] {
            // Asked without the token: what exists says so by 401, or answers.
            let (status, _, body) = house.ask(&method.to_ascii_uppercase(), &target, None, "{}").await;
            let known = methods.contains(&method);
            assert!(
                !known || matches!(status, 200 | 401),
                "{method} {path}: {status} {body}"
            );
            let (status, ..) = house
                .ask(
                    &method.to_ascii_uppercase(),
                    &format!("{target}?namespace=other"),
                    Some(TOKEN),
                    "[",
                )
                .await;
            assert_eq!(status == 405, !known, "{method} {path}: {status}");
        }
    }
    let (status, _, body) = house.get("/openapi.json").await;
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    assert_eq!(document["x-agentos-actions"]["quiet"][0], "hum");
    let operations: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(operations, openapi::ROUTES.len());
    // Every schema that is named exists.
    for name in body
        .split("#/components/schemas/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_inspector_is_a_page_without_secrets_and_routes_with_a_token() {
    let house = house();
    let id = house.actor().await;
    let (status, head, page) = house.ask("GET", "/inspector/", None, "").await;
    let head = head.to_ascii_lowercase();
    assert_eq!(status, 200);
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'self';"),
        "{head}"
    );
    assert!(
        head.contains("frame-ancestors 'none'") && head.contains("x-frame-options: deny"),
        "{head}"
    );
    assert!(page.contains("inspector.js") && !page.contains(TOKEN) && !page.contains("<script>"));
    let (status, head, _) = house.ask("GET", "/inspector/inspector.js", None, "").await;
    assert!(status == 200 && head.contains("gzip"), "{head}");
    assert_eq!(house.ask("GET", "/inspector", None, "").await.0, 308);
    assert_eq!(house.ask("GET", "/inspector/../metrics", None, "").await.0, 404);
    for route in ["/inspector/api/actors", "/inspector/api/server"] {
        assert_eq!(house.ask("GET", route, None, "").await.0, 401);
        assert_eq!(house.ask("GET", route, Some("wrong"), "").await.0, 401);
    }
    let (status, _, body) = house.get("/inspector/api/actors").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["actors"][0]["id"].as_str()), (200, Some(id.as_str())));
    let (_, _, body) = house.get("/inspector/api/server").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["definitions"][0]["actions"][0], "hum");
    assert_eq!(house.registry.metrics().actors, 1);
}
