use super::*;
use crate::answer::Block;
use crate::conversation::Declared;
use serde_json::{Value, json};

fn tool(name: &str, properties: &Value) -> Declared {
    Declared {
        name: name.to_owned(),
        schema: json!({"type": "object", "properties": properties}),
        freeform: false,
    }
}

/// Codex has no tool for files but one for patches, and not always that.
fn codex(patches: bool) -> Vec<Declared> {
    let patch = Declared {
        freeform: true,
        ..tool("apply_patch", &json!({}))
    };
    let mut tools = vec![tool("exec_command", &json!({"cmd": {"type": "string"}, "workdir": {}}))];
    tools.extend(patches.then_some(patch));
    tools
}

fn pi() -> Vec<Declared> {
    let edits =
        json!({"path": {}, "edits": {"type": "array", "items": {"properties": {"oldText": {}, "newText": {}}}}});
    vec![
        tool("write", &json!({"path": {}, "content": {}})),
        tool("bash", &json!({"command": {"type": "string"}, "timeout": {}})),
        tool("edit", &edits),
    ]
}

fn claude() -> Vec<Declared> {
    vec![
        tool("Bash", &json!({"command": {"type": "string"}, "description": {}})),
        tool("Write", &json!({"file_path": {}, "content": {}})),
        tool("Edit", &json!({"file_path": {}, "old_string": {}, "new_string": {}})),
    ]
}

fn after(answers: usize, tools: Vec<Declared>) -> Conversation {
    Conversation {
        model: "scripted".to_owned(),
        prompt: "go".to_owned(),
        answers,
        tools,
        ..Conversation::default()
    }
}

fn said(script: &Script, conversation: &Conversation) -> Vec<Block> {
    let chosen = script.choose(conversation, &|_| false).expect("a turn");
    chosen.said.expect("an answer").blocks
}

fn tools_of(blocks: &[Block]) -> Vec<Value> {
    let one = |block: &Block| match block {
        Block::Tool { name, input } => Some(json!([name, input])),
        Block::Text(_) => None,
    };
    blocks.iter().filter_map(one).collect()
}

#[test]
fn the_bundled_script_speaks_to_each_agent_in_its_words() {
    let script = Script::write_and_run().var("folder", "/work").unwrap();
    let written = tools_of(&said(&script, &after(0, pi())));
    assert_eq!(written[0][0], "write");
    assert_eq!(written[0][1]["path"], "/work/primes.sh");
    let written = tools_of(&said(&script, &after(0, claude())));
    assert_eq!(written[0][0], "Write");
    assert_eq!(written[0][1]["file_path"], "/work/primes.sh");
    assert!(written[0][1]["content"].as_str().unwrap().contains("limit=${1:-100}\n"));
    let run = tools_of(&said(&script, &after(1, pi())));
    // Pi's tool has no description.
    assert_eq!(
        run[0],
        json!(["bash", {"command": "sh /work/primes.sh | tee /work/primes.txt"}])
    );
    let run = tools_of(&said(&script, &after(1, claude())));
    assert_eq!(run[0][1]["description"], "Run the program");

    let mut told = after(2, pi());
    told.returned("2 3 5 {{folder}}\n".to_owned(), false);
    let Block::Text(text) = &said(&script, &told)[0] else {
        panic!("no text")
    };
    assert!(text.contains("```\n2 3 5 {{folder}}\n```"), "{text}");
    told.returned("no such file".to_owned(), true);
    assert!(
        matches!(&said(&script, &told)[0], Block::Text(text) if text.contains("did not work") && text.contains("no such file"))
    );
    assert!(matches!(&said(&script, &after(9, pi()))[0], Block::Text(text) if text.contains("ends here")));
    assert!(matches!(&said(&script, &after(0, Vec::new()))[0], Block::Text(_)));
    assert!(Script::write_and_run().var("nothing", "").is_err());
}

#[test]
fn files_are_patched_or_written_by_commands_where_there_is_no_other_tool() {
    let script = r#"{"turns": [{"say": [
        {"tool": "write", "input": {"path": "/a b", "content": "it's\nso\n"}},
        {"tool": "edit", "input": {"path": "c", "oldText": "x\ny", "newText": "z"}},
        {"tool": "read", "input": {"path": "c"}}]}]}"#;
    let script = Script::from_json(script).unwrap();
    let asked = tools_of(&said(&script, &after(0, codex(true))));
    let write = "*** Begin Patch\n*** Add File: /a b\n+it's\n+so\n*** End Patch\n";
    assert_eq!(asked[0], json!(["apply_patch", {"input": write}]));
    let edit = "*** Begin Patch\n*** Update File: c\n@@\n-x\n-y\n+z\n*** End Patch\n";
    assert_eq!(asked[1], json!(["apply_patch", {"input": edit}]));
    assert_eq!(asked[2], json!(["exec_command", {"cmd": "cat 'c'"}]));

    // Without patches a file can be written, and not edited.
    let chosen = script.choose(&after(0, codex(false)), &|_| false).unwrap();
    assert!(chosen.said.unwrap_err().message.contains("\"edit\""));
    let asked = tools_of(&said(&Script::write_and_run(), &after(0, codex(false))));
    let command = asked[0][1]["cmd"].as_str().unwrap();
    assert!(command.starts_with("printf %s '#!/bin/sh\n"), "{command}");
    assert!(command.contains(r"printf '\''%s '\'' "), "{command}");
    assert!(command.ends_with("> '/home/user/primes.sh'"), "{command}");
}

#[test]
fn edits_and_lists_of_words_are_adapted() {
    let script = r#"{"turns": [
        {"say": [{"tool": "edit", "input": {"path": "/a", "oldText": "x", "newText": "y"}}]},
        {"say": [{"tool": "bash", "input": {"command": "ls"}}]},
        {"say": [{"tool": ["other", "Bash"], "input": {"odd": 1}}]}]}"#;
    let script = Script::from_json(script).unwrap();
    let edit = tools_of(&said(&script, &after(0, pi())));
    assert_eq!(
        edit[0],
        json!(["edit", {"path": "/a", "edits": [{"oldText": "x", "newText": "y"}]}])
    );
    let edit = tools_of(&said(&script, &after(0, claude())));
    assert_eq!(
        edit[0],
        json!(["Edit", {"file_path": "/a", "old_string": "x", "new_string": "y"}])
    );
    let codex = vec![tool("shell", &json!({"command": {"type": "array"}}))];
    let run = tools_of(&said(&script, &after(1, codex)));
    assert_eq!(run[0], json!(["shell", {"command": ["bash", "-lc", "ls"]}]));
    // Names of the script's own are taken as they are.
    let run = tools_of(&said(&script, &after(2, claude())));
    assert_eq!(run[0], json!(["Bash", {"odd": 1}]));
    let refusal = script.choose(&after(2, pi()), &|_| false).unwrap().said.unwrap_err();
    assert!(refusal.message.contains("other or Bash") && refusal.message.contains("write, bash, edit"));
}

#[test]
fn conditions_are_looked_at_in_the_order_of_the_script() {
    let script = r#"{"turns": [
        {"when": {"prompt": "weather"}, "say": [{"text": "sunny"}]},
        {"once": true, "error": {"status": 529, "type": "overloaded_error", "message": "later"}},
        {"when": {"lastResult": "42", "failed": false}, "say": [{"text": "found"}]},
        {"say": [{"text": "second"}]},
        {"when": {"answers": 7, "model": "m"}, "say": [{"text": "seventh of m"}]}]}"#;
    let script = Script::from_json(script).unwrap();
    let turn = |conversation: &Conversation, used: bool| {
        script
            .choose(conversation, &|turn| used && turn == 1)
            .map(|chosen| chosen.turn)
    };
    let mut weather = after(0, Vec::new());
    weather.prompt = "the weather?".to_owned();
    assert_eq!(turn(&weather, false), Some(0));
    assert_eq!(turn(&after(0, Vec::new()), false), Some(1));
    assert_eq!(
        script
            .choose(&after(0, Vec::new()), &|_| false)
            .unwrap()
            .said
            .unwrap_err()
            .status,
        529
    );
    // A turn that was used keeps its place: the next one is not moved into it.
    assert_eq!(turn(&after(0, Vec::new()), true), None);
    let mut found = after(1, Vec::new());
    assert_eq!(turn(&found, false), Some(3));
    found.returned("is 42.".to_owned(), false);
    assert_eq!(turn(&found, false), Some(2));
    found.returned("is 42.".to_owned(), true);
    assert_eq!(turn(&found, false), Some(3));
    let mut seventh = after(7, Vec::new());
    assert_eq!(turn(&seventh, false), None);
    seventh.model = "m".to_owned();
    assert_eq!(turn(&seventh, false), Some(4));
}

#[test]
fn what_a_script_cannot_say_is_named() {
    for (script, field, reason) in [
        ("{", "script", "EOF"),
        (r#"{"turns": [], "modles": []}"#, "script", "modles"),
        (r#"{"turns": [{}]}"#, "turns[0]", "say or error"),
        (r#"{"turns": [{"say": [{}]}]}"#, "turns[0].say[0]", "text, or tool"),
        (
            r#"{"turns": [{"say": [{"text": "a", "tool": "bash"}]}]}"#,
            "turns[0].say[0]",
            "text, or tool",
        ),
        (
            r#"{"turns": [{"say": [{"tool": "fly"}]}]}"#,
            "turns[0].say[0].tool",
            "write, read, edit, bash",
        ),
        (
            r#"{"turns": [{"say": [{"text": "{{folder}}"}]}]}"#,
            "turns[0].say[0].text",
            "folder",
        ),
        (
            r#"{"turns": [{"say": [{"tool": "bash", "input": {"a": [{"b": "{{c}}"}]}}]}]}"#,
            "turns[0].say[0].input",
            "\"c\"",
        ),
        (
            r#"{"turns": [{"error": {"status": 200, "type": "", "message": ""}}]}"#,
            "turns[0].error.status",
            "400 to 599",
        ),
        (r#"{"vars": {"prompt": ""}, "turns": []}"#, "vars.prompt", "own"),
        (r#"{"models": [], "turns": []}"#, "models", "at least one"),
    ] {
        let error = Script::from_json(script).unwrap_err();
        let Error::Script {
            field: where_,
            reason: why,
        } = &error
        else {
            panic!("{error}")
        };
        assert!(where_ == field && why.contains(reason), "{script}: {error}");
    }
}

#[test]
fn scripts_are_bounded() {
    let many = |count: usize| {
        format!(
            r#"{{"turns": [{}]}}"#,
            vec![r#"{"say": [{"text": "a"}]}"#; count].join(",")
        )
    };
    assert!(Script::from_json(&many(256)).is_ok());
    let parts = format!(
        r#"{{"turns": [{{"say": [{}]}}]}}"#,
        vec![r#"{"text": "a"}"#; 65].join(",")
    );
    for (script, bound, seen, at_most) in [
        (many(257), "maxScriptTurns", 257, 256),
        (parts, "maxScriptParts", 65, 64),
        (" ".repeat((1 << 20) + 1), "maxScriptBytes", (1 << 20) + 1, 1 << 20),
        (
            r#"{"turns": [{"pauseMs": 60001, "say": [{"text": ""}]}]}"#.to_owned(),
            "maxScriptPauseMs",
            60001,
            60000,
        ),
    ] {
        let error = Script::from_json(&script).unwrap_err();
        let Error::Limit {
            limit, observed, cap, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((limit, observed, cap), (bound, seen, at_most));
    }
}

#[test]
fn braces_that_hold_no_word_stay() {
    let script =
        Script::from_json(r#"{"vars": {"a": "1"}, "turns": [{"say": [{"text": "{{a}}{{ a }} {{{a}}} {{"}]}]}"#);
    let blocks = said(&script.unwrap(), &after(0, Vec::new()));
    assert_eq!(blocks, [Block::Text("1{{ a }} {{{a}}} {{".to_owned())]);
}
