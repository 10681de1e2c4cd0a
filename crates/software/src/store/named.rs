//! What software with a name of its own is made of, and the agents in it.
//!
//! Versions are those that were tried together; agents are ahead of their adapters and the other way round all the time.

use super::linked::{self, Command, Later};
use super::npm::{Kind, Part, Platform};
use super::package::Agent;
use super::spec::Named;
use std::collections::BTreeMap;

/// What a package is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The first says the version.
    pub(super) parts: Vec<Part>,
    pub(super) agent: Option<Agent>,
}

/// The Node.js of agents and scripts: long-term support, in place of whatever is latest.
const NODE: &str = "22";
const PI: &str = "@mariozechner/pi-coding-agent";
const CLAUDE: &str = "@zed-industries/claude-agent-acp";
const CODEX: &str = "@zed-industries/codex-acp";

/// Claude Code looks for no newer version of itself and tells nobody how it is used: what runs is what was added.
const CLAUDE_ENV: &[(&str, &str)] = &[
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// The VM is the jail of what Codex runs; the one that it would build itself needs a kernel of its own. It asks before it runs
/// what it does not know to be harmless, so that whoever has the session decides.
const CODEX_COMMAND: &[&str] = &[
    "codex-acp",
    "-c",
    "sandbox_mode=\"danger-full-access\"",
    "-c",
    "approval_policy=\"untrusted\"",
];

/// OpenCode allows itself everything unless it is told to ask. Its list of models is in it.
const OPENCODE_ENV: &[(&str, &str)] = &[
    ("OPENCODE_PERMISSION", r#"{"edit":"ask","bash":"ask"}"#),
    ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
    ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
];

fn part(name: impl Into<String>, range: &str, kind: Kind) -> Part {
    Part {
        name: name.into(),
        range: range.to_owned(),
        kind,
    }
}

const TREE: Kind = Kind::Tree { links: &[] };

/// Node.js of a range, whose packages have one program for each machine.
pub(super) fn node(range: &str, platform: Platform) -> Vec<Part> {
    let kind = Kind::Program {
        member: "package/bin/node",
        command: "node",
    };
    vec![part(format!("node-linux-{}", platform.cpu), range, kind)]
}

/// The recipe of a name; none for the bundled commands.
pub(super) fn recipe(named: Named, platform: Platform) -> Option<Recipe> {
    let cpu = platform.cpu;
    let (parts, agent) = match named {
        Named::Common => return None,
        Named::Node => (node(NODE, platform), None),
        Named::Pi => {
            let parts = vec![part(PI, "0.73.1", TREE), part("pi-acp", "0.0.24", TREE)];
            // What Pi would load at its start the VM has, or may not have.
            (
                parts,
                Some(agent("pi", &["pi-acp"], "pi-acp", PI, &[("PI_OFFLINE", "1")])),
            )
        }
        Named::Claude => {
            let links = &[("claude", "node_modules/@anthropic-ai/claude-agent-sdk/cli.js")];
            let parts = vec![part(CLAUDE, "0.23.1", Kind::Tree { links })];
            let agent = agent(
                "claude",
                &["claude-agent-acp"],
                CLAUDE,
                "@anthropic-ai/claude-code",
                CLAUDE_ENV,
            );
            (parts, Some(agent))
        }
        Named::Codex => {
            let kind = Kind::Program {
                member: "package/bin/codex-acp",
                command: "codex-acp",
            };
            let parts = vec![part(format!("{CODEX}-linux-{cpu}"), "0.16.0", kind)];
            (parts, Some(agent("codex", CODEX_COMMAND, CODEX, "@openai/codex", &[])))
        }
        Named::OpenCode => {
            let kind = Kind::Program {
                member: "package/bin/opencode",
                command: "opencode",
            };
            let parts = vec![part(format!("opencode-linux-{cpu}{}", baseline()), "1.18.33", kind)];
            let agent = agent(
                "opencode",
                &["opencode", "acp"],
                "opencode-ai",
                "opencode-ai",
                OPENCODE_ENV,
            );
            (parts, Some(agent))
        }
    };
    Some(Recipe { parts, agent })
}

/// Scripts of named software, each with the modules that it begins with: what a process of Node.js can have loaded before anybody starts the script.
/// None of them does anything but define things.
pub(super) fn preloads(named: Named) -> Vec<(String, Vec<String>)> {
    let of = |command: Command| {
        let (script, module) = linked::places(named.name(), command.name);
        [(command.script, vec![command.module]), (script, vec![module])]
    };
    commands(named).into_iter().flat_map(of).collect()
}

/// Commands of named software that are [linked].
pub(super) fn commands(named: Named) -> Vec<Command> {
    let path = |rest: &str| format!("{MODULES}/{rest}");
    match named {
        Named::Pi => vec![
            Command {
                name: "pi",
                script: path(&format!("{PI}/dist/cli.js")),
                module: path(&format!("{PI}/dist/main.js")),
                later: PI_LATER,
                args: &["--mode", "rpc", "--no-themes"],
                // It has models to tell of only if there is a key for some.
                env: &[("PI_OFFLINE", "1"), ("ANTHROPIC_API_KEY", "none")],
                input: "{\"type\":\"get_state\",\"id\":\"1\"}\n{\"type\":\"get_available_models\",\"id\":\"2\"}\n",
                lines: 2,
            },
            Command {
                name: "pi-acp",
                script: path("pi-acp/dist/index.js"),
                module: path("pi-acp/node_modules/@agentclientprotocol/sdk/dist/acp.js"),
                later: &[],
                args: &[],
                env: &[],
                input: "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":1,\"clientCapabilities\":{}}}\n",
                lines: 1,
            },
        ],
        Named::Common | Named::Node | Named::Claude | Named::Codex | Named::OpenCode => Vec::new(),
    }
}

/// What Pi imports and seldom calls. Extensions are compiled by Babel, which Pi imports for the sake of another way to put it together than this (jiti itself
/// loads it late); code is coloured in a terminal.
const PI_LATER: &[Later] = &[
    Later {
        import: "jiti/static",
        from: "jiti",
        functions: &["createJiti"],
    },
    Later {
        import: "cli-highlight",
        from: "cli-highlight",
        functions: &["highlight", "supportsLanguage"],
    },
];

/// Where packages of npm are in a VM.
pub(super) const MODULES: &str = "/usr/local/lib/node_modules";

/// The ending of packages for processors without newer instructions.
fn baseline() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("avx2") {
        return "-baseline";
    }
    ""
}

fn agent(id: &str, command: &[&str], adapter: &str, package: &str, env: &[(&str, &str)]) -> Agent {
    let text = |text: &&str| (*text).to_owned();
    Agent {
        id: id.to_owned(),
        command: command.iter().map(text).collect(),
        adapter: adapter.to_owned(),
        package: package.to_owned(),
        env: env
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_but_the_bundled_one_is_made_of_something() {
        for named in Named::ALL {
            let recipe = recipe(*named, Platform { cpu: "x64" });
            assert_eq!(recipe.is_none(), *named == Named::Common);
            let Some(recipe) = recipe else { continue };
            assert!(!recipe.parts.is_empty());
            if let Some(agent) = recipe.agent {
                assert_eq!(agent.id, named.name());
            }
        }
    }

    #[test]
    fn linked_commands_may_have_their_modules_loaded_as_others_may() {
        let preloads = preloads(Named::Pi);
        assert_eq!(preloads.len(), 2 * commands(Named::Pi).len());
        let linked = "/usr/local/lib/agentos/linked/pi/bin/pi";
        let of_pi = preloads.iter().find(|(script, _)| *script == format!("{linked}.js"));
        assert_eq!(of_pi.unwrap().1, [format!("{linked}.modules.js")]);
        assert!(super::preloads(Named::Codex).is_empty());
    }
}
