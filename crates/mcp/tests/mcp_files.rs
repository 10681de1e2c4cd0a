//! Files by tools and as resources.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::AgentOs;
use agentos_mcp::Limits;
use rmcp::model::{
    ArgumentInfo, CompleteRequestParams, PaginatedRequestParams, ReadResourceRequestParams, Reference,
    ResourceContents, SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::service::ServiceError;
use serde_json::{Value, json};
use support::{Told, World};

/// A picture of one point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn files_are_written_read_and_edited() {
    let world = World::new().await;
    let written = world
        .fields(
            "write_file",
            json!({ "path": "new/dir/a.txt", "content": "one\ntwo\nthree\n" }),
        )
        .await;
    assert_eq!(
        written,
        json!({ "path": "/home/user/new/dir/a.txt", "bytes": 14, "appended": false })
    );
    world
        .fields(
            "write_file",
            json!({ "path": "new/dir/a.txt", "content": "four\n", "append": true }),
        )
        .await;
    let whole = world
        .fields("read_file", json!({ "path": "/home/user/new/dir/a.txt" }))
        .await;
    let expected = json!({
        "path": "/home/user/new/dir/a.txt", "size": 19, "mimeType": "text/plain", "encoding": "text",
        "content": "one\ntwo\nthree\nfour\n", "offset": 0, "length": 19,
    });
    assert_eq!(whole, expected);
    let part = world
        .fields(
            "read_file",
            json!({ "path": "new/dir/a.txt", "offset": 4, "length": 3 }),
        )
        .await;
    let got = (&part["content"], &part["offset"], &part["nextOffset"]);
    assert_eq!(got, (&json!("two"), &json!(4), &json!(7)));
    let lines = world
        .fields(
            "read_file",
            json!({ "path": "new/dir/a.txt", "startLine": 2, "maxLines": 2 }),
        )
        .await;
    let got = (
        &lines["content"],
        &lines["startLine"],
        &lines["offset"],
        &lines["nextOffset"],
    );
    assert_eq!(got, (&json!("two\nthree\n"), &json!(2), &json!(4), &json!(14)));
    let beyond = world
        .fields("read_file", json!({ "path": "new/dir/a.txt", "startLine": 99 }))
        .await;
    assert_eq!((&beyond["content"], &beyond["nextOffset"]), (&json!(""), &Value::Null));

    let edits =
        json!([{ "oldText": "two\n", "newText": "2\n" }, { "oldText": "o", "newText": "0", "replaceAll": true }]);
    let edited = world
        .fields("edit_file", json!({ "path": "new/dir/a.txt", "edits": edits }))
        .await;
    assert_eq!(
        edited,
        json!({ "path": "/home/user/new/dir/a.txt", "replacements": 3, "firstLine": 2, "size": 17 })
    );
    assert_eq!(
        world.vm.read_text("/home/user/new/dir/a.txt").await.unwrap(),
        "0ne\n2\nthree\nf0ur\n"
    );
    // One edit that does not fit, and nothing is written.
    let edits = json!([{ "oldText": "2", "newText": "x" }, { "oldText": "nowhere", "newText": "" }]);
    let (said, fields) = world
        .refused("edit_file", json!({ "path": "new/dir/a.txt", "edits": edits }))
        .await;
    assert_eq!(fields["field"], "edits[1].oldText", "{said}");
    assert_eq!(
        world.vm.read_text("/home/user/new/dir/a.txt").await.unwrap(),
        "0ne\n2\nthree\nf0ur\n"
    );
}

#[tokio::test]
async fn what_is_no_text_is_base64_and_an_image_is_an_image() {
    let world = World::new().await;
    world
        .fields("write_file", json!({ "path": "b", "base64": "AP8=" }))
        .await;
    let read = world.fields("read_file", json!({ "path": "b" })).await;
    assert_eq!(
        (&read["encoding"], &read["content"]),
        (&json!("base64"), &json!("AP8="))
    );
    let read = world
        .fields("read_file", json!({ "path": "b", "encoding": "text" }))
        .await;
    assert_eq!(read["content"], "\0\u{fffd}");

    world.fields("write_file", json!({ "path": "p", "base64": PNG })).await;
    let result = world.call("read_file", json!({ "path": "p" })).await;
    let image = result.content[0].as_image().expect("an image");
    assert_eq!((image.mime_type.as_str(), image.data.as_str()), ("image/png", PNG));
    assert_eq!(result.structured_content.as_ref().unwrap()["encoding"], "image");
    let read = world.fields("read_file", json!({ "path": "p", "length": 4 })).await;
    assert_eq!(read["content"], "iVBORw==");
}

#[tokio::test]
async fn reading_is_bounded() {
    let mut limits = Limits::default();
    limits.max_read_bytes = 10;
    limits.max_edit_bytes = 30;
    limits.max_image_bytes = 20;
    let world = World::of(AgentOs::builder(), limits).await;
    world
        .vm
        .write_file("/home/user/long", "0123456789".repeat(4))
        .await
        .unwrap();
    let read = world.fields("read_file", json!({ "path": "long" })).await;
    assert_eq!(
        (&read["content"], &read["nextOffset"]),
        (&json!("0123456789"), &json!(10))
    );
    assert_eq!(
        read["truncated"],
        json!({ "limit": "length", "observed": 40, "cap": 10, "field": "content" })
    );
    let limit = |fields: &Value| (fields["limit"]["limit"].clone(), fields["limit"]["observed"].clone());
    let (_, fields) = world
        .refused("read_file", json!({ "path": "long", "length": 11 }))
        .await;
    assert_eq!(limit(&fields), (json!("mcp.maxReadBytes"), json!(11)));
    let (_, fields) = world
        .refused("read_file", json!({ "path": "long", "startLine": 1 }))
        .await;
    assert_eq!(limit(&fields), (json!("mcp.maxEditBytes"), json!(40)));
    let edits = json!([{ "oldText": "0", "newText": "" }]);
    let (_, fields) = world
        .refused("edit_file", json!({ "path": "long", "edits": edits }))
        .await;
    assert_eq!(limit(&fields), (json!("mcp.maxEditBytes"), json!(40)));
    world.fields("write_file", json!({ "path": "p", "base64": PNG })).await;
    let (_, fields) = world.refused("read_file", json!({ "path": "p" })).await;
    assert_eq!(limit(&fields), (json!("mcp.maxImageBytes"), json!(70)));
    // A line longer than all that may be returned is cut, and the rest can be read.
    world.vm.write_file("/home/user/line", "0123456789abc\n").await.unwrap();
    let read = world
        .fields("read_file", json!({ "path": "line", "startLine": 1 }))
        .await;
    assert_eq!(
        (&read["content"], &read["nextOffset"]),
        (&json!("0123456789"), &json!(10))
    );
}

#[tokio::test]
async fn directories_are_listed_searched_and_changed() {
    let world = World::new().await;
    for path in [
        "src/main.rs",
        "src/deep/lib.rs",
        "src/deep/note.md",
        "node_modules/x.rs",
    ] {
        world
            .fields("write_file", json!({ "path": path, "content": path }))
            .await;
    }
    let paths = |fields: &Value| {
        let entries = fields["entries"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|entry| entry["path"].as_str().unwrap().replace("/home/user/", ""))
            .collect::<Vec<_>>()
    };
    let listed = world.fields("list_directory", json!({ "path": "src" })).await;
    assert_eq!(paths(&listed), ["src/deep", "src/main.rs"]);
    assert_eq!(
        (&listed["entries"][0]["kind"], &listed["entries"][1]["size"]),
        (&json!("directory"), &json!(11))
    );
    let listed = world
        .fields("list_directory", json!({ "path": "src", "depth": 1, "maxEntries": 3 }))
        .await;
    assert_eq!(paths(&listed), ["src/deep", "src/main.rs", "src/deep/lib.rs"]);
    assert_eq!(
        listed["truncated"],
        json!({ "limit": "maxEntries", "observed": 4, "cap": 3, "field": "entries" })
    );
    let found = world
        .fields("find_files", json!({ "pattern": "*.rs", "exclude": ["node_modules"] }))
        .await;
    assert_eq!(paths(&found), ["src/main.rs", "src/deep/lib.rs"]);
    let found = world
        .fields(
            "find_files",
            json!({ "pattern": "deep/*.{md,txt}", "path": "/home/user/src" }),
        )
        .await;
    assert_eq!(paths(&found), ["src/deep/note.md"]);

    world
        .fields("move", json!({ "from": "src/main.rs", "to": "src/other.rs" }))
        .await;
    let looked = world.fields("stat", json!({ "path": "src/other.rs" })).await;
    assert_eq!(
        (&looked["kind"], &looked["size"], &looked["mode"]),
        (&json!("file"), &json!(11), &json!("0644"))
    );
    let (said, _) = world.refused("remove", json!({ "path": "src" })).await;
    assert!(said.starts_with("ENOTEMPTY"), "{said}");
    world
        .fields("remove", json!({ "path": "src", "recursive": true }))
        .await;
    world.fields("make_directory", json!({ "path": "a/b/c" })).await;
    assert_eq!(
        world.fields("stat", json!({ "path": "a/b/c" })).await["kind"],
        "directory"
    );
    let (said, fields) = world.refused("stat", json!({ "path": "src" })).await;
    assert_eq!(
        (fields["code"].as_str(), said.starts_with("ENOENT")),
        (Some("ENOENT"), true),
        "{said}"
    );
}

#[tokio::test]
async fn files_are_resources() {
    let world = World::new().await;
    for number in 0..250 {
        world
            .vm
            .write_file(format!("/home/user/f{number:03}.txt"), number.to_string())
            .await
            .unwrap();
    }
    let mut uris = Vec::new();
    let mut cursor = None;
    loop {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = world.client.list_resources(Some(page)).await.unwrap();
        assert!(page.resources.len() <= 100);
        uris.extend(page.resources.into_iter().map(|resource| resource.uri));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let all: Vec<String> = (0..250)
        .map(|number| format!("file:///home/user/f{number:03}.txt"))
        .collect();
    assert_eq!(
        uris.iter()
            .filter(|uri| uri.contains("/f"))
            .cloned()
            .collect::<Vec<_>>(),
        all
    );
    let templates = world.client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "file:///{+path}");

    let read = async |uri: &str| world.client.read_resource(ReadResourceRequestParams::new(uri)).await;
    let contents = read("file:///home/user/f007.txt").await.unwrap().contents;
    let ResourceContents::TextResourceContents { text, mime_type, .. } = &contents[0] else {
        panic!("{contents:?}")
    };
    assert_eq!((text.as_str(), mime_type.as_deref()), ("7", Some("text/plain")));
    world.vm.write_file("/home/user/a b", [0, 255]).await.unwrap();
    let contents = read("file:///home/user/a%20b").await.unwrap().contents;
    let ResourceContents::BlobResourceContents { blob, .. } = &contents[0] else {
        panic!("{contents:?}")
    };
    assert_eq!(blob, "AP8=");
    let contents = read("file:///home/user").await.unwrap().contents;
    let ResourceContents::TextResourceContents { text, .. } = &contents[0] else {
        panic!("{contents:?}")
    };
    assert!(text.contains("file:///home/user/a%20b\n"), "{text}");

    for (uri, code) in [
        ("file:///none", -32002),
        ("file://host/x", -32602),
        ("x", -32602),
        ("file:///../x", -32602),
    ] {
        let ServiceError::McpError(error) = read(uri).await.unwrap_err() else {
            panic!("{uri}")
        };
        assert_eq!(error.code.0, code, "{uri}: {error}");
    }
    let wrong = PaginatedRequestParams::default().with_cursor(Some("%%%".to_owned()));
    let ServiceError::McpError(error) = world.client.list_resources(Some(wrong)).await.unwrap_err() else {
        panic!()
    };
    assert!(error.message.starts_with("cursor: "), "{error}");
}

#[tokio::test]
async fn paths_are_completed() {
    let world = World::new().await;
    for path in ["/home/user/one", "/home/user/only/x", "/home/user/two"] {
        world.fields("write_file", json!({ "path": path, "content": "" })).await;
    }
    let complete = async |uri: &str, name: &str, typed: &str| {
        let request = CompleteRequestParams::new(Reference::for_resource(uri), ArgumentInfo::new(name, typed));
        world
            .client
            .complete(request)
            .await
            .map(|result| result.completion.values)
    };
    let template = "file:///{+path}";
    assert_eq!(
        complete(template, "path", "home/user/on").await.unwrap(),
        ["home/user/one", "home/user/only/"]
    );
    assert!(
        complete(template, "path", "")
            .await
            .unwrap()
            .contains(&"home/".to_owned())
    );
    assert!(complete(template, "path", "none/x").await.unwrap().is_empty());
    let refused = complete("test:///x", "path", "").await.unwrap_err();
    assert!(refused.to_string().contains("can be completed"), "{refused}");
}

#[tokio::test]
#[allow(deprecated, reason = "clients of older versions subscribe so")]
async fn changes_of_subscribed_files_are_told() {
    let mut limits = Limits::default();
    limits.max_subscriptions = 1;
    let mut world = World::of(AgentOs::builder(), limits).await;
    world.vm.write_file("/home/user/a", "1").await.unwrap();
    let uri = "file:///home/user/a";
    world.client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    // Twice is once.
    world.client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    let more = world
        .client
        .subscribe(SubscribeRequestParams::new("file:///etc/passwd"))
        .await
        .unwrap_err();
    assert!(more.to_string().contains("mcp.maxSubscriptions"), "{more}");
    let none = world
        .client
        .subscribe(SubscribeRequestParams::new("file:///none"))
        .await
        .unwrap_err();
    assert!(none.to_string().contains("ENOENT"), "{none}");
    world.vm.write_file("/home/user/a", "12").await.unwrap();
    let told = world.told.recv().await.unwrap();
    assert!(matches!(&told, Told::Updated(changed) if changed == uri), "{told:?}");
    world.vm.remove("/home/user/a").await.unwrap();
    let told = world.told.recv().await.unwrap();
    assert!(matches!(&told, Told::Updated(changed) if changed == uri), "{told:?}");
    world
        .client
        .unsubscribe(UnsubscribeRequestParams::new(uri))
        .await
        .unwrap();
    // There is room again.
    world
        .client
        .subscribe(SubscribeRequestParams::new("file:///etc/passwd"))
        .await
        .unwrap();
}
