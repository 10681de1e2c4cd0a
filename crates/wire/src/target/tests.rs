//! Every form of address, and every way to get one wrong.

use proptest::prelude::*;

use agentos_value::{Key, Value};

use super::*;

const QUERY: &str = "rvt-namespace=ns&rvt-method=getOrCreate&rvt-runner=default";

fn target(raw: &str) -> Target {
    Target::parse(raw, &Hints::default()).unwrap().unwrap()
}

fn failure(raw: &str) -> WireError {
    Target::parse(raw, &Hints::default()).unwrap_err()
}

fn query(raw: &str) -> ActorQuery {
    match target(raw).address {
        Address::Query(query) => query,
        Address::Id(id) => panic!("{raw} names the id {id}"),
    }
}

#[test]
fn direct_forms() {
    for (raw, id, token, path) in [
        ("/gateway/abc/action/x", "abc", None, "/action/x"),
        (
            "/gateway/abc@tok%2Fen/action/x?a=b?c",
            "abc",
            Some("tok/en"),
            "/action/x?a=b?c",
        ),
        (
            "/gateway/some%20id%2F1@t@u/connect",
            "some id/1",
            Some("t@u"),
            "/connect",
        ),
        ("/gateway/abc", "abc", None, "/"),
        ("/gateway/abc?x", "abc", None, "/?x"),
        ("/gateway/abc/", "abc", None, "/"),
        ("/gateway/abc/request/p?", "abc", None, "/request/p?"),
        (
            "/gateway/abc/request/p?x=rvt-a&u=http://x",
            "abc",
            None,
            "/request/p?x=rvt-a&u=http://x",
        ),
        ("/gateway/a%2540/x", "a%40", None, "/x"),
    ] {
        let target = target(raw);
        assert_eq!(target.address, Address::Id(id.to_owned()), "{raw}");
        assert_eq!((target.token.as_deref(), target.path.as_str()), (token, path), "{raw}");
    }
}

#[test]
fn paths_that_lead_nowhere() {
    for raw in [
        "/gateway/",
        "/gateway//x",
        "/gateway/a//b",
        "/gateway/@t/x",
        "/gateway/a@/x",
        "/gateway/%ff/x",
        "/gateway/a@%ff/x",
        "/gateway/?x=1",
    ] {
        assert_eq!(failure(raw), WireError::NoRoute, "{raw}");
    }
    for raw in [
        "/",
        "/gateway",
        "/gateway?rvt-method=get",
        "/actors",
        "/metadata",
        "/Gateway/a/x",
        "",
    ] {
        assert_eq!(Target::parse(raw, &Hints::default()), Ok(None), "{raw}");
    }
}

#[test]
fn query_forms() {
    let raw = format!("/gateway/coun+ter%2F/action/x?a=1&{QUERY}&rvt-key=a%2Cb+c,%2B&b=%2Frvt-x&rvt-token=t%2Fk&&c");
    let target = target(&raw);
    assert_eq!(target.path, "/action/x?a=1&b=%2Frvt-x&&c");
    assert_eq!(target.token.as_deref(), Some("t/k"));
    assert!(target.is_query_form() && !target.skip_ready_wait);
    let query = query(&raw);
    assert_eq!((query.namespace.as_str(), query.name.as_str()), ("ns", "coun+ter/"));
    assert_eq!(query.key, Key::new(["a", "b c", "+"]));
}

#[test]
fn parameters_of_the_query_form() {
    let get = query("/gateway/c/x?rvt-method=get&rvt-namespace=n&rvt-key=&rvt-pool=p");
    assert_eq!((get.key, get.method), (Key::default(), QueryMethod::Get));
    let raw = "/gateway/c?rvt-method=getOrCreate&rvt-namespace=n&rvt-runner=r&rvt-pool=p&rvt-input=uQABYXgB\
               &rvt-region=eu&rvt-crash-policy=restart&rvt-skip-ready-wait=1";
    assert_eq!(target(raw).path, "/");
    assert!(target(raw).skip_ready_wait);
    assert_eq!(
        query(raw).method,
        QueryMethod::GetOrCreate {
            pool: "p".into(),
            input: Some(Value::object([("x", 1)])),
            region: Some("eu".into()),
            crash_policy: Some(CrashPolicy::Restart),
        }
    );
}

#[test]
fn bad_query_forms() {
    let get = "rvt-namespace=n&rvt-method=get";
    for (raw, code) in [
        (
            format!("/gateway/c/x?{QUERY}&rvt-key=a&rvt-key=a"),
            "query_duplicate_param",
        ),
        (
            format!("/gateway/c/x?{QUERY}&rvt-k%65y=a&rvt-key=a"),
            "query_duplicate_param",
        ),
        (format!("/gateway/c/x?{QUERY}&rvt-other=1"), "query_invalid_params"),
        (format!("/gateway/c/x?{QUERY}&rvt-"), "query_invalid_params"),
        (format!("/gateway/c/x?{QUERY}&rvt-key=%ff"), "query_invalid_params"),
        (
            format!("/gateway/c/x?{QUERY}&rvt-skip-ready-wait=yes"),
            "query_invalid_params",
        ),
        (
            format!("/gateway/c/x?{QUERY}&rvt-crash-policy=no"),
            "query_invalid_params",
        ),
        (format!("/gateway/c/x?{QUERY}&rvt-input=%3D"), "query_invalid_params"),
        (format!("/gateway/c/x?{QUERY}&rvt-input=AAA"), "query_invalid_params"),
        (format!("/gateway/{}/x?{QUERY}", "n".repeat(65)), "query_invalid_params"),
        (format!("/gateway/%ff/x?{QUERY}"), "query_invalid_params"),
        ("/gateway/c/x?rvt-method=get".into(), "query_invalid_params"),
        ("/gateway/c/x?rvt-namespace=n".into(), "query_invalid_params"),
        (
            "/gateway/c/x?rvt-namespace=n&rvt-method=create".into(),
            "query_invalid_params",
        ),
        (format!("/gateway/c@t/x?{QUERY}"), "query_path_token_syntax"),
        (format!("/gateway/?{QUERY}"), "query_empty_actor_name"),
        (
            format!("/gateway/c/x?{get}&rvt-runner=r"),
            "query_get_disallowed_params",
        ),
        (
            format!("/gateway/c/x?{get}&rvt-input=AA"),
            "query_get_disallowed_params",
        ),
        (
            format!("/gateway/c/x?{get}&rvt-region=r"),
            "query_get_disallowed_params",
        ),
        (
            format!("/gateway/c/x?{get}&rvt-crash-policy=sleep"),
            "query_get_disallowed_params",
        ),
        (
            "/gateway/c/x?rvt-namespace=n&rvt-method=getOrCreate".into(),
            "query_missing_pool",
        ),
    ] {
        match failure(&raw) {
            WireError::Query { code: found, .. } => assert_eq!(found, code, "{raw}"),
            other => panic!("{raw}: {other}"),
        }
    }
}

#[test]
fn errors_do_not_repeat_values() {
    let error = failure(&format!("/gateway/c/x?{QUERY}&rvt-token=secret&rvt-token=secret"));
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn header_forms() {
    let hints = Hints {
        target: Some("actor"),
        actor: Some("id1"),
        skip_ready_wait: true,
    };
    for raw in [
        "/request",
        "/request/y?q=1",
        "/request?q",
        "/connect",
        "/connect?x",
        "/websocket",
        "/websocket/a",
    ] {
        let target = Target::parse(raw, &hints).unwrap().unwrap();
        assert_eq!((target.address, target.path.as_str()), (Address::Id("id1".into()), raw));
        assert!(target.skip_ready_wait);
    }
    for raw in ["/action/x", "/requests", "/connect/x", "/actors", "/"] {
        assert_eq!(Target::parse(raw, &hints), Ok(None), "{raw}");
    }
    assert_eq!(Target::parse("/request//x", &hints), Err(WireError::NoRoute));
    assert_eq!(
        Target::parse(
            "/request",
            &Hints {
                target: Some("runner"),
                ..hints
            }
        ),
        Ok(None)
    );
    assert_eq!(Target::parse("/request", &Hints { actor: None, ..hints }), Ok(None));
    let gateway = Target::parse("/gateway/id2/request", &hints).unwrap().unwrap();
    assert_eq!(gateway.address, Address::Id("id2".into()));
}

proptest! {
    #[test]
    fn any_target_is_an_address_or_an_error(raw in r"(/gateway/)?[a/@%?&=+]{0,12}(\?rvt-(key|method|namespace)=[a,&%]{0,6})?") {
        let hints = Hints { target: Some("actor"), actor: Some("x"), skip_ready_wait: false };
        if let Ok(Some(target)) = Target::parse(&raw, &hints) {
            prop_assert!(target.path.starts_with('/'));
            let query = target.path.split_once('?').map_or("", |(_, query)| query);
            let kept = target.is_query_form() && query.split('&').any(query::is_ours);
            prop_assert!(!kept);
        }
    }

    #[test]
    fn other_parameters_are_forwarded_as_they_came(before in "[a-z=%+]{1,6}", after in "[a-z=%+]{1,6}") {
        let target = target(&format!("/gateway/c/request?{before}&{QUERY}&{after}"));
        prop_assert_eq!(target.path, format!("/request?{before}&{after}"));
    }
}
