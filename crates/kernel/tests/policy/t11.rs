//! T11: globs. `*` never crosses `/`; empty rules are refused; an omitted default denies; unknown syntax fails creation.
//! The comparison with a second evaluator is in `random.rs`.

use agentos_kernel::policy::{Operation, Policy};
use serde_json::{Value, json};

fn policy(config: &Value) -> Policy {
    Policy::from_json(config).unwrap()
}

fn allows(pattern: &str, path: &str) -> bool {
    let policy = policy(&json!({ "fs": { "rules": [{ "mode": "allow", "paths": [pattern] }] } }));
    policy.check(Operation::FsRead, path.as_bytes()).is_ok()
}

#[test]
fn t11_a_star_never_crosses_a_slash() {
    for (pattern, path, expected) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/b/c", false),
        ("/a/*", "/a", false),
        ("/a/*c", "/a/b/c", false),
        ("/*/c", "/a/c", true),
        ("/*/c", "/a/b/c", false),
        ("/a?b", "/a/b", false),
        ("/a?b", "/acb", true),
        ("/a*b", "/a/b", false),
        ("/a*b", "/ab", true),
        ("/*", "/", false),
        ("/*", "/.hidden", true),
        ("/a/**", "/a", true),
        ("/a/**", "/a/b/c/d", true),
        ("/a/**", "/ab", false),
        ("/a/**/z", "/a/z", true),
        ("/a/**/z", "/a/b/c/z", true),
        ("/a/**/z", "/a/b/z/c", false),
        ("/**", "/", true),
        ("/**/x", "/x", true),
        ("/**/**", "/", true),
        ("*", "/any/thing", true),
        ("**", "/any/thing", true),
        ("/A", "/a", false),
        ("/a\nb", "/a\nb", true),
        ("/a*", "/a\nb", true),
        ("/?", "/é", false),
        ("/??", "/é", true),
        ("/a.b", "/axb", false),
        ("/a+", "/aa", false),
        ("/(a|b)", "/a", false),
        ("/(a|b)", "/(a|b)", true),
        ("/^$", "/^$", true),
        ("/a ", "/a", false),
    ] {
        assert_eq!(allows(pattern, path), expected, "{pattern:?} on {path:?}");
    }
}

#[test]
fn t11_bytes_that_are_no_text_are_compared_as_bytes() {
    let policy = policy(&json!({ "fs": { "rules": [{ "mode": "allow", "paths": ["/a/*"] }] } }));
    assert!(policy.check(Operation::FsRead, b"/a/\xff\xfe").is_ok());
    assert!(policy.check(Operation::FsRead, b"/a/\xff/\xfe").is_err());
    assert!(policy.check(Operation::FsRead, b"/b/\xff").is_err());
}

#[test]
fn t11_empty_rules_are_refused() {
    for config in [
        json!({ "fs": { "rules": [] } }),
        json!({ "fs": { "rules": [{ "mode": "allow", "paths": [] }] } }),
        json!({ "fs": { "rules": [{ "mode": "allow", "operations": [] }] } }),
        json!({ "fs": { "rules": [{ "mode": "allow", "paths": [""] }] } }),
        json!({ "fs": { "rules": [{}] } }),
        json!({ "fs": {} }),
    ] {
        assert!(Policy::from_json(&config).is_err(), "{config}");
    }
}

#[test]
fn t11_an_omitted_default_denies() {
    let policy = policy(&json!({ "fs": { "rules": [{ "mode": "allow", "paths": ["/a"] }] } }));
    assert!(policy.check(Operation::FsRead, b"/a").is_ok());
    let denied = policy.check(Operation::FsRead, b"/b").unwrap_err();
    assert_eq!(&*denied.rule, "fs.default");
    assert_eq!(
        denied.to_string(),
        "EACCES: permission denied, /b: blocked by fs.read policy"
    );
}

#[test]
fn t11_unknown_syntax_fails_creation() {
    for pattern in [
        "/[ab]", "/a]", "/{a,b}", "/a}", "/a\\*", "/a***", "/***", "a", "a/b", "./a", "~", "/a/", "/a//b", "/a/./b",
        "/..", "/a**", "/**a/b", "/a/b**/c", "!/a", " /a", "",
    ] {
        let config = json!({ "fs": { "rules": [{ "mode": "allow", "paths": [pattern] }] } });
        assert!(Policy::from_json(&config).is_err(), "{pattern:?}");
    }
}

#[test]
fn t11_an_empty_resource_matches_no_rule() {
    let deny_all = policy(&json!({ "fs": { "default": "allow", "rules": [{ "mode": "deny" }] } }));
    assert!(deny_all.check(Operation::FsRead, b"").is_ok());
    let allow_all = policy(&json!({ "fs": { "rules": [{ "mode": "allow" }] } }));
    assert!(allow_all.check(Operation::FsRead, b"").is_err());
}
