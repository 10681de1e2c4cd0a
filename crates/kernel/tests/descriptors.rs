//! The descriptor table against the simplest possible one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{FdLimits, FdTable, OpenFile, StatusFlags};
use agentos_kernel::id::{Fd, Gid, Uid};
use agentos_kernel::limits::Limits;
use proptest::prelude::*;
use std::sync::Arc;

fn files(limits: &Arc<FdLimits>) -> (Arc<OpenFile>, Arc<OpenFile>) {
    OpenFile::pipe(limits, (Uid::USER, Gid::USER), Timestamp(0), StatusFlags::empty()).unwrap()
}

#[derive(Debug, Clone)]
enum Op {
    Insert(bool),
    InsertPair(bool),
    Dup(u32, u32, bool),
    DupTo(u32, u32, bool),
    Renumber(u32, u32),
    Close(u32),
    CloseOnExec(u32, bool),
    Exec,
    Cap(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let fd = 0u32..24;
    prop_oneof![
        4 => any::<bool>().prop_map(Op::Insert),
        1 => any::<bool>().prop_map(Op::InsertPair),
        1 => (fd.clone(), fd.clone(), any::<bool>()).prop_map(|(fd, min, cloexec)| Op::Dup(fd, min, cloexec)),
        1 => (fd.clone(), fd.clone(), any::<bool>()).prop_map(|(fd, to, cloexec)| Op::DupTo(fd, to, cloexec)),
        1 => (fd.clone(), fd.clone()).prop_map(|(from, to)| Op::Renumber(from, to)),
        3 => fd.clone().prop_map(Op::Close),
        1 => (fd.clone(), any::<bool>()).prop_map(|(fd, cloexec)| Op::CloseOnExec(fd, cloexec)),
        1 => Just(Op::Exec),
        1 => fd.prop_map(Op::Cap),
    ]
}

/// What a slot holds: the description's id and close-on-exec.
type Slots = Vec<Option<(u64, bool)>>;

fn lowest(slots: &Slots, min: u32, cap: u32) -> Option<u32> {
    (min..cap).find(|fd| slots[*fd as usize].is_none())
}

fn number(result: Result<Fd, agentos_kernel::Error>) -> Result<u32, Errno> {
    result.map(|fd| fd.0).map_err(|error| error.errno())
}

fn done<T>(result: Result<T, agentos_kernel::Error>) -> Result<(), Errno> {
    result.map(|_| ()).map_err(|error| error.errno())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(300)))]

    #[test]
    fn agrees_with_an_array(ops in prop::collection::vec(op(), 1..80)) {
        let limits = FdLimits::new(&Limits::default());
        let pair = files(&limits);
        let mut cap = 16;
        let mut table = FdTable::new(cap);
        let mut slots: Slots = vec![None; 64];
        for op in ops {
            match op {
                Op::Insert(cloexec) => {
                    let expected = lowest(&slots, 0, cap).ok_or(Errno::EMFILE);
                    prop_assert_eq!(number(table.insert(Arc::clone(&pair.0), cloexec)), expected);
                    if let Ok(fd) = expected { slots[fd as usize] = Some((pair.0.id(), cloexec)); }
                }
                Op::InsertPair(cloexec) => {
                    let first = lowest(&slots, 0, cap);
                    let second = first.and_then(|fd| lowest(&slots, fd + 1, cap));
                    let both = (Arc::clone(&pair.0), Arc::clone(&pair.1));
                    let got = table.insert_pair(both, cloexec).map(|(a, b)| (a.0, b.0)).map_err(|error| error.errno());
                    prop_assert_eq!(got, first.zip(second).ok_or(Errno::EMFILE));
                    if let Ok((a, b)) = got {
                        slots[a as usize] = Some((pair.0.id(), cloexec));
                        slots[b as usize] = Some((pair.1.id(), cloexec));
                    }
                }
                Op::Dup(fd, min, cloexec) => {
                    let expected = match slots[fd as usize] {
                        None => Err(Errno::EBADF),
                        Some(_) if min > 0 && min >= cap => Err(Errno::EINVAL),
                        Some(_) => lowest(&slots, min, cap).ok_or(Errno::EMFILE),
                    };
                    prop_assert_eq!(number(table.dup(Fd(fd), Fd(min), cloexec)), expected);
                    if let Ok(new) = expected { slots[new as usize] = slots[fd as usize].map(|(id, _)| (id, cloexec)); }
                }
                Op::DupTo(fd, to, cloexec) => {
                    let fine = slots[fd as usize].is_some() && (fd == to || to < cap);
                    let expected = if fine { Ok(()) } else { Err(Errno::EBADF) };
                    prop_assert_eq!(done(table.dup_to(Fd(fd), Fd(to), cloexec)), expected);
                    if fine && fd != to { slots[to as usize] = slots[fd as usize].map(|(id, _)| (id, cloexec)); }
                }
                Op::Renumber(from, to) => {
                    let fine = slots[from as usize].is_some() && slots[to as usize].is_some();
                    let expected = if fine { Ok(()) } else { Err(Errno::EBADF) };
                    prop_assert_eq!(done(table.renumber(Fd(from), Fd(to))), expected);
                    if fine && from != to { slots[to as usize] = slots[from as usize].take(); }
                }
                Op::Close(fd) => {
                    let expected = slots[fd as usize].take().map(|_| ()).ok_or(Errno::EBADF);
                    prop_assert_eq!(done(table.close(Fd(fd))), expected);
                }
                Op::CloseOnExec(fd, cloexec) => {
                    let expected = if slots[fd as usize].is_some() { Ok(()) } else { Err(Errno::EBADF) };
                    prop_assert_eq!(done(table.set_cloexec(Fd(fd), cloexec)), expected);
                    if let Some(slot) = &mut slots[fd as usize] { slot.1 = cloexec; }
                }
                Op::Exec => {
                    let doomed = slots.iter().flatten().filter(|(_, cloexec)| *cloexec).count();
                    prop_assert_eq!(table.close_cloexec().len(), doomed);
                    slots.iter_mut().for_each(|slot| *slot = slot.filter(|(_, cloexec)| !cloexec));
                }
                Op::Cap(new) => {
                    cap = new;
                    table.set_cap(cap);
                }
            }
            let shown: Vec<_> = table.iter().map(|(fd, entry)| (fd.0, entry.file.id(), entry.cloexec)).collect();
            let expected = (0..).zip(&slots).filter_map(|(fd, slot)| slot.map(|(id, cloexec)| (fd, id, cloexec)));
            prop_assert_eq!(shown, expected.collect::<Vec<_>>());
        }
        let fork = table.clone();
        prop_assert_eq!(fork.len(), table.len());
        drop(pair);
        drop(table);
        prop_assert_eq!(limits.descriptions().used() > 0, !fork.is_empty());
        drop(fork);
        prop_assert_eq!((limits.descriptions().used(), limits.pipes().used()), (0, 0));
    }
}

#[test]
fn a_full_table_names_its_limit() {
    let limits = FdLimits::new(&Limits::default());
    let (read, _write) = files(&limits);
    let mut table = FdTable::new(2);
    table.insert(Arc::clone(&read), false).unwrap();
    table.insert(Arc::clone(&read), false).unwrap();
    let error = table.insert(read, false).unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!(
        (limit.limit, limit.observed, limit.capacity),
        ("maxOpenFdsPerProcess", 3, 2)
    );
    assert_eq!(error, Errno::EMFILE);
}

#[test]
fn a_large_number_costs_no_memory() {
    let limits = FdLimits::new(&Limits::default());
    let (read, _write) = files(&limits);
    let mut table = FdTable::new(u32::MAX);
    assert!(table.set(Fd(u32::MAX - 1), Arc::clone(&read), false).unwrap().is_none());
    assert_eq!(
        table.insert_from(Fd(u32::MAX - 1), read, false).unwrap_err(),
        Errno::EMFILE
    );
    assert_eq!(table.len(), 1);
}

#[test]
fn a_process_knows_that_it_reads_from_a_pipe() {
    let limits = FdLimits::new(&Limits::default());
    let (read, write) = files(&limits);
    let other = files(&limits);
    let mut table = FdTable::new(16);
    let write = table.insert(write, false).unwrap();
    let _ = table.insert(other.0, false).unwrap();
    let pipe = Arc::clone(table.get(write).unwrap().pipe_end().unwrap().pipe());
    assert!(!table.reads_from(&pipe));
    let read = table.insert(read, false).unwrap();
    assert!(table.reads_from(&pipe));
    drop(table.close(read).unwrap());
    assert!(!table.reads_from(&pipe));
}
