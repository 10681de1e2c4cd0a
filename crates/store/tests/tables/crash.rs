//! The power is lost after each step of SQLite: what is found is a state that was, and no older than the last one that was
//! acknowledged. Errors at each step are told, and what was acknowledged before them stays.

use std::path::Path;

use agentos_store::database::{Database, Options};
use agentos_store::tables::VM_SCHEMA;
use agentos_store::{Error, HostIndex, Result};
use agentos_store_faults::{Disk, Fault, Step, Survivors};

use super::dump;
use super::script::{self, Act};

const FILE: &str = "vm.sqlite";

fn options(disk: Option<&Disk>) -> Options {
    let mut options = Options::default();
    options.vfs = disk.map(|disk| disk.vfs().to_owned());
    options
}

/// Both kinds of databases, as the tests need them.
trait Kind: Sized {
    fn open(path: &Path, options: Options) -> Result<Self>;
    fn database(&self) -> &Database;
}

impl Kind for Database {
    fn open(path: &Path, options: Options) -> Result<Self> {
        Self::open(path, &VM_SCHEMA, options)
    }
    fn database(&self) -> &Database {
        self
    }
}

impl Kind for HostIndex {
    fn open(path: &Path, options: Options) -> Result<Self> {
        HostIndex::open(path, options)
    }
    fn database(&self) -> &Database {
        HostIndex::database(self)
    }
}

fn seen(database: &Database) -> String {
    database.read(|connection| Ok(dump(connection))).unwrap()
}

/// Runs the script; notes each state, and marks on the disk which one was acknowledged.
fn play<T: Kind>(subject: &T, script: &[Act<T>], disk: &Disk) -> Vec<String> {
    let mut history = vec![seen(subject.database())];
    disk.mark(0);
    for (number, act) in script.iter().enumerate() {
        act(subject).unwrap();
        history.push(seen(subject.database()));
        disk.mark(number as u64 + 1);
    }
    history
}

fn cuts(steps: usize) -> impl Iterator<Item = usize> {
    let wanted: usize = std::env::var("AGENTOS_CRASH_CUTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(25);
    let stride = steps.checked_div(wanted).unwrap_or(1).max(1);
    (0..=steps).rev().step_by(stride)
}

/// What is found after the power was lost: the number of the state.
fn recover<T: Kind>(steps: &[Step], survivors: Survivors, history: &[String]) -> std::result::Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    Step::image(steps, survivors, directory.path()).unwrap();
    let subject = T::open(&directory.path().join(FILE), options(None)).map_err(|error| error.to_string())?;
    let found = seen(subject.database());
    subject.database().close().unwrap();
    let mark = steps.iter().rev().find_map(|step| {
        if let Step::Mark(mark) = step {
            Some(*mark as usize)
        } else {
            None
        }
    });
    let least = mark.unwrap_or(0);
    match history.iter().skip(least).position(|state| *state == found) {
        Some(at) => Ok(least + at),
        None => Err(format!("not a state from {least} on:\n{found}")),
    }
}

fn lose_power<T: Kind>(script: &[Act<T>]) {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let subject = T::open(&directory.path().join(FILE), options(Some(&disk))).unwrap();
    let history = play(&subject, script, &disk);
    subject.database().close().unwrap();
    let steps = disk.steps();
    let mut found = std::collections::BTreeSet::new();
    for cut in cuts(steps.len()) {
        for survivors in [Survivors::None, Survivors::All, Survivors::Some(cut as u64)] {
            let state = recover::<T>(&steps[..cut], survivors, &history);
            found.insert(state.unwrap_or_else(|what| panic!("after step {cut}, {survivors:?}: {what}")));
        }
    }
    assert!(found.len() > 5, "power losses find different states: {found:?}");
}

#[test]
fn a_power_loss_loses_nothing_of_an_actor() {
    lose_power(&script::actor());
}

#[test]
fn a_power_loss_loses_nothing_of_the_index() {
    lose_power(&script::index());
}

/// Each step fails once: the script meets an error, is told, and the rest of it works once the disk is mended.
fn fail_everywhere<T: Kind>(script: &[Act<T>]) {
    let total = {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::new());
        let subject = T::open(&directory.path().join(FILE), options(Some(&disk))).unwrap();
        play(&subject, script, &disk);
        disk.count()
    };
    let mut told = 0;
    for at in cuts(total as usize) {
        for fault in [Fault::Io, Fault::Full] {
            let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::new());
            disk.fail(at as u64, fault, true);
            let path = directory.path().join(FILE);
            let Ok(subject) = T::open(&path, options(Some(&disk))) else {
                told += 1;
                continue;
            };
            let mut state = seen(subject.database());
            for act in script {
                match act(&subject) {
                    Ok(()) => state = seen(subject.database()),
                    Err(error) => {
                        assert!(
                            matches!(error, Error::Io(_) | Error::NoSpace(_)),
                            "{fault:?} at {at}: {error}"
                        );
                        told += 1;
                        break;
                    }
                }
            }
            // What was acknowledged stays readable, and a mended disk takes the rest.
            assert_eq!(seen(subject.database()), state, "{fault:?} at {at}");
            disk.heal();
            subject.database().flush().wait().unwrap();
            subject.database().close().unwrap();
            let again = T::open(&path, options(Some(&disk))).unwrap();
            assert_eq!(seen(again.database()), state, "{fault:?} at {at}");
        }
    }
    assert!(told > 20, "{told}");
}

#[test]
fn errors_of_the_disk_take_nothing_from_an_actor() {
    fail_everywhere(&script::actor());
}

#[test]
fn errors_of_the_disk_take_nothing_from_the_index() {
    fail_everywhere(&script::index());
}
