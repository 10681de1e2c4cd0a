//! `cargo xtask inspector`: the inspector's script, built from `inspector/`.
//!
//! The script is committed, compressed, beside a manifest that says what it was built from, so that building agentOS needs no
//! Node. `build` makes both, `check` compares hashes and needs nothing, `verify` builds again and compares bit for bit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{At, Error, Result};
use crate::run::{output, run};
use crate::userland::{digest_without, sha256};

const USAGE: &str = "usage: cargo xtask inspector COMMAND
  build            install the tools with npm, build the script, write it and its manifest
  check            compare sources, script and manifest; needs no Node
  verify           build again and compare bit for bit";

/// How the script is built, in `inspector/`.
const COMMANDS: [&str; 3] = ["npm ci --ignore-scripts", "npx tsc --noEmit", "node build.mjs TARGET"];

/// What the committed script was built from.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Manifest {
    /// Hash of `inspector/`.
    source: String,
    /// Hash of the compressed script.
    artefact: String,
    /// Versions of Node and of what compresses in it.
    node: String,
    zlib: String,
    commands: Vec<String>,
}

struct Places {
    source: PathBuf,
    script: PathBuf,
    manifest: PathBuf,
}

/// Runs the command that `args` name.
pub(crate) fn dispatch(args: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let assets = root.join("crates/gateway/assets");
    let places = Places {
        source: root.join("inspector"),
        script: assets.join("inspector.js.gz"),
        manifest: assets.join("inspector.json"),
    };
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["inspector", "build"] => make(&places),
        ["inspector", "check"] => check(&places),
        ["inspector", "verify"] => verify(&places),
        _ => Err(Error::Usage(USAGE.to_owned())),
    }
}

fn make(places: &Places) -> Result<()> {
    compile(places, &places.script)?;
    let version = |of: &str| output(Command::new("node").arg("-p").arg(of)).map(|text| text.trim().to_owned());
    let manifest = Manifest {
        source: digest_without(&places.source, "node_modules")?,
        artefact: sha256(&fs::read(&places.script).at(&places.script)?),
        node: version("process.version")?,
        zlib: version("process.versions.zlib")?,
        commands: COMMANDS.map(ToOwned::to_owned).to_vec(),
    };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|error| format(places, &error.to_string()))?;
    text.push('\n');
    fs::write(&places.manifest, text).at(&places.manifest)
}

fn compile(places: &Places, target: &Path) -> Result<()> {
    for command in COMMANDS {
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        command.current_dir(&places.source);
        for word in words {
            match word {
                "TARGET" => command.arg(target),
                word => command.arg(word),
            };
        }
        run(&mut command)?;
    }
    Ok(())
}

fn read(places: &Places) -> Result<Manifest> {
    let text = fs::read_to_string(&places.manifest).at(&places.manifest)?;
    serde_json::from_str(&text).map_err(|error| format(places, &error.to_string()))
}

fn check(places: &Places) -> Result<()> {
    let (manifest, mut stale) = (read(places)?, Vec::new());
    if manifest.source != digest_without(&places.source, "node_modules")? {
        stale.push("inspector/ has changed: run `cargo xtask inspector build`".to_owned());
    }
    if manifest.artefact != sha256(&fs::read(&places.script).at(&places.script)?) {
        stale.push("crates/gateway/assets/inspector.js.gz is not what its manifest says".to_owned());
    }
    if manifest.commands != COMMANDS {
        stale.push("the inspector is built in another way now: run `cargo xtask inspector build`".to_owned());
    }
    if stale.is_empty() {
        Ok(())
    } else {
        Err(Error::Stale(stale))
    }
}

fn verify(places: &Places) -> Result<()> {
    check(places)?;
    let again = std::env::temp_dir().join(format!("agentos-inspector-{}.js.gz", std::process::id()));
    let compared = compile(places, &again).and_then(|()| fs::read(&again).at(&again));
    // What cannot be removed does no harm.
    let _ = fs::remove_file(&again);
    if sha256(&compared?) == read(places)?.artefact {
        println!("the inspector's script is what its sources give");
        return Ok(());
    }
    Err(Error::Stale(vec![
        "the inspector's sources give another script".to_owned(),
    ]))
}

fn format(places: &Places, detail: &str) -> Error {
    Error::Format {
        path: places.manifest.clone(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_script_matches_its_sources() {
        dispatch(&["inspector".to_owned(), "check".to_owned()]).unwrap();
    }
}
