//! A registry on loopback that serves what tests make up.

use super::super::{Bounds, Error, Package, Spec, Step, Store};
use super::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// An answer of the registry.
#[derive(Clone)]
enum Answer {
    Whole(Vec<u8>),
    /// Says that it is longer than it is.
    Cut(Vec<u8>),
    Redirect(String),
    Status(u16),
}

type Answers = Arc<Mutex<BTreeMap<String, Answer>>>;

/// The registry: packages by name, archives by path, and what was asked for.
struct Registry {
    url: String,
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
    documents: Mutex<BTreeMap<String, Value>>,
    dir: tempfile::TempDir,
    store: Store,
}

fn serve(mut stream: TcpStream, answers: &Answers, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        asked.lock().unwrap().push(path.clone());
        let answer = answers.lock().unwrap().get(&path).cloned();
        let head = |status: u16, length: usize, more: &str| {
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}\r\n")
        };
        let (head, body) = match answer.unwrap_or(Answer::Status(404)) {
            Answer::Whole(body) => (head(200, body.len(), ""), body),
            Answer::Cut(body) => (head(200, body.len() + 100, ""), body),
            Answer::Redirect(to) => (head(302, 0, &format!("Location: {to}\r\n")), Vec::new()),
            Answer::Status(status) => (head(status, 0, ""), Vec::new()),
        };
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
        if head.contains("Content-Length: ") && !head.contains(&format!("Content-Length: {}\r", body.len())) {
            stream.shutdown(Shutdown::Both).ok()?;
            return None;
        }
    }
}

impl Registry {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (answers, asked) = (Answers::default(), Arc::new(Mutex::new(Vec::new())));
        let (served, told) = (Arc::clone(&answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (served, told) = (Arc::clone(&served), Arc::clone(&told));
                std::thread::spawn(move || serve(stream, &served, &told));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path().join("store")).unwrap();
        store.settings = Arc::new(Settings::of(&url));
        Self {
            url,
            answers,
            asked,
            documents: Mutex::default(),
            dir,
            store,
        }
    }

    fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Publishes a version whose archive is given, and whose document says besides what `says` does.
    fn publish_archive(&self, name: &str, version: &str, archive: &[u8], says: Value) {
        let path = format!("/{name}/-/{version}.tgz");
        self.answer(&path, Answer::Whole(archive.to_vec()));
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(archive)));
        let url = format!("{}{}", self.url, &path[1..]);
        let mut entry = json!({ "dist": { "tarball": url, "integrity": integrity } });
        let says: Map<String, Value> = serde_json::from_value(says).unwrap();
        entry.as_object_mut().unwrap().extend(says);
        self.entry(name, version, entry);
    }

    fn entry(&self, name: &str, version: &str, entry: Value) {
        let mut documents = self.documents.lock().unwrap();
        let document = documents
            .entry(name.to_owned())
            .or_insert_with(|| json!({ "dist-tags": {}, "versions": {} }));
        document["versions"][version] = entry;
        document["dist-tags"]["latest"] = json!(version);
        let text = document.to_string().into_bytes();
        self.answer(&format!("/{}", name.replace('/', "%2f")), Answer::Whole(text));
    }

    /// Publishes a version with one command that is called as it is.
    fn publish(&self, name: &str, version: &str, says: Value) {
        let base = name.rsplit('/').next().unwrap();
        let manifest = json!({ "name": name, "version": version, "bin": { base: "cli.sh" } }).to_string();
        let script = format!("#!/bin/sh\necho {name} {version}\n");
        let archive = self.archive(&[("package.json", &manifest), ("cli.sh", &script)]);
        self.publish_archive(name, version, &archive, says);
    }

    fn archive(&self, files: &[(&str, &str)]) -> Vec<u8> {
        let tree = tempfile::tempdir_in(self.dir.path()).unwrap();
        for (name, content) in files {
            let path = tree.path().join("package").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        packed(tree.path(), &["package"])
    }

    fn add(&self, spec: &str) -> Result<Package, Error> {
        self.store.add(&spec.parse::<Spec>()?, &())
    }

    /// What fails, and leaves nothing behind.
    fn refused(&self, spec: &str) -> Error {
        let before = self.store.list().unwrap().len();
        let error = self.add(spec).unwrap_err();
        assert_eq!(self.store.list().unwrap().len(), before, "{error}");
        let count = |folder: &str| std::fs::read_dir(self.store.path().join(folder)).unwrap().count();
        assert_eq!(count("content/work"), 0, "{error}");
        let drafts = std::fs::read_dir(self.store.path().join("downloads")).unwrap();
        let drafts = drafts
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with('.'));
        assert_eq!(drafts.count(), 0, "{error}");
        error
    }

    fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn packed(folder: &Path, names: &[&str]) -> Vec<u8> {
    let archive = folder.join("archive.tgz");
    let tar = Command::new("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-P", "-C"])
        .arg(folder)
        .arg("-czf")
        .arg(&archive)
        .args(names)
        .status();
    assert!(tar.unwrap().success());
    std::fs::read(archive).unwrap()
}

/// The version that a package sees under a name.
fn version(package: &Package, path: &str) -> Option<String> {
    let path = format!("/usr/local/lib/node_modules/{path}/package.json");
    let text = package.image().unwrap().read(&path, 1 << 20)?;
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    Some(manifest["version"].as_str().unwrap().to_owned())
}

mod hostile;
mod linked;
mod scripts;
mod trees;
