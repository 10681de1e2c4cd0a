//! Pipes against a model, under threads, and at their limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{FdLimits, OpenFile, PIPE_BUF, PIPE_CAPACITY, PollEvents, PollTarget, StatusFlags, poll_all};
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::limits::Limits;
use common::{Alarm, ready, wait};
use core::task::Poll;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

fn limits() -> Arc<FdLimits> {
    FdLimits::new(&Limits::default())
}

fn pipe(limits: &Arc<FdLimits>) -> (Arc<OpenFile>, Arc<OpenFile>) {
    OpenFile::pipe(limits, (Uid::USER, Gid::USER), Timestamp(0), StatusFlags::empty()).unwrap()
}

fn assert_unused(limits: &FdLimits) {
    assert_eq!(limits.descriptions().used(), 0);
    assert_eq!(limits.pipes().used(), 0);
    assert_eq!(limits.grown().used(), 0);
}

#[derive(Debug, Clone)]
enum Op {
    Write(usize),
    Read(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    /// Any sequence of reads and writes does to a pipe what it does to a queue with the rules of `pipe(7)`.
    #[test]
    fn behaves_as_a_bounded_queue(ops in prop::collection::vec(prop_oneof![
        (0usize..10_000).prop_map(Op::Write),
        (0usize..70_000).prop_map(Op::Write),
        (0usize..20_000).prop_map(Op::Read),
    ], 1..60)) {
        let limits = limits();
        let (read, write) = pipe(&limits);
        let mut model: VecDeque<u8> = VecDeque::new();
        let mut next = 0u8;
        for op in ops {
            let room = PIPE_CAPACITY - model.len();
            match op {
                Op::Write(len) => {
                    let data: Vec<u8> = (0..len).map(|_| { next = next.wrapping_mul(31).wrapping_add(7); next }).collect();
                    let expected = match len {
                        0 => Some(0),
                        _ if room == 0 || (len <= PIPE_BUF && room < len) => None,
                        _ => Some(len.min(room)),
                    };
                    match write.write(&data, None) {
                        Poll::Pending => prop_assert_eq!(expected, None),
                        Poll::Ready(done) => {
                            let done = done.unwrap();
                            prop_assert_eq!(expected, Some(done));
                            model.extend(&data[..done]);
                        }
                    }
                }
                Op::Read(len) => {
                    let mut buf = vec![0; len];
                    match read.read(&mut buf, None) {
                        Poll::Pending => prop_assert!(model.is_empty() && len > 0),
                        Poll::Ready(done) => {
                            let done = done.unwrap();
                            prop_assert_eq!(done, len.min(model.len()));
                            prop_assert!(buf[..done].iter().copied().eq(model.drain(..done)));
                        }
                    }
                }
            }
            prop_assert_eq!(read.available().unwrap(), model.len() as u64);
            prop_assert_eq!(read.poll(PollEvents::IN, None).contains(PollEvents::IN), !model.is_empty());
            let fits = PIPE_CAPACITY - model.len() >= PIPE_BUF;
            prop_assert_eq!(write.poll(PollEvents::OUT, None).contains(PollEvents::OUT), fits);
        }
        drop((read, write));
        assert_unused(&limits);
    }
}

/// Records of several writers, each written at once, arrive whole, and each writer's in order.
#[test]
fn writes_up_to_pipe_buf_are_atomic() {
    const WRITERS: u32 = 4;
    const RECORDS: u32 = 2000;
    let limits = limits();
    let (read, write) = pipe(&limits);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let write = Arc::clone(&write);
            scope.spawn(move || {
                for number in 0..RECORDS {
                    let record = record(writer, number);
                    assert_eq!(wait(|waker| write.write(&record, waker)).unwrap(), record.len());
                }
            });
        }
        drop(write);
        let mut next = [0; WRITERS as usize];
        let mut input = Vec::new();
        let mut chunk = vec![0; 10_000];
        loop {
            let count = wait(|waker| read.read(&mut chunk, waker)).unwrap();
            if count == 0 {
                break;
            }
            input.extend_from_slice(&chunk[..count]);
            while let Some(size) = whole(&input) {
                let writer = u32::from_le_bytes(input[4..8].try_into().unwrap());
                let expected = record(writer, next[writer as usize]);
                assert_eq!(input[..size], expected[..]);
                next[writer as usize] += 1;
                input.drain(..size);
            }
        }
        assert!(input.is_empty());
        assert_eq!(next, [RECORDS; WRITERS as usize]);
    });
    drop(read);
    assert_unused(&limits);
}

fn record(writer: u32, number: u32) -> Vec<u8> {
    let size = 12 + (number.wrapping_mul(2_654_435_761) ^ writer) as usize % (PIPE_BUF - 12);
    let mut record: Vec<u8> = (0..size as u32).map(|at| (at ^ number) as u8).collect();
    record[..4].copy_from_slice(&(size as u32).to_le_bytes());
    record[4..8].copy_from_slice(&writer.to_le_bytes());
    record[8..12].copy_from_slice(&number.to_le_bytes());
    record
}

fn whole(input: &[u8]) -> Option<usize> {
    let size = u32::from_le_bytes(input.get(..4)?.try_into().ok()?) as usize;
    (input.len() >= size).then_some(size)
}

/// Nothing is lost or doubled between many writers and readers, whatever the sizes, and every one of them ends.
#[test]
fn many_readers_and_writers_lose_nothing() {
    let limits = limits();
    let (read, write) = pipe(&limits);
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let (written, received) = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=3usize)
            .map(|seed| {
                let write = Arc::clone(&write);
                scope.spawn(move || {
                    let data: Vec<u8> = (0..3_000_000usize).map(|at| (at * seed) as u8).collect();
                    let mut rest = &data[..];
                    let mut size = seed * 997;
                    while !rest.is_empty() {
                        size = (size * 7919 + 13) % 90_000 + 1;
                        let part = &rest[..size.min(rest.len())];
                        let done = wait(|waker| write.write(part, waker)).unwrap();
                        rest = &rest[done..];
                    }
                    (data.len(), sum(&data))
                })
            })
            .collect();
        drop(write);
        let readers: Vec<_> = (1..=3usize)
            .map(|seed| {
                let read = Arc::clone(&read);
                scope.spawn(move || {
                    let mut buf = vec![0; 7000 * seed];
                    let mut total = (0, 0);
                    loop {
                        match wait(|waker| read.read(&mut buf, waker)).unwrap() {
                            0 => return total,
                            count => total = (total.0 + count, total.1 + sum(&buf[..count])),
                        }
                    }
                })
            })
            .collect();
        let all = |threads: Vec<std::thread::ScopedJoinHandle<'_, (usize, u64)>>| {
            let totals = threads.into_iter().map(|thread| thread.join().unwrap());
            totals.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        (all(writers), all(readers))
    });
    assert_eq!(written, received);
    drop(read);
    assert_unused(&limits);
}

#[test]
fn the_ends_of_a_pipe_tell_each_other_when_they_go() {
    let limits = limits();
    let (read, write) = pipe(&limits);
    let (alarm, waker) = Alarm::new();
    let mut buf = [0; 8];
    assert!(read.read(&mut buf, Some(&waker)).is_pending());
    assert_eq!(alarm.rings(), 0);
    assert_eq!(ready(write.write(b"last", None)).unwrap(), 4);
    assert_eq!(alarm.rings(), 1);
    drop(write);
    assert_eq!(read.poll(PollEvents::IN, None), PollEvents::IN | PollEvents::HUP);
    assert_eq!(ready(read.read(&mut buf, None)).unwrap(), 4);
    assert_eq!(read.poll(PollEvents::IN, None), PollEvents::HUP);
    assert_eq!(ready(read.read(&mut buf, None)).unwrap(), 0);

    let (read, write) = pipe(&limits);
    ready(write.write(&[1; PIPE_CAPACITY], None)).unwrap();
    assert!(write.write(b"x", Some(&waker)).is_pending());
    drop(read);
    assert_eq!(alarm.rings(), 1);
    assert_eq!(ready(write.write(b"x", None)).unwrap_err(), Errno::EPIPE);
    assert_eq!(write.poll(PollEvents::OUT, None), PollEvents::ERR);
    drop(write);
}

/// A writer is woken once it can write, never for nothing, and a poller's `OUT` is kept.
#[test]
fn a_writer_is_woken_when_a_whole_record_fits() {
    let limits = limits();
    let (read, write) = pipe(&limits);
    let (alarm, waker) = Alarm::new();
    ready(write.write(&[1; PIPE_CAPACITY], None)).unwrap();
    assert!(write.write(&[2; PIPE_BUF], Some(&waker)).is_pending());
    let mut buf = [0; PIPE_BUF - 1];
    ready(read.read(&mut buf, None)).unwrap();
    assert_eq!(alarm.rings(), 0);
    assert!(write.poll(PollEvents::OUT, Some(&waker)).is_empty());
    ready(read.read(&mut buf[..1], None)).unwrap();
    assert_eq!(alarm.rings(), 1);
    assert_eq!(write.poll(PollEvents::OUT, None), PollEvents::OUT);
    assert_eq!(ready(write.write(&[2; PIPE_BUF], None)).unwrap(), PIPE_BUF);
}

#[test]
fn non_blocking_ends_answer_eagain() {
    let limits = limits();
    let (read, write) = pipe(&limits);
    let (alarm, waker) = Alarm::new();
    read.set_flags(StatusFlags::NONBLOCK);
    write.set_flags(StatusFlags::NONBLOCK);
    assert_eq!(ready(read.read(&mut [0; 1], Some(&waker))).unwrap_err(), Errno::EAGAIN);
    assert_eq!(ready(write.write(&[0; 70_000], Some(&waker))).unwrap(), PIPE_CAPACITY);
    assert_eq!(
        ready(write.write(&[0; 70_000], Some(&waker))).unwrap_err(),
        Errno::EAGAIN
    );
    assert_eq!(ready(read.write(b"x", None)).unwrap_err(), Errno::EBADF);
    assert_eq!(ready(write.read(&mut [0; 1], None)).unwrap_err(), Errno::EBADF);
    drop(write);
    assert_eq!(alarm.rings(), 0, "a call that does not wait leaves no waker behind");
}

#[test]
fn a_pipe_grows_for_its_own_writer_up_to_the_limit() {
    let mut config = Limits::default();
    config.set("pendingStdinBytes", 100_000).unwrap();
    let limits = FdLimits::new(&config);
    let (read, write) = pipe(&limits);
    let end = write.pipe_end().unwrap();
    assert_eq!(end.write_growing(&[1; 60_000]).unwrap(), 60_000);
    assert_eq!(limits.grown().used(), 0);
    assert_eq!(end.write_growing(&[2; 60_000]).unwrap(), 60_000);
    assert_eq!(limits.grown().used(), 120_000 - PIPE_CAPACITY as u64);
    assert_eq!(
        end.write_growing(&[3; 60_000]).unwrap(),
        100_000 - (120_000 - PIPE_CAPACITY)
    );
    let error = end.write_growing(&[4; 6000]).unwrap_err();
    assert_eq!(error, Errno::ENOMEM);
    assert_eq!(
        error.limit().unwrap().configuration_path,
        "limits.process.pendingStdinBytes"
    );
    assert_eq!(end.write_growing(&[4; 1]).unwrap_err(), Errno::ENOMEM);
    assert!(write.write(&[4; 1], None).is_pending());

    let mut all = vec![0; 200_000];
    let mut got = 0;
    while got < 100_000 + PIPE_CAPACITY {
        got += ready(read.read(&mut all[got..][..33_333], None)).unwrap();
    }
    assert_eq!(limits.grown().used(), 0);
    assert_eq!([all[0], all[60_000], all[120_000], all[got - 1]], [1, 2, 3, 3]);
    assert_eq!(end.write_growing(&[2; 90_000]).unwrap(), 90_000);
    drop((read, write));
    assert_unused(&limits);
}

#[test]
fn pipes_and_descriptions_are_limited_and_counted() {
    let mut config = Limits::default();
    config.set("maxPipes", 2).unwrap();
    config.set("maxOpenFds", 5).unwrap();
    let limits = FdLimits::new(&config);
    let try_pipe = || OpenFile::pipe(&limits, (Uid::USER, Gid::USER), Timestamp(0), StatusFlags::empty());
    let first = try_pipe().unwrap();
    let second = try_pipe().unwrap();
    let error = try_pipe().unwrap_err();
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::EAGAIN, "maxPipes")
    );
    drop(first.0);
    assert_eq!(limits.pipes().used(), 2, "a pipe exists while one of its ends does");
    drop(first.1);
    let third = try_pipe().unwrap();
    drop(third);
    drop(second);

    config.set("maxPipes", 9).unwrap();
    let limits = FdLimits::new(&config);
    let try_pipe = || OpenFile::pipe(&limits, (Uid::USER, Gid::USER), Timestamp(0), StatusFlags::empty());
    let two = [try_pipe().unwrap(), try_pipe().unwrap()];
    let error = try_pipe().unwrap_err();
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::ENFILE, "maxOpenFds")
    );
    assert_eq!((limits.descriptions().used(), limits.pipes().used()), (4, 2));
    drop(two);
    assert_unused(&limits);
}

#[test]
fn one_waker_watches_many() {
    let limits = limits();
    let pipes: Vec<_> = (0..10).map(|_| pipe(&limits)).collect();
    let (alarm, waker) = Alarm::new();
    let watch = |pair: &(Arc<OpenFile>, Arc<OpenFile>)| PollTarget::new(Some(Arc::clone(&pair.0)), PollEvents::IN);
    let mut targets: Vec<PollTarget> = pipes.iter().map(watch).collect();
    assert_eq!(poll_all(&mut targets, Some(&waker)), 0);
    ready(pipes[7].1.write(b"x", None)).unwrap();
    assert_eq!(alarm.rings(), 1);
    assert_eq!(poll_all(&mut targets, Some(&waker)), 1);
    assert_eq!(targets[7].ready, PollEvents::IN);
    targets.push(PollTarget::new(None, PollEvents::IN));
    assert_eq!(poll_all(&mut targets, None), 2);
    assert_eq!(targets[10].ready, PollEvents::NVAL);
}

/// What a pipe carries in one second, within a thread and between two.
#[test]
#[ignore = "measures instead of testing"]
fn throughput() {
    const TOTAL: usize = 4 << 30;
    let limits = limits();
    for (size, total) in [(65_536, TOTAL), (4096, TOTAL), (64, TOTAL / 64)] {
        let (read, write) = pipe(&limits);
        let (data, mut buf) = (vec![1; size], vec![0; size]);
        let start = std::time::Instant::now();
        for _ in 0..total / size {
            ready(write.write(&data, None)).unwrap();
            ready(read.read(&mut buf, None)).unwrap();
        }
        let rate = total as f64 / start.elapsed().as_secs_f64() / 1e9;
        eprintln!("one thread, {size} bytes a call: {rate:.2} GB/s");
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..total / size {
                    let mut rest = &data[..];
                    while !rest.is_empty() {
                        let done = wait(|waker| write.write(rest, waker)).unwrap();
                        rest = &rest[done..];
                    }
                }
            });
            while wait(|waker| read.read(&mut buf, waker)).unwrap() > 0 {}
        });
        let rate = total as f64 / start.elapsed().as_secs_f64() / 1e9;
        eprintln!("two threads, {size} bytes a call: {rate:.2} GB/s");
    }
}
