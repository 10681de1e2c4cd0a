//! What a package says of itself to agentOS: the member `agentos` of its `package.json`, or the file `agentos.json` at the root
//! of an archive (docs/software.md).
//!
//! Nothing of it is believed before it was checked: names of commands, files that are there, tiers that are known. What is not
//! known is refused by its place, because a restriction that is misspelled would be none.

use super::error::{Error, Result};
use super::package::Agent;
use agentos_image::assembly::Assembly;
use agentos_kernel::policy::Tier;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A manifest that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Commands, and the files that they are, below the package.
    pub(super) commands: BTreeMap<String, String>,
    pub(super) agent: Option<Agent>,
    pub(super) env: BTreeMap<String, String>,
    /// Tiers of commands by name.
    pub(super) tiers: BTreeMap<String, Tier>,
    /// The tier of those that are not named.
    pub(super) others: Tier,
}

/// Most commands, variables, and bytes of a value.
const MEMBERS_MOST: usize = 4096;
const TEXT_MOST: usize = 4096;

impl Manifest {
    /// Reads a manifest. `what` is the package, for messages.
    pub(super) fn read(what: &str, given: &Value) -> Result<Self> {
        let refused = |(field, reason): Problem| Error::source(what, format!("its manifest: {field} {reason}"));
        Self::parse(given).map_err(refused)
    }

    fn parse(given: &Value) -> Result<Self, Problem> {
        let mut manifest = Self::default();
        for (key, value) in object("agentos", given)? {
            let field = format!("agentos.{key}");
            match key.as_str() {
                "commands" => {
                    for (name, file) in object(&field, value)? {
                        let field = format!("{field}.{name}");
                        if !is_command(name) {
                            return Err((field, "is no name of a command".to_owned()));
                        }
                        let file = text(&field, file)?;
                        if !is_below(&file) {
                            return Err((field, format!("must be a file of the package, got {file:?}")));
                        }
                        manifest.commands.insert(name.clone(), file);
                    }
                }
                "agent" => manifest.agent = Some(agent(&field, value)?),
                "env" => manifest.env = variables(&field, value)?,
                "permissions" => manifest.permissions(&field, value)?,
                _ => {
                    let reason = "is unknown; there are commands, agent, env and permissions";
                    return Err((field, reason.to_owned()));
                }
            }
        }
        Ok(manifest)
    }

    /// `{"full": ["sh"], "readOnly": "*"}`.
    fn permissions(&mut self, field: &str, given: &Value) -> Result<(), Problem> {
        for (tier, names) in object(field, given)? {
            let field = format!("{field}.{tier}");
            let known = Tier::ALL.into_iter().find(|known| known.name() == tier.as_str());
            let Some(tier) = known else {
                return Err((field, "is no tier: full, readWrite, readOnly, isolated".to_owned()));
            };
            let names: Vec<&str> = match names {
                Value::String(all) if all == "*" => {
                    self.others = tier;
                    continue;
                }
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                _ => return Err((field, "must be \"*\" or an array of commands".to_owned())),
            };
            for name in names {
                if !is_command(name) {
                    return Err((field, format!("names {name:?}, which is no name of a command")));
                }
                if self.tiers.insert(name.to_owned(), tier).is_some() {
                    return Err((field, format!("names {name:?}, which has a tier already")));
                }
            }
        }
        Ok(())
    }

    /// The tier of a command.
    pub(super) fn tier(&self, command: &str) -> Tier {
        self.tiers.get(command).copied().unwrap_or(self.others)
    }

    /// Whether it names a tier for a command that there is not.
    pub(super) fn check(&self, what: &str, commands: &[String]) -> Result<()> {
        let missing = self.tiers.keys().find(|name| !commands.contains(name));
        match missing {
            None => Ok(()),
            Some(name) => Err(Error::source(
                what,
                format!("its manifest: agentos.permissions names {name:?}, which is no command of the package"),
            )),
        }
    }
}

/// Makes a file a command: it can be run, with a tier.
pub(super) fn mark(assembly: &mut Assembly<'_>, file: &str, tier: Tier) -> Result<bool> {
    let value = tier.name().as_bytes();
    let mark = (tier != Tier::Full).then_some((Tier::ATTRIBUTE, value));
    Ok(assembly.executable(file, mark)?)
}

/// The field, and what is wrong with it.
type Problem = (String, String);

fn object<'a>(field: &str, given: &'a Value) -> Result<&'a Map<String, Value>, Problem> {
    match given {
        Value::Object(members) if members.len() <= MEMBERS_MOST => Ok(members),
        Value::Object(members) => Err((
            field.to_owned(),
            format!("has {} members, at most {MEMBERS_MOST} may be", members.len()),
        )),
        _ => Err((field.to_owned(), "must be an object".to_owned())),
    }
}

fn text(field: &str, given: &Value) -> Result<String, Problem> {
    match given.as_str() {
        Some(text) if text.len() <= TEXT_MOST && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err((
            field.to_owned(),
            format!("must be a text of at most {TEXT_MOST} bytes without NUL"),
        )),
    }
}

fn variables(field: &str, given: &Value) -> Result<BTreeMap<String, String>, Problem> {
    let mut variables = BTreeMap::new();
    for (name, value) in object(field, given)? {
        let field = format!("{field}.{name}");
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err((field, "is no name of a variable".to_owned()));
        }
        variables.insert(name.clone(), text(&field, value)?);
    }
    Ok(variables)
}

fn agent(field: &str, given: &Value) -> Result<Agent, Problem> {
    let mut agent = Agent {
        id: String::new(),
        command: Vec::new(),
        adapter: String::new(),
        package: String::new(),
        env: BTreeMap::new(),
    };
    for (key, value) in object(field, given)? {
        let field = format!("{field}.{key}");
        match (key.as_str(), value) {
            ("id", value) => agent.id = text(&field, value)?,
            ("adapter", value) => agent.adapter = text(&field, value)?,
            ("package", value) => agent.package = text(&field, value)?,
            ("env", value) => agent.env = variables(&field, value)?,
            ("command", Value::Array(words)) => {
                let words = words.iter().map(|word| text(&field, word));
                agent.command = words.collect::<Result<_, _>>()?;
            }
            ("command", word) => agent.command = vec![text(&field, word)?],
            _ => {
                let reason = "is unknown; there are id, command, adapter, package and env";
                return Err((field, reason.to_owned()));
            }
        }
    }
    let missing = |name: &str| (format!("{field}.{name}"), "is missing".to_owned());
    if !is_command(&agent.id) {
        return Err(missing("id"));
    }
    if agent.command.first().is_none_or(String::is_empty) {
        return Err(missing("command"));
    }
    Ok(agent)
}

/// Whether a command can be called so.
pub(super) fn is_command(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'[');
    !name.is_empty() && name.len() <= 255 && !name.starts_with(['.', '-']) && name.bytes().all(known)
}

/// Whether a path stays below its directory.
pub(super) fn is_below(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(given: &Value, says: &str) {
        let error = Manifest::read("x", given).unwrap_err();
        assert_eq!(error.code(), "invalid_software");
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn a_manifest_is_read() {
        let given = json!({
            "commands": { "hello": "bin/hello" },
            "agent": { "id": "me", "command": ["hello", "--acp"], "env": { "A": "1" } },
            "env": { "HELLO": "yes" },
            "permissions": { "full": ["hello"], "readOnly": "*" },
        });
        let manifest = Manifest::read("x", &given).unwrap();
        assert_eq!(manifest.commands["hello"], "bin/hello");
        assert_eq!(manifest.agent.as_ref().unwrap().command, ["hello", "--acp"]);
        assert_eq!(
            (manifest.tier("hello"), manifest.tier("x")),
            (Tier::Full, Tier::ReadOnly)
        );
        manifest.check("x", &["hello".to_owned()]).unwrap();
        assert!(manifest.check("x", &[]).unwrap_err().to_string().contains("\"hello\""));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        refused(&json!([]), "agentos must be an object");
        refused(&json!({ "command": {} }), "agentos.command is unknown");
        refused(
            &json!({ "commands": { "../x": "a" } }),
            "agentos.commands.../x is no name",
        );
        for file in ["../a", "/a", "a//b", "", "./a"] {
            refused(
                &json!({ "commands": { "x": file } }),
                "agentos.commands.x must be a file",
            );
        }
        refused(&json!({ "env": { "A=B": "x" } }), "agentos.env.A=B");
        refused(&json!({ "env": { "A": 1 } }), "agentos.env.A must be a text");
        refused(
            &json!({ "permissions": { "readonly": "*" } }),
            "agentos.permissions.readonly is no tier",
        );
        refused(
            &json!({ "permissions": { "readOnly": "all" } }),
            "must be \"*\" or an array",
        );
        let twice = json!({ "permissions": { "full": ["a"], "isolated": ["a"] } });
        refused(&twice, "which has a tier already");
        refused(&json!({ "agent": { "id": "x" } }), "agentos.agent.command is missing");
        refused(&json!({ "agent": { "command": "x" } }), "agentos.agent.id is missing");
    }
}
