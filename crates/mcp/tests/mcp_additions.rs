//! What a program adds to a server: tools that answer with more than text, resources, prompts, and what is refused of them.
#![allow(deprecated)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod support;

use agentos::AgentOs;
use agentos_mcp::additions::{Additions, Answer, Body, Content, LogLevel, Message, Prompt, Resource, Tool};
use agentos_mcp::{Limits, LocalVm, Server};
use rmcp::model::{
    ArgumentInfo, CompleteRequestParams, GetPromptRequestParams, ReadResourceRequestParams, Reference,
    ResourceContents, SetLevelRequestParams, SubscribeRequestParams,
};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Map, Value, json};
use support::{Listener, Told, params, pipe, text};
use tokio::sync::mpsc;

fn additions() -> Additions {
    let schema = json!({ "type": "object", "required": ["word"], "properties": { "word": { "type": "string" } },
                         "additionalProperties": false });
    let schema = schema.as_object().unwrap().clone();
    let picture = Tool::new("picture", "A picture", schema, |input, call| async move {
        call.progress(1.0, Some(2.0), Some("half")).await;
        call.log(LogLevel::Error, json!({ "word": input["word"] })).await;
        let written = call.vm().write("/home/user/seen".to_owned(), "x".into());
        written.await?;
        let image = Content::Image {
            data: "\u{1}".into(),
            mime: "image/png".to_owned(),
        };
        Ok(Answer::new([Content::Text("here".to_owned()), image]))
    });
    let asks = Tool::new("asks", "Asks", Map::new(), |_, call| async move {
        Ok(call.sample("hello", 10).await?.text.into())
    });
    let notes = Resource::new("notes://{day}", "notes", |values| async move {
        match values["day"].as_str() {
            "never" => Err(agentos_mcp::Failure::new("ENOENT", "there is no such day")),
            day => Ok(Body::from(format!("of {day}"))),
        }
    });
    let notes = notes.completion("day", |typed| async move { vec![format!("{typed}day")] });
    let fixed = Resource::new("notes:all", "all", |_| async { Ok(Body::Bytes("\u{0}".into())) });
    let prompt = Prompt::new("review", "Reviews", |values| async move {
        let optional = values.get("how").map_or("well", String::as_str);
        Ok(vec![Message::user(format!("Review {} {optional}", values["file"]))])
    });
    let prompt = prompt.argument("file", "a file").optional("how", "how");
    Additions::new()
        .tool(picture)
        .tool(asks)
        .resource(notes)
        .resource(fixed)
        .prompt(prompt)
}

struct World {
    server: Server,
    client: RunningService<RoleClient, Listener>,
    told: mpsc::UnboundedReceiver<Told>,
}

async fn world() -> World {
    let vm = AgentOs::builder().create().await.unwrap();
    let server = Server::with(LocalVm::new(vm, "/home/user"), Limits::default(), additions()).await;
    let server = server.unwrap();
    let (listener, told) = Listener::new();
    let client = listener.serve(pipe(&server)).await.unwrap();
    World { server, client, told }
}

#[tokio::test]
async fn tools_answer_with_pictures_and_tell_what_they_do() {
    let mut world = world().await;
    let level = SetLevelRequestParams::new(rmcp::model::LoggingLevel::Error);
    world.client.set_level(level).await.unwrap();
    let result = world
        .client
        .call_tool(params("picture", json!({ "word": "w" })))
        .await
        .unwrap();
    assert_eq!((text(&result), result.is_error), ("here".to_owned(), Some(false)));
    assert_eq!(result.content[1].as_image().unwrap().data, "AQ==");
    let mut seen = (false, false);
    while seen != (true, true) {
        match world.told.recv().await.unwrap() {
            Told::Progress(progress) => {
                assert_eq!((progress.progress, progress.total), (1.0, Some(2.0)));
                seen.0 = true;
            }
            Told::Logged(data) => {
                assert_eq!(data, json!({ "word": "w" }));
                seen.1 = true;
            }
            Told::Updated(uri) => panic!("{uri}"),
        }
    }
    let refused = world
        .client
        .call_tool(params("picture", json!({ "wrod": 1 })))
        .await
        .unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert!(
        text(&refused).contains("wrod: is no argument; did you mean word?"),
        "{}",
        text(&refused)
    );
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_not() {
    let world = world().await;
    let refused = world.client.call_tool(params("asks", json!({}))).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert!(text(&refused).contains("not_supported"), "{}", text(&refused));
}

#[tokio::test]
async fn resources_are_listed_read_completed_and_watched() {
    let mut world = world().await;
    let listed = world.client.list_all_resources().await.unwrap();
    assert_eq!(listed[0].uri, "notes:all");
    let templates = world.client.list_all_resource_templates().await.unwrap();
    let templates: Vec<_> = templates
        .iter()
        .map(|template| template.uri_template.as_str())
        .collect();
    assert_eq!(templates, ["file:///{+path}", "notes://{day}"]);

    let read = async |uri: &str| world.client.read_resource(ReadResourceRequestParams::new(uri)).await;
    let of_day = read("notes://mon").await.unwrap();
    assert!(matches!(&of_day.contents[0], ResourceContents::TextResourceContents { text, .. } if text == "of mon"));
    let all = read("notes:all").await.unwrap();
    assert!(matches!(&all.contents[0], ResourceContents::BlobResourceContents { blob, .. } if blob == "AA=="));
    assert!(
        read("notes://never")
            .await
            .unwrap_err()
            .to_string()
            .contains("no such day")
    );
    assert!(read("notes://a/b").await.is_err());

    let day = CompleteRequestParams::new(Reference::for_resource("notes://{day}"), ArgumentInfo::new("day", "to"));
    let values = world.client.complete(day).await.unwrap().completion.values;
    assert_eq!(values, ["today"]);

    world
        .client
        .subscribe(SubscribeRequestParams::new("notes:all"))
        .await
        .unwrap();
    world.server.resource_changed("notes://other");
    world.server.resource_changed("notes:all");
    let Told::Updated(uri) = world.told.recv().await.unwrap() else {
        panic!("no update")
    };
    assert_eq!(uri, "notes:all");
}

#[tokio::test]
async fn prompts_are_made_of_their_arguments() {
    let world = world().await;
    let listed = world.client.list_all_prompts().await.unwrap();
    let arguments = listed[0].arguments.as_ref().unwrap();
    assert_eq!(
        (arguments[0].required, arguments[1].required),
        (Some(true), Some(false))
    );
    let get = async |name: &str, arguments: Value| {
        let arguments = arguments.as_object().unwrap().clone();
        let request = GetPromptRequestParams::new(name).with_arguments(arguments);
        world
            .client
            .get_prompt(request)
            .await
            .map_err(|error| error.to_string())
    };
    let got = get("review", json!({ "file": "a.rs" })).await.unwrap();
    assert_eq!(got.messages[0].content.as_text().unwrap().text, "Review a.rs well");
    assert!(
        get("review", json!({}))
            .await
            .unwrap_err()
            .contains("arguments.file: is missing")
    );
    let unknown = get("review", json!({ "file": "a", "hwo": "b" })).await.unwrap_err();
    assert!(unknown.contains("did you mean how?"), "{unknown}");
    assert!(
        get("reviev", json!({}))
            .await
            .unwrap_err()
            .contains("did you mean review?")
    );
}

#[tokio::test]
async fn additions_that_clients_could_not_tell_apart_are_refused() {
    let refused = async |additions: Additions| {
        let vm = AgentOs::builder().create().await.unwrap();
        let server = Server::with(LocalVm::new(vm, "/home/user"), Limits::default(), additions).await;
        server.unwrap_err().to_string()
    };
    let tool = |name: &str| Tool::new(name, "", Map::new(), |_, _| async { Ok("".into()) });
    let resource = |uri: &str| Resource::new(uri, "", |_| async { Ok("".into()) });
    for (additions, part) in [
        (Additions::new().tool(tool("exec")), "two are called \"exec\""),
        (Additions::new().tool(tool("a b")), "is no name"),
        (Additions::new().resource(resource("file:///x")), "files are the VM's"),
        (Additions::new().resource(resource("nothing")), "has no scheme"),
        (Additions::new().resource(resource("x:{a}{b}")), "nothing between"),
        (
            Additions::new().resource(resource("x:a")).resource(resource("x:a")),
            "two are called",
        ),
    ] {
        let said = refused(additions).await;
        assert!(said.contains(part), "{said}");
    }
}
