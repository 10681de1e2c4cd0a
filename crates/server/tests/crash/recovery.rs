//! A new server on what is left, and what it is found to have.

use crate::ledger::{Seen, State, Subject};
use crate::scenario::{END_MS, registry};
use agentos_server::actor::{ConnectRequest, CreateOptions, ManualClock, Transport};
use agentos_server::{ActorError, Registry, Value};
use agentos_store::DataDir;
use agentos_store::fs::DurableFs;
use agentos_value::Key;
use std::path::Path;
use std::time::Duration;

/// A call that takes longer than this is never answered.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks at everything that was ever asked for, lives on for a moment, and destroys all.
pub(crate) async fn check(directory: &Path, seen: &Seen, what: &str) {
    let done = async {
        let clock = ManualClock::at(END_MS);
        no_strangers(directory, what);
        let server = registry(directory, &clock, None).unwrap_or_else(|error| panic!("{what}: no server: {error}"));
        for subject in seen.0.keys() {
            let found = look(&server, subject)
                .await
                .unwrap_or_else(|error| panic!("{what}: {subject:?}: {error:?}"));
            assert!(
                seen.admits(subject, &found),
                "{what}: {subject:?} is {found:?}, not one of {:?}",
                seen.0[subject]
            );
        }
        live_on(&server, what).await;
        server.actors().drain().await;
        sound(directory, what);
        destroy_all(directory, &clock, what).await;
    };
    tokio::time::timeout(PATIENCE, done)
        .await
        .unwrap_or_else(|_| panic!("{what}: never answered"));
}

/// Every directory belongs to an actor or a reservation that the index has. Looked at before a server starts, which forgets
/// reservations that are old by then.
fn no_strangers(directory: &Path, what: &str) {
    let data = DataDir::open(directory).unwrap();
    for entry in directory.join("vms").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            data.index().get(&name).unwrap().is_some(),
            "{what}: vms/{name} belongs to nobody"
        );
    }
    data.close().unwrap();
}

/// How a subject is found.
async fn look(server: &Registry, subject: &Subject) -> Result<State, ActorError> {
    let actors = server.actors();
    let (kind, key) = match subject {
        Subject::Kept(_) => ("keeper", "a"),
        Subject::Vm(vm) | Subject::File(vm, _) | Subject::Job(vm, _) | Subject::Preview(vm, _) => ("vm", *vm),
    };
    let Some(info) = actors.get(kind, &Key::new([key]))? else {
        return Ok(State::Absent);
    };
    let call = async |action: &str, args| {
        let request = ConnectRequest::new(Transport::Http);
        actors.call(&info.id, request, action, args).await
    };
    let is = |there: bool| if there { State::Present } else { State::Absent };
    Ok(match subject {
        Subject::Vm(_) => State::Present,
        Subject::File(_, path) => match call("readFile", vec![(*path).into()]).await {
            Ok(Value::Bytes(bytes)) => State::Content(bytes.to_vec()),
            Ok(other) => panic!("{other:?}"),
            Err(error) if error.code == "ENOENT" => State::Absent,
            Err(error) => return Err(error),
        },
        Subject::Job(_, id) => {
            let jobs = call("listCronJobs", vec![]).await?;
            let named = |job: &Value| job.get("id").and_then(Value::as_str) == Some(*id);
            is(jobs.as_array().unwrap().iter().any(named))
        }
        Subject::Preview(_, token) => match actors.preview_authorize(None, token).await {
            Ok(_) => State::Present,
            Err(error) => {
                assert_eq!(error.code, "forbidden", "{error:?}");
                State::Absent
            }
        },
        Subject::Kept(name) => {
            let kept = call("get", vec![(*name).into()]).await?;
            // State and store were written by the same call, one after the other, and are acknowledged together.
            match kept.as_str() {
                Some(text) => State::content(text),
                None => State::Absent,
            }
        }
    })
}

/// What is there can be used as if nothing had happened.
async fn live_on(server: &Registry, what: &str) {
    for vm in ["a", "b"] {
        let actors = server.actors();
        let made = actors
            .get_or_create("vm", &Key::new([vm]), CreateOptions::default())
            .await;
        let id = made
            .unwrap_or_else(|error| panic!("{what}: {vm} cannot be had: {error:?}"))
            .0
            .id;
        let call = async |action: &str, args: Vec<Value>| {
            let request = ConnectRequest::new(Transport::Http);
            let answer = actors.call(&id, request, action, args).await;
            answer.unwrap_or_else(|error| panic!("{what}: {action} of {vm} afterwards: {error:?}"))
        };
        call("writeFile", vec!["/home/user/after".into(), "wards".into()]).await;
        call("sleepVm", vec![]).await;
        let read = call("readFile", vec!["/home/user/after".into()]).await;
        assert_eq!(read, Value::Bytes("wards".into()), "{what}: {vm}");
    }
}

/// Everything that the disk holds fits together.
fn sound(directory: &Path, what: &str) {
    let data = DataDir::open(directory).unwrap();
    for actor in data.index().list(None, "", 100).unwrap() {
        if !data.has_vm(&actor.actor_id) {
            continue;
        }
        let store = data.open_vm(&actor.actor_id).unwrap();
        let report = DurableFs::check(store.database()).unwrap();
        assert!(report.is_sound(), "{what}: {}: {report:?}", actor.actor_id);
        store.close().unwrap();
    }
    data.close().unwrap();
}

/// What is destroyed leaves no files, and stays destroyed.
async fn destroy_all(directory: &Path, clock: &ManualClock, what: &str) {
    let names = [("vm", "a"), ("vm", "b"), ("keeper", "a")];
    let server = registry(directory, clock, None).unwrap();
    for (kind, key) in names {
        if let Some(info) = server.actors().get(kind, &Key::new([key])).unwrap() {
            server.actors().destroy(&info.id).await.unwrap();
        }
    }
    assert_eq!(directory.join("vms").read_dir().unwrap().count(), 0, "{what}");
    server.actors().drain().await;
    drop(server);
    let server = registry(directory, clock, None).unwrap();
    for (kind, key) in names {
        assert_eq!(
            server.actors().get(kind, &Key::new([key])).unwrap(),
            None,
            "{what}: {kind} {key}"
        );
    }
    server.actors().drain().await;
}
