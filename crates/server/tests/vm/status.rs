//! Policy, status, and the session actions that are not there.

use crate::support::{Client, json, members, text};
use agentos_server::{VmDefinition, VmOptions};
use serde_json::json;

#[tokio::test]
async fn the_policy_explains_itself_without_a_boot() {
    let policy = json!({ "fs": { "default": "allow", "rules": [{ "mode": "deny", "operations": ["read"], "paths": ["/home/user/secret"] }] } });
    let options = VmOptions::new().permissions(policy);
    let vm = Client::asleep(VmDefinition::builder().options(options).build().unwrap()).await;
    let explained = text(&vm.ok("policy.explain", ("fs", "read", "/home/user/secret")).await);
    assert_eq!(explained["decision"], "deny");
    assert_eq!(explained["rule"], "permissions.fs.rules[0]");
    let explained = text(&vm.ok("policy.explain", ("network", "http", "tcp://10.0.0.1:80")).await);
    assert_eq!(explained["guard"]["label"], "private");
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    for args in [("nothing", "read", "/x"), ("fs", "fly", "/x")] {
        assert_eq!(vm.err("policy.explain", args).await.0, "agentos/invalid_argument");
    }
    // The same answers from the booted VM, and enforcement agrees.
    vm.ok("writeFile", ("/home/user/secret", "x")).await;
    let explained = text(&vm.ok("policy.explain", ("fs", "read", "/home/user/secret")).await);
    assert_eq!(explained["rule"], "permissions.fs.rules[0]");
    let error = vm.call("readFile", ("/home/user/secret",)).await.unwrap_err();
    assert_eq!(error.code, "EACCES");
    assert_eq!(
        error.message,
        "EACCES: permission denied, /home/user/secret: blocked by fs.read policy"
    );
    assert_eq!(text(&error.metadata.unwrap())["rule"], "permissions.fs.rules[0]");
}

#[tokio::test]
async fn the_status_says_why_the_vm_is_awake() {
    let vm = Client::asleep(VmDefinition::default()).await;
    let asleep = vm.ok("vmStatus", ()).await;
    assert_eq!(members(&asleep), ["state", "awakeBecause", "limits"]);
    let pid = vm
        .ok("spawn", ("sleep", json(json!(["1000"]))))
        .await
        .get("pid")
        .unwrap()
        .as_int()
        .unwrap();
    vm.ok("openShell", ()).await;
    let status = vm.ok("vmStatus", ()).await;
    assert_eq!(members(&status), ["state", "bootedAt", "awakeBecause", "limits"]);
    let status = text(&status);
    assert_eq!(status["state"], "ready");
    let reasons = status["awakeBecause"].as_array().unwrap();
    assert!(reasons.contains(&json!(format!("process:{pid}"))), "{reasons:?}");
    assert!(reasons.contains(&json!("shell:shell-1")), "{reasons:?}");
    assert!(
        !reasons.iter().any(
            |reason| reason.as_str().unwrap().starts_with("process:") && *reason != json!(format!("process:{pid}"))
        )
    );
    let limits = status["limits"].as_array().unwrap();
    let processes = limits.iter().find(|limit| limit["name"] == "maxProcesses").unwrap();
    assert_eq!(processes["capacity"], 256);
    assert!(processes["observed"].as_u64().unwrap() >= 2);
}

#[tokio::test]
async fn sessions_that_are_not_there_need_no_vm() {
    let vm = Client::asleep(VmDefinition::default()).await;
    for action in [
        "listSessions",
        "listPersistedSessions",
        "listPendingPermissions",
        "listPermissionGrants",
    ] {
        assert_eq!(text(&vm.ok(action, ()).await), json!([]));
    }
    for action in ["getSession", "getEvents", "closeSession"] {
        assert_eq!(vm.err(action, ("ses_none",)).await.0, "agentos/session_not_found");
    }
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    assert_eq!(vm.err("noSuchAction", ()).await.0, "actor/action_not_found");
}

#[tokio::test]
async fn previews_are_made_listed_and_revoked() {
    let vm = Client::asleep(VmDefinition::default()).await;
    let made = vm.ok("createSignedPreviewUrl", (3000, 60)).await;
    assert_eq!(members(&made), ["path", "token", "port", "expiresAt"]);
    let made = text(&made);
    let token = made["token"].as_str().unwrap();
    assert_eq!(
        (token.len(), made["path"].as_str().unwrap()),
        (32, format!("/request/fetch/{token}").as_str())
    );
    let listed = vm.ok("listPreviews", ()).await;
    assert_eq!(
        members(&listed.as_array().unwrap()[0]),
        ["id", "port", "createdAt", "expiresAt"]
    );
    assert!(!text(&listed).to_string().contains(token));
    vm.ok("expireSignedPreviewUrl", (token,)).await;
    vm.ok("expireSignedPreviewUrl", (token,)).await;
    vm.ok("expirePreview", ("00000000",)).await;
    assert_eq!(text(&vm.ok("listPreviews", ()).await), json!([]));
    let error = vm.call("createSignedPreviewUrl", (3000, 100_000)).await.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("invalid_expiry", "expiresInSeconds must be between 1 and 86400")
    );
    assert_eq!(
        vm.err("createSignedPreviewUrl", (0,)).await.0,
        "agentos/invalid_argument"
    );
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
}
