//! Where a chat is kept: a folder with a journal of its session and the home of its VM.
//!
//! The journal is lines of JSON, one for each change, written before whoever made it goes on. Reading it again gives the session
//! as it was. A line that the end of this program cut is left out. Nothing is flushed to the disk by force: what the end of the
//! machine takes is the last moments of a conversation. Secrets are not part of it: chats give their agents none.

use crate::error::Error;
use agentos::session::{
    BoxFuture, MemoryStorage, OutcomeBounds, OutcomeRow, Result as SessionResult, Secrets, SessionChange, SessionRow,
    Storage, StoredEvent,
};
use agentos::{Grant, SessionStatus};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// Which chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    New,
    /// The one that was used last.
    Last,
    Id(String),
}

/// The folder of a chat.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
}

impl Folder {
    /// Makes or finds a chat below `data`.
    pub(crate) fn find(data: &Path, which: &Which) -> Result<Self, Error> {
        let id = match which {
            Which::New => new_id()?,
            Which::Last => known(data)
                .pop()
                .ok_or_else(|| Error::Usage(format!("--resume: there is no chat in {}", data.display())))?,
            Which::Id(id) => {
                let mut known = known(data);
                if !known.contains(id) {
                    known.reverse();
                    known.truncate(10);
                    let known = if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    };
                    let reason = format!(
                        "--resume: there is no chat {id:?} in {}; there are {known}",
                        data.display()
                    );
                    return Err(Error::Usage(reason));
                }
                id.clone()
            }
        };
        let path = data.join(&id);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(path.join("home"))
            .map_err(Error::host("folder of the chat"))?;
        Ok(Self { id, path })
    }

    /// What becomes the home of the VM's user.
    pub(crate) fn home(&self) -> PathBuf {
        self.path.join("home")
    }
}

/// Where chats are unless told otherwise.
pub(crate) fn default_data() -> Result<PathBuf, Error> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let base =
        base.ok_or_else(|| Error::Usage("there is no HOME to keep the chat in; name a folder with --data".to_owned()))?;
    Ok(base.join("agentos/chats"))
}

/// Ids of chats, the one that was used last at the end.
fn known(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    let mut chats: Vec<_> = entries
        .filter_map(|entry| {
            let used = std::fs::metadata(entry.path().join(JOURNAL)).ok()?.modified().ok()?;
            Some((used, entry.file_name().into_string().ok()?))
        })
        .collect();
    chats.sort();
    chats.into_iter().map(|(_, id)| id).collect()
}

fn new_id() -> Result<String, Error> {
    let mut random = [0; 6];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).map_err(|error| Error::Host {
        what: "random numbers",
        source: error.into(),
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

const JOURNAL: &str = "journal";

/// Keeps sessions in memory and in a journal.
#[derive(Debug)]
pub(crate) struct Journal {
    memory: MemoryStorage,
    file: Mutex<File>,
}

impl Journal {
    /// Reads the journal of a chat, whose only user this is from here on.
    pub(crate) async fn open(folder: &Folder) -> Result<Self, Error> {
        let failed = Error::host("journal of the chat");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(folder.path.join(JOURNAL))
            .map_err(&failed)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Error::Usage(format!("--resume: the chat {} is in use", folder.id)));
        }
        let journal = Self {
            memory: MemoryStorage::default(),
            file: Mutex::new(file.try_clone().map_err(&failed)?),
        };
        let mut whole = 0;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(&failed)? > 0 && line.ends_with(b"\n") {
            let change = serde_json::from_slice(&line).unwrap_or_default();
            journal.replay(&change).await.ok_or_else(|| Error::Config {
                path: folder.path.join(JOURNAL),
                reason: format!("the line at byte {whole} cannot be read"),
            })?;
            whole += line.len() as u64;
            line.clear();
        }
        // What was cut would stand before the next line.
        reader.get_ref().set_len(whole).map_err(&failed)?;
        Ok(journal)
    }

    async fn replay(&self, change: &Value) -> Option<()> {
        let text = |name: &str| change.get(name).and_then(Value::as_str);
        let memory = &self.memory;
        match text("what")? {
            "add" => memory.add(row(change.get("row")?)?, u64::MAX).await.ok(),
            "change" => memory
                .change(text("session")?, session_change(change.get("change")?))
                .await
                .ok(),
            "remove" => memory.remove(text("session")?).await.ok(),
            "events" => {
                let events = change.get("events")?.as_array()?.iter().map(Value::to_string).collect();
                memory
                    .append(text("session")?, events, change.get("at")?.as_i64()?)
                    .await
                    .ok()
                    .map(drop)
            }
            "grant" => {
                let grant = serde_json::from_value(change.get("grant")?.clone()).ok()?;
                memory.add_grant(grant, u64::MAX).await.ok()
            }
            "used" => memory.use_grant(text("grant")?).await.ok().map(drop),
            "revoke" => memory.remove_grant(text("grant")?).await.ok().map(drop),
            "revokeAll" => memory.remove_grants(text("session")?).await.ok(),
            _ => None,
        }
    }

    /// Makes a change and writes it, in one order for both; what could not be made is not written.
    fn also<'a, T: Send + 'a>(
        &'a self,
        change: Value,
        make: impl FnOnce(&'a MemoryStorage) -> BoxFuture<'a, SessionResult<T>> + Send + 'a,
    ) -> BoxFuture<'a, SessionResult<T>> {
        Box::pin(async move {
            let mut file = self.file.lock().await;
            let made = make(&self.memory).await?;
            let written = file.write_all(format!("{change}\n").as_bytes());
            written.map_err(|error| agentos::session::Error::Storage {
                code: "EIO",
                reason: format!("the journal of the chat: {error}"),
            })?;
            Ok(made)
        })
    }
}

fn row(value: &Value) -> Option<SessionRow> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(SessionRow {
        session_id: text("sessionId")?,
        agent_type: text("agentType")?,
        agent_session_id: text("agentSessionId"),
        capabilities: value.get("capabilities").cloned().unwrap_or_default(),
        agent_info: value.get("agentInfo").filter(|info| !info.is_null()).cloned(),
        status: SessionStatus::parse(&text("status")?)?,
        cwd: text("cwd")?,
        options: value.get("options").cloned().unwrap_or_default(),
        secrets: Secrets::None,
        created_at: value.get("createdAt")?.as_i64()?,
        closed_at: value.get("closedAt").and_then(Value::as_i64),
    })
}

fn row_json(row: &SessionRow) -> Value {
    json!({
        "sessionId": row.session_id, "agentType": row.agent_type, "agentSessionId": row.agent_session_id,
        "capabilities": row.capabilities, "agentInfo": row.agent_info, "status": row.status, "cwd": row.cwd,
        "options": row.options, "createdAt": row.created_at, "closedAt": row.closed_at,
    })
}

fn session_change(value: &Value) -> SessionChange {
    let given = |name: &str| value.get(name).filter(|value| !value.is_null()).cloned();
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    SessionChange {
        agent_session_id: text("agentSessionId"),
        capabilities: given("capabilities"),
        // A list of one: what it holds may be nothing.
        agent_info: given("agentInfo").map(|info| info.get(0).filter(|info| !info.is_null()).cloned()),
        status: text("status").and_then(|status| SessionStatus::parse(&status)),
        options: given("options"),
        closed_at: value.get("closedAt").and_then(Value::as_i64),
    }
}

fn change_json(change: &SessionChange) -> Value {
    json!({
        "agentSessionId": change.agent_session_id, "capabilities": change.capabilities,
        "agentInfo": change.agent_info.as_ref().map(|info| [info.clone()]), "status": change.status,
        "options": change.options, "closedAt": change.closed_at,
    })
}

impl Storage for Journal {
    fn add(&self, row: SessionRow, capacity: u64) -> BoxFuture<'_, SessionResult<()>> {
        let change = json!({"what": "add", "row": row_json(&row)});
        self.also(change, move |memory| memory.add(row, capacity))
    }

    fn change<'a>(&'a self, session_id: &'a str, change: SessionChange) -> BoxFuture<'a, SessionResult<()>> {
        let told = json!({"what": "change", "session": session_id, "change": change_json(&change)});
        self.also(told, move |memory| memory.change(session_id, change))
    }

    fn remove<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, SessionResult<()>> {
        let change = json!({"what": "remove", "session": session_id});
        self.also(change, move |memory| memory.remove(session_id))
    }

    fn session(&self, session_id: &str) -> SessionResult<Option<SessionRow>> {
        self.memory.session(session_id)
    }

    fn sessions(&self) -> SessionResult<Vec<SessionRow>> {
        self.memory.sessions()
    }

    fn append<'a>(&'a self, session_id: &'a str, events: Vec<String>, at: i64) -> BoxFuture<'a, SessionResult<u64>> {
        // The layer above stores what it made of JSON.
        let values: Vec<Value> = events
            .iter()
            .map(|event| serde_json::from_str(event).unwrap_or_default())
            .collect();
        let change = json!({"what": "events", "session": session_id, "events": values, "at": at});
        self.also(change, move |memory| memory.append(session_id, events, at))
    }

    fn events(&self, session_id: &str, range: Range<u64>, limit: usize) -> SessionResult<Vec<StoredEvent>> {
        self.memory.events(session_id, range, limit)
    }

    fn next_seq(&self, session_id: &str) -> SessionResult<u64> {
        self.memory.next_seq(session_id)
    }

    fn history_bytes(&self) -> SessionResult<u64> {
        self.memory.history_bytes()
    }

    fn add_grant(&self, grant: Grant, capacity: u64) -> BoxFuture<'_, SessionResult<()>> {
        let change = json!({"what": "grant", "grant": grant});
        self.also(change, move |memory| memory.add_grant(grant, capacity))
    }

    fn grants(&self, session_id: Option<&str>) -> SessionResult<Vec<Grant>> {
        self.memory.grants(session_id)
    }

    fn use_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, SessionResult<bool>> {
        self.also(json!({"what": "used", "grant": grant_id}), move |memory| {
            memory.use_grant(grant_id)
        })
    }

    fn remove_grant<'a>(&'a self, grant_id: &'a str) -> BoxFuture<'a, SessionResult<bool>> {
        self.also(json!({"what": "revoke", "grant": grant_id}), move |memory| {
            memory.remove_grant(grant_id)
        })
    }

    fn remove_grants<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, SessionResult<()>> {
        self.also(json!({"what": "revokeAll", "session": session_id}), move |memory| {
            memory.remove_grants(session_id)
        })
    }

    fn add_outcome(&self, outcome: OutcomeRow, bounds: OutcomeBounds) -> BoxFuture<'_, SessionResult<()>> {
        // Requests end with the program, and with them the question how they ended.
        self.memory.add_outcome(outcome, bounds)
    }

    fn outcome(&self, permission_id: &str) -> SessionResult<Option<OutcomeRow>> {
        self.memory.outcome(permission_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> SessionRow {
        row(&json!({"sessionId": id, "agentType": "pi", "status": "live", "cwd": "/", "createdAt": 5, "options": {"a": 1}})).unwrap()
    }

    #[tokio::test]
    async fn a_journal_gives_back_what_was_kept() {
        let data = tempfile::tempdir().unwrap();
        assert!(
            Folder::find(data.path(), &Which::Last)
                .unwrap_err()
                .to_string()
                .contains("no chat")
        );
        let folder = Folder::find(data.path(), &Which::New).unwrap();
        let journal = Journal::open(&folder).await.unwrap();
        journal.add(session("a"), 2).await.unwrap();
        journal.add(session("b"), 2).await.unwrap();
        // What was refused is not there later, either.
        assert!(journal.add(session("c"), 2).await.is_err());
        assert!(journal.append("c", vec!["{}".to_owned()], 1).await.is_err());
        let events = vec![json!({"text": "a\nb"}).to_string(), json!({"n": 2}).to_string()];
        assert_eq!(journal.append("a", events, 7).await.unwrap(), 0);
        let mut change = SessionChange::status(SessionStatus::Suspended);
        change.agent_info = Some(Some(json!({"name": "x"})));
        change.agent_session_id = Some("own".to_owned());
        journal.change("a", change).await.unwrap();
        let change = SessionChange {
            agent_info: Some(None),
            ..SessionChange::default()
        };
        journal.change("b", change).await.unwrap();
        let grant = json!({"grantId": "g", "sessionId": "a", "reply": "always", "scope": {"toolKind": "edit"}, "createdAt": 1,
            "expiresAt": null, "uses": 0});
        journal
            .add_grant(serde_json::from_value(grant).unwrap(), 5)
            .await
            .unwrap();
        assert!(journal.use_grant("g").await.unwrap());
        journal.remove("b").await.unwrap();
        let again = Folder::find(data.path(), &Which::Id(folder.id.clone())).unwrap();
        assert!(Journal::open(&again).await.unwrap_err().to_string().contains("in use"));
        let (rows, kept) = (journal.sessions().unwrap(), journal.events("a", 0..9, 9).unwrap());
        let grants = journal.grants(None).unwrap();
        drop(journal);

        // The end of the program in the middle of a line.
        let path = folder.path.join(JOURNAL);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"what\": \"remo");
        std::fs::write(&path, text).unwrap();
        let journal = Journal::open(&Folder::find(data.path(), &Which::Last).unwrap())
            .await
            .unwrap();
        assert_eq!(journal.sessions().unwrap(), rows);
        assert_eq!(journal.events("a", 0..9, 9).unwrap(), kept);
        assert_eq!(journal.grants(None).unwrap(), grants);
        assert_eq!(
            (rows.len(), grants[0].uses, rows[0].agent_session_id.as_deref()),
            (1, 1, Some("own"))
        );
        assert_eq!(journal.append("a", vec!["{}".to_owned()], 8).await.unwrap(), 2);
        drop(journal);
        assert_eq!(Journal::open(&folder).await.unwrap().next_seq("a").unwrap(), 3);

        std::fs::write(&path, "{\"what\": \"nothing\"}\n").unwrap();
        assert!(Journal::open(&folder).await.unwrap_err().to_string().contains("byte 0"));
        let unknown = Folder::find(data.path(), &Which::Id("x".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(unknown.contains(&folder.id), "{unknown}");
    }
}
