//! Packages of commands that were made for another system: a directory of WebAssembly programs (`commandDir`), or one file
//! that holds them (`.aospkg`).
//!
//! ```text
//!   commandDir   dist/index.js says names and tiers, wasm/NAME is the program
//!   .aospkg      0x89 "AOS"  version  flags  |manifest|  |index|  manifest  index  tar
//! ```
//!
//! The script of a package is never run. What it says of tiers is read out of its text; a program of which that cannot be told
//! may change files and do nothing else, as in the system that it was made for. Of an `.aospkg` the manifest and the archive are
//! read, and the agent that the manifest declares is one of its commands; the index only repeats what the archive says.

use super::error::{Error, Result};
use super::manifest::{is_below, is_command, mark};
use super::package::Agent;
use agentos_image::assembly::Assembly;
use agentos_kernel::policy::Tier;
use std::collections::BTreeMap;

/// What was found in a package.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Commands, and the files that they are, from the root.
    pub(super) commands: Vec<(String, String)>,
    pub(super) env: BTreeMap<String, String>,
    /// What it declares to speak the Agent Client Protocol.
    pub(super) agent: Option<Agent>,
}

/// How a program of WebAssembly begins.
const WASM: &[u8] = b"\0asm";
/// Most bytes of a script, and of a manifest, that are read.
const TEXT_MOST: u64 = 1 << 20;

/// Makes the programs in a package of npm, which is at `place`, commands.
pub(super) fn add(assembly: &mut Assembly<'_>, what: &str, place: &str) -> Result<Found> {
    let packed = format!("{place}/dist/package.aospkg");
    if assembly.has_file(&packed) {
        return unpack(assembly, what, &packed, place);
    }
    let script = assembly
        .head(&format!("{place}/dist/index.js"), TEXT_MOST)
        .unwrap_or_default();
    let script = String::from_utf8_lossy(&script);
    let mut found = Found::default();
    if !script.contains("commandDir") {
        return Ok(found);
    }
    for name in assembly.names(&format!("{place}/wasm")) {
        let file = format!("{place}/wasm/{name}");
        let is_program = assembly.head(&file, WASM.len() as u64).is_some_and(|head| head == WASM);
        if is_program && is_command(&name) {
            mark(assembly, &file, tier(&script, &name))?;
            if !name.starts_with('_') {
                found.commands.push((name, file));
            }
        }
    }
    Ok(found)
}

/// The tier that the text of a descriptor gives a command: `{ name: "cat", permissionTier: "read-only" }`.
fn tier(script: &str, command: &str) -> Tier {
    let named = format!("name: \"{command}\"");
    let said = script.match_indices(&named).find_map(|(at, _)| {
        let rest = script.get(at..)?;
        let object = rest.split('}').next()?;
        let (_, value) = object.split_once("permissionTier: \"")?;
        value.split('"').next()
    });
    match said {
        None => Tier::ReadWrite,
        Some(name) => Tier::parse(name).unwrap_or(Tier::Isolated),
    }
}

/// The first bytes of an `.aospkg`, and how many there are before the manifest.
const MAGIC: &[u8] = b"\x89AOS";
const HEADER: usize = 16;

/// Unpacks an `.aospkg` that was added as `file` into a directory.
pub(super) fn unpack(assembly: &mut Assembly<'_>, what: &str, file: &str, below: &str) -> Result<Found> {
    let refused = |reason: &str| Error::source(what, format!("its .aospkg {reason}"));
    let head = assembly.head(file, TEXT_MOST + HEADER as u64).unwrap_or_default();
    let mut header = Bytes(head.get(..HEADER).unwrap_or_default());
    let is_known = (|| {
        let magic = header.take(MAGIC.len())? == MAGIC;
        Some(magic && header.number::<2>()? == 1 && header.number::<2>()? == 0)
    })();
    if is_known != Some(true) {
        return Err(refused("is of no version that is known"));
    }
    let (Some(manifest), Some(index)) = (header.number::<4>(), header.number::<4>()) else {
        return Err(refused("is cut off"));
    };
    let end = HEADER as u64 + manifest;
    let bytes = usize::try_from(end).ok().and_then(|end| head.get(HEADER..end));
    let bytes = bytes.ok_or_else(|| refused("has a manifest that is cut off or too long"))?;
    let said = Said::read(bytes).ok_or_else(|| refused("has a manifest that cannot be read"))?;
    assembly.nested(file, end + index, below)?;
    if let Some(agent) = &said.agent
        && let Some(problem) = problem(agent, &said.commands)
    {
        return Err(refused(&problem));
    }
    let mut found = Found {
        env: said.env,
        agent: said.agent,
        ..Found::default()
    };
    for (command, entry) in said.commands {
        let entry = entry.strip_prefix("./").unwrap_or(&entry).to_owned();
        if !is_command(&command) || !is_below(&entry) {
            let reason = format!("names {command:?} as the file {entry:?}, which cannot be a command");
            return Err(refused(&reason));
        }
        let path = format!("{below}/{entry}");
        // Links among its programs lead to files of their own.
        mark(assembly, &path, Tier::Full)?;
        found.commands.push((command, path));
    }
    Ok(found)
}

/// What is wrong with an agent that a package with these commands declares.
fn problem(agent: &Agent, commands: &[(String, String)]) -> Option<String> {
    let entry = agent.command.first().map_or("", String::as_str);
    let known = |name: &str| commands.iter().any(|(command, _)| command == name);
    if !is_command(&agent.id) {
        return Some(format!(
            "declares an agent whose name is {:?}, which cannot be that of an agent",
            agent.id
        ));
    }
    if !known(entry) {
        return Some(format!(
            "declares an agent that is its command {entry:?}, but it has none of that name"
        ));
    }
    let wrong = agent.env.keys().find(|name| !is_variable(name))?;
    Some(format!(
        "gives its agent the variable {wrong:?}, which is no name of a variable"
    ))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// The manifest of an `.aospkg`, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    commands: Vec<(String, String)>,
    env: BTreeMap<String, String>,
    agent: Option<Agent>,
}

impl Said {
    /// Version, name, version of the package, agent (its command, whether a snapshot of it can be taken, variables, arguments), what it provides, commands;
    /// what follows is passed over.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let mut said = Self::default();
        if bytes.number::<2>()? != 1 {
            return None;
        }
        let name = bytes.text()?;
        bytes.text()?;
        if bytes.flag()? {
            let mut agent = Agent {
                command: vec![bytes.text()?],
                adapter: name.clone(),
                package: name.clone(),
                id: name,
                env: BTreeMap::new(),
            };
            bytes.flag()?;
            agent.env = bytes.pairs()?.into_iter().collect();
            for _ in 0..bytes.count()? {
                agent.command.push(bytes.text()?);
            }
            said.agent = Some(agent);
        }
        if bytes.flag()? {
            said.env = bytes.pairs()?.into_iter().collect();
            bytes.pairs()?;
        }
        said.commands = bytes.pairs()?;
        said.env.keys().all(|name| is_variable(name)).then_some(said)
    }
}

/// Bytes that are read from the front. Nothing is believed of a length before so much is there.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, the smallest first.
    fn number<const BYTES: usize>(&mut self) -> Option<u64> {
        let bytes = self.take(BYTES)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    fn flag(&mut self) -> Option<bool> {
        match self.number::<1>()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A length: seven bits in each byte, the lowest first.
    fn count(&mut self) -> Option<usize> {
        let mut count: usize = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.number::<1>()?;
            let bits = usize::try_from(byte & 0x7f).ok()?;
            count |= bits.checked_shl(shift)?;
            if byte < 0x80 {
                return Some(count);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let count = self.count()?;
        let bytes = self.take(count)?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// Texts two by two.
    fn pairs(&mut self) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for _ in 0..self.count()? {
            pairs.push((self.text()?, self.text()?));
        }
        Some(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_read_out_of_descriptors() {
        let script = r#"const pkg = { name: "tools", commands: [
            { name: "sh", permissionTier: "full" }, { name: "cat", permissionTier: "read-only", aliasOf: "x" },
            {
                name: "odd",
                permissionTier: "everything",
            }, { name: "plain" }, ], get commandDir() {} };"#;
        assert_eq!(tier(script, "sh"), Tier::Full);
        assert_eq!(tier(script, "cat"), Tier::ReadOnly);
        assert_eq!(tier(script, "odd"), Tier::Isolated);
        assert_eq!(tier(script, "plain"), Tier::ReadWrite);
        assert_eq!(tier(script, "unknown"), Tier::ReadWrite);
    }

    #[test]
    fn manifests_are_read_and_cut_ones_are_not() {
        let whole =
            b"\x01\x00\x04grep\x050.3.4\x00\x01\x01\x01A\x01b\x00\x02\x05egrep\x09bin/egrep\x01g\x05bin/g\x00\x00";
        let said = Said::read(whole).unwrap();
        assert_eq!(said.commands[0], ("egrep".to_owned(), "bin/egrep".to_owned()));
        assert_eq!((said.commands.len(), said.env["A"].as_str()), (2, "b"));
        for end in 0..whole.len() - 2 {
            assert_eq!(Said::read(&whole[..end]), None, "{end}");
        }
        assert_eq!(said.agent, None);
        // A length that is a lie takes no memory.
        let lie = b"\x01\x00\xff\xff\xff\xff\x0fx";
        assert_eq!(Said::read(lie), None);
        assert_eq!(Said::read(b"\x02\x00\x00\x00\x00\x00\x00"), None);
    }

    #[test]
    fn agents_of_manifests_are_commands_of_theirs() {
        let text = b"\x01\x00\x02me\x010\x01\x04talk\x01\x01\x01A\x01b\x02\x05--acp\x01x\x00\x01\x04talk\x01t";
        let said = Said::read(text).unwrap();
        let agent = said.agent.unwrap();
        assert_eq!((agent.id.as_str(), agent.env["A"].as_str()), ("me", "b"));
        assert_eq!(agent.command, ["talk", "--acp", "x"]);
        assert_eq!(problem(&agent, &said.commands), None);
        assert!(problem(&agent, &[]).unwrap().contains("its command \"talk\""));
        let named = |id: &str| Agent {
            id: id.to_owned(),
            ..agent.clone()
        };
        assert!(problem(&named("a b"), &said.commands).unwrap().contains("\"a b\""));
        let env = BTreeMap::from([("A=".to_owned(), String::new())]);
        assert!(
            problem(&Agent { env, ..agent.clone() }, &said.commands)
                .unwrap()
                .contains("\"A=\"")
        );
    }
}
